"""One recorded episode in a simulator: who acts, what noise is added, what is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8

from world4rl_core.sim.simulator import Environment, Observation, Simulator


@runtime_checkable
class Policy(Protocol):
    """Anything that acts on one picture and the robot's own state."""

    action_dim: int

    def reset(self, *, seed: int) -> None:
        """Forgets the last episode; `seed` decides every random choice of the next."""
        ...

    def act(self, image: UInt8[np.ndarray, "h w 3"], state: Float[np.ndarray, " k"]) -> Float[np.ndarray, " d"]:
        """The next action, in [-1, 1]."""
        ...


@dataclass(frozen=True)
class Trajectory:
    """One episode of n actions: n + 1 rows, the last with zero actions and the previous row's `next_*`.

    `images` uint8 (n+1, h, w, 3) by camera; `state` float32 (n+1, k); `action` (what was applied) and `requested`
    (before noise) float32 (n+1, d) in [-1, 1]; `next_reward` float32 (n+1,); `next_success` bool (n+1,). `terminated`
    when success ended the episode, `truncated` when the horizon did. `seed` reproduces the initial state.
    """

    images: dict[str, UInt8[np.ndarray, "rows h w 3"]]
    state: Float[np.ndarray, "rows k"]
    action: Float[np.ndarray, "rows d"]
    requested: Float[np.ndarray, "rows d"]
    next_reward: Float[np.ndarray, " rows"]
    next_success: Bool[np.ndarray, " rows"]
    terminated: bool
    truncated: bool
    task: str
    source: str
    seed: int

    @property
    def succeeded(self) -> bool:
        """Whether the task was solved at any step."""
        return bool(self.next_success.any())


class SmoothExplorer:
    """A random policy whose actions wander: an Ornstein-Uhlenbeck process in each dimension, the gripper's included.

    `pull` is the fraction of the distance to zero undone each step, `spread` the standard deviation it settles at.
    """

    def __init__(self, action_dim: int, *, pull: float = 0.15, spread: float = 0.7) -> None:
        self.action_dim = action_dim
        self._pull, self._kick = pull, spread * np.sqrt(pull * (2 - pull))
        self._spread = spread
        self.reset(seed=0)

    def reset(self, *, seed: int) -> None:
        """Starts a new wander from its settled distribution."""
        self._rng = np.random.default_rng(seed)
        self._level = self._spread * self._rng.standard_normal(self.action_dim)

    def act(self, image: np.ndarray, state: np.ndarray) -> Float[np.ndarray, " d"]:
        """The next action, in [-1, 1]; it looks at nothing."""
        action = np.clip(self._level, -1.0, 1.0).astype(np.float32)
        self._level = (1 - self._pull) * self._level + self._kick * self._rng.standard_normal(self.action_dim)
        return action


def record(
    env: Environment,
    choose: Callable[[Observation], np.ndarray],
    *,
    simulator: Simulator,
    seed: int,
    noise_std: float,
    noise_memory: float,
    stop_on_success: bool,
    source: str,
) -> Trajectory:
    """Plays one episode from `seed` until the horizon, or the first success if `stop_on_success`.

    `choose` maps an observation to the requested action; Gaussian noise of `noise_std`, each step's correlated with the
    one before by `noise_memory`, seeded by `seed`, is added and the sum clipped to [-1, 1] before it is applied.
    """
    rng = np.random.default_rng([seed, 1])
    observation, _ = env.reset(seed=seed)
    observations, requests, actions, rewards, successes = [observation], [], [], [], []
    ended = truncated = False
    noise, kick = noise_std * rng.standard_normal(simulator.action_dim), noise_std * np.sqrt(1 - noise_memory**2)
    while not (ended or truncated):
        requested = np.clip(choose(observation), -1.0, 1.0).astype(np.float32)
        action = np.clip(requested + noise, -1.0, 1.0).astype(np.float32)
        noise = noise_memory * noise + kick * rng.standard_normal(simulator.action_dim)
        observation, reward, terminated, truncated, info = env.step(action)
        ended = terminated and stop_on_success
        observations.append(observation)
        requests.append(requested)
        actions.append(action)
        rewards.append(reward)
        successes.append(info["success"])
    zeros = np.zeros_like(actions[-1])
    pictures = [simulator.images(seen) for seen in observations]
    return Trajectory(
        images={camera: np.stack([seen[camera] for seen in pictures]) for camera in pictures[0]},
        state=np.stack([seen["state"] for seen in observations]),
        action=np.stack([*actions, zeros]),
        requested=np.stack([*requests, zeros]),
        next_reward=np.array([*rewards, rewards[-1]], dtype=np.float32),
        next_success=np.array([*successes, successes[-1]], dtype=bool),
        terminated=ended,
        truncated=truncated and not ended,
        task=simulator.task,
        source=source,
        seed=seed,
    )
