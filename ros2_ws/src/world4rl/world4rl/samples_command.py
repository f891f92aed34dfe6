"""`world4rl samples`: take, undo, compute and save from a terminal, while a calibration is running."""

from typing import Annotated

import tyro
from std_srvs.srv import Trigger

from world4rl.terminal import ask
from world4rl_core.errors import ConfigError

WORDS = ("take", "undo", "compute", "save")
NOBODY = "no calibration answers; is `world4rl up calibrate` running on this ROS_DOMAIN_ID?"

Word = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="|".join(WORDS))]


def samples(word: Word) -> str:
    """Asks the running calibration for one of its services and returns its answer.

    Raises ConfigError for another word and RobotError when no calibration is running or it refuses.
    """
    if word not in WORDS:
        raise ConfigError(f"unknown word '{word}'; known: {', '.join(WORDS)}")
    return ask(Trigger, f"calibrate/{word}", nobody=NOBODY)
