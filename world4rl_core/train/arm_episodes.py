"""A few of the loop's episodes through ROS, franky and the simulated arm: `world4rl up teleop_collect`, scripted."""

from dataclasses import dataclass
from pathlib import Path

from world4rl_core.data.layout import read_info
from world4rl_core.data.reader import DatasetReader
from world4rl_core.train.robot_command import run_up


@dataclass(frozen=True)
class ArmEpisodes:
    """Demonstrations by the scripted operator, whose SpaceMouse is all that is made up."""

    out: Path
    task: str
    rig: str
    episodes: int
    seed: int

    def command(self) -> list[str]:
        """The words after `world4rl up`; only the missing episodes are asked for, from scenes of their own."""
        stored = read_info(self.out)["total_episodes"] if self._exists() else 0
        return [
            "teleop_collect", "backend:=sim", "operator:=scripted", f"rig:={self.rig}", f"task:={self.task}",
            f"dataset:={self.out}", f"episodes:={self.episodes - self._done()}", f"seed:={1000 * self.seed + stored}",
        ]  # fmt: skip

    def run(self) -> Path:
        """Records what is still missing and returns the dataset folder. Raises RobotError as `run_up` does."""
        if self._done() < self.episodes:
            run_up(self.command(), log=self.out.with_suffix(".log"), shown="recorder", otherwise="--arm-episodes 0")
        return self.out

    def _done(self) -> int:
        """Episodes that count: what a fault aborted is kept, and recorded again."""
        if not self._exists() or not read_info(self.out)["total_episodes"]:
            return 0
        outcomes = [record.outcome for record in DatasetReader(self.out).records]
        return sum(not str(outcome).startswith("aborted") for outcome in outcomes)

    def _exists(self) -> bool:
        return (self.out / "meta" / "info.json").is_file()
