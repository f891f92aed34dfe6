"""Recording episodes in a simulator: a scripted expert, a policy or random exploration, in parallel."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np

from world4rl_core.errors import ConfigError, SimulatorError
from world4rl_core.sim.rollout import Policy, SmoothExplorer, Trajectory, record
from world4rl_core.sim.simulator import Observation, Simulator
from world4rl_core.sim.workers import play_in_order

Source = Literal["expert", "policy", "random"]
# Each user of a seed draws from its own stream, so that no policy is ever judged on the states it was trained on.
STREAMS = {"expert": 0, "policy": 1, "random": 2, "evaluation": 3}


def episode_seed(seed: int, stream: str, *, episode: int, attempt: int = 0) -> int:
    """The seed of one episode, the same whoever plays it and when."""
    return int(np.random.SeedSequence([seed, STREAMS[stream], episode, attempt]).generate_state(1)[0])


def collect(
    config: Simulator,
    *,
    source: str,
    episodes: int,
    seed: int,
    workers: int = 1,
    make_policy: Callable[[], Policy] | None = None,
    noise: Sequence[float] = (0.0,),
    noise_memory: float = 0.0,
    stop_on_success: bool = False,
    only_successes: bool = False,
    max_tries: int = 10,
    first_episode: int = 0,
) -> Iterator[Trajectory]:
    """Yields `episodes` trajectories in order, the same for the same seed whatever the number of workers.

    `source` is "expert" (scripted), "policy" or "random" (smooth wandering of hand and gripper).
    Episode k adds noise of standard deviation `noise[k % len(noise)]` to each action, correlated from step to step by
    `noise_memory` (0: white); the requested action stays clean. `only_successes` plays again, from another state, what
    failed, at most `max_tries` times. `first_episode` > 0 continues an interrupted collection. `make_policy` (for
    source "policy"; picklable) runs once in each worker.

    Raises ConfigError for a contradictory request and SimulatorError when the simulator cannot run, a worker dies, or
    `max_tries` is exhausted.
    """
    _check(source=source, episodes=episodes, make_policy=make_policy, noise=noise, max_tries=max_tries, seed=seed)
    if not 0 <= noise_memory < 1:
        raise ConfigError(f"noise_memory must lie in [0, 1), got {noise_memory}")
    recipe = Recipe(
        config=config,
        source=source,
        seed=seed,
        noise=tuple(noise),
        noise_memory=noise_memory,
        stop_on_success=stop_on_success,
        tries=max_tries if only_successes else 1,
        only_successes=only_successes,
    )
    numbers = range(first_episode, first_episode + episodes)
    return play_in_order(partial(Collector, recipe, make_policy), numbers, workers=workers)


@dataclass(frozen=True)
class Recipe:
    """How each episode of one collection is recorded."""

    config: Simulator
    source: str
    seed: int
    noise: tuple[float, ...]
    noise_memory: float
    stop_on_success: bool
    tries: int
    only_successes: bool


class Collector:
    """One environment and whoever acts in it; plays episodes by number."""

    def __init__(self, recipe: Recipe, make_policy: Callable[[], Policy] | None) -> None:
        self._recipe = recipe
        self._policy: Policy | None = None
        if recipe.source == "random":
            self._policy = SmoothExplorer(recipe.config.action_dim)
        elif make_policy is not None:
            self._policy = make_policy()
            check_action_dim(self._policy, recipe.config)
        self._env = recipe.config.make()

    def play(self, episode: int) -> Trajectory:
        """Records the episode of this number; raises SimulatorError when only successes are wanted and none comes."""
        recipe = self._recipe
        for attempt in range(recipe.tries):
            seed = episode_seed(recipe.seed, recipe.source, episode=episode, attempt=attempt)
            if self._policy is not None:
                self._policy.reset(seed=seed)
            trajectory = record(
                self._env,
                self._choose,
                simulator=recipe.config,
                seed=seed,
                noise_std=recipe.noise[episode % len(recipe.noise)],
                noise_memory=recipe.noise_memory,
                stop_on_success=recipe.stop_on_success,
                source=recipe.source,
            )
            if trajectory.succeeded or not recipe.only_successes:
                return trajectory
        raise SimulatorError(
            f"{recipe.config.task}: {recipe.source} episode {episode} failed {recipe.tries} times in a row; lower the "
            f"noise {recipe.noise}, raise the horizon ({recipe.config.horizon_steps} steps), or keep failed episodes"
        )

    def close(self) -> None:
        """Frees the environment."""
        self._env.close()

    def _choose(self, observation: Observation) -> np.ndarray:
        if self._policy is None:
            return self._env.expert_action()
        return self._policy.act(self._recipe.config.policy_image(observation), observation["state"])


def check_action_dim(policy: Policy, simulator: Simulator) -> None:
    """Raises ConfigError for a policy made for another robot."""
    if policy.action_dim != simulator.action_dim:
        raise ConfigError(
            f"this policy acts in {policy.action_dim} dimensions, {simulator.robot} wants {simulator.action_dim}"
        )


def _check(
    *,
    source: str,
    episodes: int,
    make_policy: Callable[[], Policy] | None,
    noise: Sequence[float],
    max_tries: int,
    seed: int,
) -> None:
    if source not in get_args(Source):
        raise ConfigError(f"unknown source {source!r}; known: {', '.join(get_args(Source))}")
    if (source == "policy") != (make_policy is not None):
        raise ConfigError(
            f"source {source!r} with{'' if make_policy else 'out'} a policy: give one for source 'policy' only"
        )
    if episodes < 0 or max_tries < 1 or seed < 0:
        raise ConfigError(f"episodes and seed must be >= 0, tries >= 1; got {episodes}, {seed}, {max_tries}")
    if not noise or not all(0 <= std < np.inf for std in noise):
        raise ConfigError(f"noise must be one or more standard deviations >= 0, got {list(noise)}")
