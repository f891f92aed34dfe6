"""`world4rl arm`: stop it, and bring it back after a stop, from a terminal."""

from typing import Annotated

import tyro
from std_srvs.srv import SetBool, Trigger

from world4rl.terminal import ask
from world4rl_core.errors import ConfigError

TRIGGERS = {"stop": "e_stop", "reset": "reset_latch", "recover": "recover", "home": "home"}
SWITCHES = {"enable": True, "disable": False}
WORDS = (*TRIGGERS, *SWITCHES)
NOBODY = "no arm node answers; is a launch file running on this ROS_DOMAIN_ID?"

Word = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="|".join(WORDS),
        help="stop: latch now; reset: undo a latch; recover: clear the robot's own errors; home: to the start pose",
    ),
]


def arm(word: Word) -> str:
    """Asks the arm node, and returns its answer. The arm moves only once it is enabled and the input was neutral.

    Raises ConfigError for another word, and RobotError when the arm refuses, with its reason, or none is running.
    """
    if word not in WORDS:
        raise ConfigError(f"unknown word '{word}'; known: {', '.join(WORDS)}")
    if word in SWITCHES:
        answer = ask(SetBool, "arm/enable", nobody=NOBODY, data=SWITCHES[word])
    else:
        answer = ask(Trigger, f"arm/{TRIGGERS[word]}", nobody=NOBODY)
    return f"{word}: {answer}"
