"""Policies judged in the real simulator, each from the same initial states."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import UInt8

from world4rl_core.errors import ConfigError
from world4rl_core.sim.collect import check_action_dim, episode_seed
from world4rl_core.sim.rollout import Policy
from world4rl_core.sim.simulator import Simulator
from world4rl_core.sim.workers import play_in_order


@dataclass(frozen=True)
class Outcome:
    """How one policy did from one initial state, in `steps` control steps; `frames` (steps+1, h, w, 3) if kept."""

    policy: str
    episode: int
    seed: int
    success: bool
    steps: int
    frames: UInt8[np.ndarray, "rows h w 3"] | None = None


def evaluate(
    config: Simulator,
    *,
    policies: Mapping[str, Callable[[], Policy]],
    episodes: int,
    seed: int,
    workers: int = 1,
    keep_frames: int = 0,
    first_episode: int = 0,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Plays each policy from the same `episodes` initial states, without noise, to its first success or the horizon.

    The initial states are those of the seed's evaluation stream: no collection with any source sees them. Outcomes come
    episode by episode, in the order of `policies`; `on_outcome` sees each as it comes. The first `keep_frames` episodes
    keep their frames. Raises ConfigError for no policies, SimulatorError as `collect` does.
    """
    if not policies:
        raise ConfigError("nothing to evaluate: give at least one policy")
    if episodes < 0 or seed < 0:
        raise ConfigError(f"episodes and seed must be >= 0, got {episodes} and {seed}")
    make_judge = partial(Judge, config, dict(policies), seed, keep_frames)
    outcomes = []
    for played in play_in_order(make_judge, range(first_episode, first_episode + episodes), workers=workers):
        for outcome in played:
            outcomes.append(outcome)
            if on_outcome is not None:
                on_outcome(outcome)
    return outcomes


class Judge:
    """One environment and all policies; plays each of them from an episode's initial state."""

    def __init__(
        self, config: Simulator, factories: dict[str, Callable[[], Policy]], seed: int, keep_frames: int
    ) -> None:
        self._seed, self._keep_frames = seed, keep_frames
        self._policies = {name: make() for name, make in factories.items()}
        for policy in self._policies.values():
            check_action_dim(policy, config)
        self._simulator, self._env = config, config.make()

    def play(self, episode: int) -> list[Outcome]:
        """The outcome of each policy, in order."""
        return [self._judge(name, episode) for name in self._policies]

    def close(self) -> None:
        """Frees the environment."""
        self._env.close()

    def _judge(self, name: str, episode: int) -> Outcome:
        policy, seed = self._policies[name], episode_seed(self._seed, "evaluation", episode=episode)
        policy.reset(seed=seed)
        observation, _ = self._env.reset(seed=seed)
        frames = [self._simulator.policy_image(observation)]
        terminated = truncated = False
        while not (terminated or truncated):
            action = policy.act(frames[-1], observation["state"])
            observation, _, terminated, truncated, _ = self._env.step(action)
            frames.append(self._simulator.policy_image(observation))
        return Outcome(
            policy=name,
            episode=episode,
            seed=seed,
            success=terminated,
            steps=len(frames) - 1,
            frames=np.stack(frames) if episode < self._keep_frames else None,
        )
