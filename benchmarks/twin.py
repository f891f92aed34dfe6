"""Speed of the digital twin: `python -m benchmarks.twin` prints one JSON line.

Lock step, one process on one core: control steps/s (10 Hz each) of a smoothly wandering arm with two cameras, with one,
and blind, taking turns. `per_core_s` counts the processor's seconds, `per_s` those of the wall, which other programs
lengthen. `ok`: at least 90 control steps per second of one core with two cameras of 128x128.
"""

import os
import time
from dataclasses import dataclass, replace

SINGLE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LP_NUM_THREADS")
os.environ |= dict.fromkeys(SINGLE_THREAD, "1")  # before anything loads that reads them

import tyro  # noqa: E402

from benchmarks.timing import report, take_turns  # noqa: E402
from world4rl_core.sim.rollout import SmoothExplorer  # noqa: E402
from world4rl_core.sim.twin.env import ACTION_DIM, TwinConfig, TwinEnv  # noqa: E402

WANTED_STEPS_PER_S = 90


@dataclass(frozen=True)
class Config:
    """Options of `python -m benchmarks.twin`."""

    task: str = "put_bread_in"
    """The task with the most contacts."""
    size: int = 128
    """Height and width of the pictures."""
    steps: int = 40
    """Control steps of one turn."""
    rounds: int = 9


class Player:
    """One environment and an explorer in it; a call plays one episode."""

    def __init__(self, config: TwinConfig, *, draws: bool = True) -> None:
        self._env, self._explorer = TwinEnv(config, draws=draws), SmoothExplorer(ACTION_DIM)
        self._horizon = config.horizon_steps

    def __call__(self) -> None:
        observation, _ = self._env.reset(seed=0)
        self._explorer.reset(seed=0)
        for _ in range(self._horizon):
            action = self._explorer.act(observation["external"], observation["state"])
            observation, *_ = self._env.step(action)


def main(config: Config) -> None:
    """Prints the figures."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    both = TwinConfig(task=config.task, size=config.size, horizon=config.steps)
    players = {
        "two_cameras": Player(both),
        "one_camera": Player(replace(both, cameras=("external",))),
        "blind": Player(both, draws=False),
    }
    rates = {}
    for unit, clock in (("core_s", time.process_time), ("s", time.perf_counter)):
        seconds = take_turns(players, rounds=config.rounds, clock=clock)
        rates |= {f"{name}_steps_per_{unit}": config.steps / value for name, value in seconds.items()}
    figures = {"benchmark": "twin", "task": config.task, "size": config.size, "steps": config.steps, **rates}
    report(figures | {"wanted": WANTED_STEPS_PER_S, "ok": rates["two_cameras_steps_per_core_s"] >= WANTED_STEPS_PER_S})


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
