"""`world4rl collect twin`: episodes of one source on the digital twin, in lock step and many at a time."""

from dataclasses import dataclass
from pathlib import Path

from world4rl_core.evaluation.twin import policy_view
from world4rl_core.sim.twin.env import DEFAULT_SPREAD_M, TwinConfig
from world4rl_core.train import collect


@dataclass(frozen=True, kw_only=True)
class Config(collect.Options):
    """Options of `world4rl collect twin`."""

    task: str
    """A task of the twin: press_button, close_drawer, open_drawer, pick_apple, pick_bread_out or put_bread_in."""
    rig: str = "twin"
    """Name or path of the rig file: cameras, action scale, limits."""
    cameras: tuple[str, ...] = ()
    """Cameras of the rig that are recorded (default: all)."""
    size: int | None = None
    """Height and width of the pictures, in pixels (default: the rig's)."""
    spread_m: float = DEFAULT_SPREAD_M
    """Objects move by up to this much in x and y at each reset; 0 is the fixed scene."""
    horizon: int | None = None
    """Control steps of an episode (default: the task's own)."""

    @property
    def simulator(self) -> TwinConfig:
        """The environment these options describe, every default spelled out."""
        cameras, size = ((), None) if self.policy is None else policy_view(self.policy)
        return TwinConfig(
            task=self.task, rig=self.rig, cameras=self.cameras, size=self.size, spread_m=self.spread_m,
            horizon=self.horizon, seen_cameras=cameras, seen_size=size,
        ).resolved()  # fmt: skip


def run(config: Config) -> Path:
    """Records what is still missing and returns the dataset folder."""
    return collect.collect_into(config, config.simulator)
