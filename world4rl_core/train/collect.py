"""`world4rl collect metaworld`, and what every `world4rl collect` shares: episodes of one source in a dataset."""

import contextlib
import itertools
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from world4rl_core import progress
from world4rl_core.config_json import to_json
from world4rl_core.data.episode import Episode
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.errors import ConfigError
from world4rl_core.nets.checkpoint import write_atomically
from world4rl_core.policy.actor_critic import load_image_policy
from world4rl_core.sim.collect import Source, collect
from world4rl_core.sim.metaworld import MetaWorldConfig
from world4rl_core.sim.rollout import Trajectory
from world4rl_core.sim.simulator import Simulator


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be asked of a collection in any simulator."""

    source: Source
    """Who acts: the task's scripted expert, a trained policy, or smooth random exploration."""
    out: Path
    """Dataset folder; the same command continues an interrupted collection."""
    episodes: int = 50
    workers: int = 2
    """Simulator processes; the data do not depend on it."""
    policy: Path | None = None
    """Run folder of the policy, for source `policy`."""
    noise: tuple[float, ...] = (0.0,)
    """Deviations of the exploration noise; episode k uses the k-th, cyclically."""
    noise_memory: float = 0.0
    """Correlation of the noise from one step to the next; near 1 an episode strays steadily, and covers more states."""
    only_successes: bool = False
    """Play again, from another state, what failed."""
    stop_on_success: bool = False
    """End episodes at the first success."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Config(Options):
    """Options of `world4rl collect metaworld`."""

    task: str
    """A Meta-World v3 task."""
    camera: str = "corner2"
    crop: tuple[float, float, float, float] | None = None
    """Top, bottom, left, right of what is seen, as fractions of the picture (default: the task's own)."""
    size: int = 48
    """Height and width of the picture, in pixels."""
    frame_skip: int | None = None
    """Simulator steps per control step (default: the task's own)."""
    expert_gain: float | None = None
    """Factor on the scripted expert's displacement (default: the task's own)."""
    horizon: int | None = None
    """Control steps of an episode (default: the task's own)."""

    @property
    def simulator(self) -> MetaWorldConfig:
        """The environment these options describe, every default spelled out."""
        return MetaWorldConfig(
            task=self.task, camera=self.camera, crop=self.crop, size=self.size, frame_skip=self.frame_skip,
            expert_gain=self.expert_gain, horizon=self.horizon,
        ).resolved()  # fmt: skip


def run(config: Config) -> Path:
    """Records what is still missing and returns the dataset folder."""
    return collect_into(config, config.simulator)


def collect_into(config: Options, simulator: Simulator) -> Path:
    """Records what `config.out` still misses of the collection and returns that folder.

    Raises ConfigError when the folder holds another collection. A new folder is made with the first episode only.
    """
    _refuse_other_collection(config)
    make_policy = None
    if config.policy is not None:
        load_image_policy(config.policy)  # refused here, before a folder is made
        make_policy = partial(load_image_policy, config.policy)
    resumes = (config.out / "meta" / "info.json").is_file()
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(DatasetWriter.open(config.out)) if resumes else None
        done = writer.num_episodes if writer is not None else 0
        trajectories = collect(
            simulator, source=config.source, episodes=max(0, config.episodes - done), seed=config.seed,
            workers=config.workers, make_policy=make_policy, noise=config.noise, noise_memory=config.noise_memory,
            stop_on_success=config.stop_on_success, only_successes=config.only_successes, first_episode=done,
        )  # fmt: skip
        trajectory = next(trajectories, None)
        if trajectory is None:
            return config.out
        if writer is None:  # the simulator runs, so there is something to make a folder for
            created = DatasetWriter.create(config.out, fps=simulator.fps, robot_type=simulator.robot)
            writer = stack.enter_context(created)
        write_atomically(_record(config), json.dumps(_identity(config), indent=1).encode())
        every = itertools.chain([trajectory], trajectories)
        for trajectory in progress.bar(every, total=config.episodes, initial=done, desc=config.source, unit="episode"):
            writer.add(as_episode(trajectory))
    return config.out


def as_episode(trajectory: Trajectory) -> Episode:
    """The trajectory as it goes on disk."""
    fields = {name: getattr(trajectory, name) for name in (
        "images", "state", "action", "requested", "next_reward", "next_success", "terminated", "truncated", "task",
        "source", "seed",
    )}  # fmt: skip
    return Episode(**fields, outcome="success" if trajectory.succeeded else "timeout")


def _record(config: Options) -> Path:
    return config.out / "meta" / "collection.json"


def _identity(config: Options) -> dict[str, Any]:
    """What the data depend on."""
    free = ("out", "episodes", "workers")
    return {key: value for key, value in to_json(config).items() if key not in free}


def _refuse_other_collection(config: Options) -> None:
    if not _record(config).is_file():
        return
    found, wanted = json.loads(_record(config).read_text()), _identity(config)
    for key in wanted:
        if found.get(key) != wanted[key]:
            raise ConfigError(
                f"{config.out} was collected with {key} {found.get(key)}, now {wanted[key]}; choose another --out"
            )
