"""Imagined experience for PPO, and the success rate of a policy in imagination."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from world4rl_core.imagination.env import ImaginationEnv
from world4rl_core.policy.rollout import Rollout
from world4rl_core.types import Action, Frame, PerBatch


@runtime_checkable
class Actor(Protocol):
    """The mean action of a frame."""

    def __call__(self, frame: Frame) -> Action: ...


@runtime_checkable
class Value(Protocol):
    """The value of a frame and the share of the horizon that has passed."""

    def __call__(self, frame: Frame, progress: PerBatch) -> PerBatch: ...


@torch.no_grad()
def collect(env: ImaginationEnv, actor: Actor, critic: Value, *, std: Tensor, steps: int) -> Rollout:
    """`steps` steps of every environment with Gaussian exploration, going on from where the last call stopped."""
    rows: dict[str, list[Tensor]] = {name: [] for name in _FIELDS}
    successes, episodes, doubts = 0, 0, []
    frame, horizon = env.frames[:, -1], env.config.horizon
    for _ in range(steps):
        random = env.random(7)
        progress = env.time.float() / horizon
        mean = actor(frame)
        action = mean + std * random.normal(mean.shape)
        value = critic(frame, progress)
        step = env.step(action)
        row = (frame, progress, action, mean, step.reward, value,
               critic(step.next_frame, step.next_time.float() / horizon), step.terminated, step.truncated)  # fmt: skip
        for name, tensor in zip(_FIELDS, row, strict=True):
            rows[name].append(tensor)
        ended = (step.terminated | step.truncated) & step.initial
        episodes += int(ended.sum())
        successes += int((step.terminated & step.initial).sum())
        if step.uncertainty is not None:
            doubts.append(step.uncertainty.mean())
        frame = step.frame
    uncertainty = float(torch.stack(doubts).mean()) if doubts else float("nan")
    stacked = {name: torch.stack(tensors) for name, tensors in rows.items()}
    return Rollout(**stacked, successes=successes, episodes=episodes, uncertainty=uncertainty)


_FIELDS = ("frames", "progress", "actions", "means", "rewards", "values", "next_values", "terminated", "truncated")


@dataclass(frozen=True)
class ImaginedEvaluation:
    """How a policy without noise fares from initial states."""

    successes: int
    episodes: int
    uncertainty: float

    @property
    def rate(self) -> float:
        return self.successes / max(1, self.episodes)


@torch.no_grad()
def evaluate(env: ImaginationEnv, actor: Actor, *, clock: int = 0) -> ImaginedEvaluation:
    """One episode in each environment under the mean action; the environment must start in initial states only."""
    frame = env.reset(clock=clock)
    alive = torch.ones(env.config.envs, dtype=torch.bool, device=env.device)
    successes, doubts = 0, []
    for _ in range(env.config.horizon):
        step = env.step(actor(frame))
        successes += int((step.terminated & alive).sum())
        if step.uncertainty is not None:
            doubts.append(step.uncertainty[alive])
        alive &= ~(step.terminated | step.truncated)
        frame = step.frame
        if not alive.any():
            break
    uncertainty = float(torch.cat(doubts).mean()) if doubts else float("nan")
    return ImaginedEvaluation(successes=successes, episodes=env.config.envs, uncertainty=uncertainty)
