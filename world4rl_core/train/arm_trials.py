"""The end of the loop on the twin: `world4rl up evaluate` judges the bundles on the simulated arm, through ROS."""

from dataclasses import dataclass
from pathlib import Path

from world4rl_core.errors import TrialError
from world4rl_core.evaluation import session_report
from world4rl_core.evaluation.session import summarise
from world4rl_core.runtime.trial_record import read_session
from world4rl_core.train.robot_command import run_up

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
        """The words after `world4rl up`."""
        named = ",".join(f"{name}={folder}" for name, folder in self.bundles.items())
        return [
            "evaluate", "backend:=sim", f"rig:={self.rig}", f"task:={self.task}", f"bundles:={named}",
            f"trials:={self.each}", f"session:={self.session}", f"seed:={self.seed}",
            f"time_limit_s:={SLACK * self.horizon_s:g}",
        ]  # fmt: skip

    def run(self) -> str:
        """Runs the trials that are still missing; the answer is the session's table and where its page lies.

        Raises RobotError where the robot's package is not installed or its nodes ended badly.
        """
        if not self._is_complete():
            run_up(self.command(), log=self.session.with_suffix(".log"), shown="trial", otherwise="--trials 0")
        return session_report.report(self.session)

    def _is_complete(self) -> bool:
        try:
            return summarise(read_session(self.session)).is_complete
        except TrialError:
            return False  # not begun, or damaged: the session itself tells which
