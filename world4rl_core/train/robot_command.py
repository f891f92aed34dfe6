"""`world4rl up` as a stage of the loop: the robot's package is asked by its command, as a person would ask it.

The core imports none of that package.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from world4rl_core.errors import RobotError

logger = logging.getLogger(__name__)
ROBOT_PACKAGE = "world4rl"


def run_up(words: Sequence[str], *, log: Path, shown: str, otherwise: str) -> None:
    """Runs `world4rl up` with these words until it has ended; everything it says goes to `log`.

    shown: lines of the nodes whose name contains this are shown as well.
    otherwise: how to do without the robot, for the message.
    Raises RobotError where the robot's package is not installed or its nodes ended badly.
    """
    if find_spec(ROBOT_PACKAGE) is None:
        raise RobotError(
            "the simulated arm needs the robot's package: pip install -e ros2_ws/src/world4rl, then run the same "
            f"command again; or leave it out with {otherwise}"
        )
    logger.info("world4rl up %s", " ".join(words))
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "OMP_NUM_THREADS": "1"} | os.environ
    command = [sys.executable, "-m", "world4rl_core", "up", *words]
    with log.open("a") as output, subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as nodes:  # fmt: skip
        assert nodes.stdout is not None
        for line in nodes.stdout:
            output.write(line)
            if shown in line.split("]")[0]:
                logger.info("%s", line.rstrip())
        code = nodes.wait()
    if code:
        raise RobotError(f"the simulated arm's nodes ended with exit code {code}; {log} says why, the same command "
                         "continues")  # fmt: skip
