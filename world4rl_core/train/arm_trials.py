"""The end of the loop on the twin: `world4rl up evaluate` judges the bundles on the simulated arm, through ROS.

The robot's package is asked by its command, as a person would ask it; the core imports none of it.
"""

import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from world4rl_core.errors import RobotError, TrialError
from world4rl_core.evaluation import session_report
from world4rl_core.evaluation.session import summarise
from world4rl_core.runtime.trial_record import read_session

logger = logging.getLogger(__name__)
ROBOT_PACKAGE = "world4rl"
SLACK = 1.5
"""A trial may last this much longer than the horizon of training: the arm's servo lags, the policy has to be heard."""


@dataclass(frozen=True)
class Trials:
    """Two bundles against each other, `each` interleaved trials of both."""

    bundles: dict[str, Path]
    task: str
    rig: str
    session: Path
    horizon_s: float
    seed: int
    each: int

    def command(self) -> list[str]:
        """The words after `world4rl`."""
        named = ",".join(f"{name}={folder}" for name, folder in self.bundles.items())
        return [
            "up", "evaluate", "backend:=sim", f"rig:={self.rig}", f"task:={self.task}", f"bundles:={named}",
            f"trials:={self.each}", f"session:={self.session}", f"seed:={self.seed}",
            f"time_limit_s:={SLACK * self.horizon_s:g}",
        ]  # fmt: skip

    def run(self) -> str:
        """Runs the trials that are still missing; the answer is the session's table and where its page lies.

        Raises RobotError where the robot's package is not installed or its nodes ended badly.
        """
        if not self._is_complete():
            self._judge()
        return session_report.report(self.session)

    def _is_complete(self) -> bool:
        try:
            return summarise(read_session(self.session)).is_complete
        except TrialError:
            return False  # not begun, or damaged: the session itself tells which

    def _judge(self) -> None:
        if find_spec(ROBOT_PACKAGE) is None:
            raise RobotError(
                "the trials on the simulated arm need the robot's package: pip install -e ros2_ws/src/world4rl, then "
                "run the same command again; or leave them out with --trials 0"
            )
        words = self.command()
        logger.info("world4rl %s", " ".join(words))
        self.session.parent.mkdir(parents=True, exist_ok=True)
        log = self.session.with_suffix(".log")
        environment = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "OMP_NUM_THREADS": "1"} | os.environ
        command = [sys.executable, "-m", "world4rl_core", *words]
        with log.open("a") as output, subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as nodes:  # fmt: skip
            assert nodes.stdout is not None
            for line in nodes.stdout:
                output.write(line)
                if "trial" in line.split("]")[0]:
                    logger.info("%s", line.rstrip())
            code = nodes.wait()
        if code:
            raise RobotError(f"the trials ended with exit code {code}; {log} says why, the same command continues them")
