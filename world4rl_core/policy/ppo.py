"""PPO as pure functions: returns, losses, divergence (Schulman et al. 2017; World4RL eqs. 8 and 9)."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from world4rl_core.types import Action, PerBatch, Scalar

Rollout = Float[Tensor, "time env"]
RolloutMask = Bool[Tensor, "time env"]


@dataclass(frozen=True)
class Returns:
    """Targets for actor and critic, one a step."""

    advantages: Rollout
    targets: Rollout


def gae(
    rewards: Rollout, values: Rollout, next_values: Rollout, *, terminated: RolloutMask, truncated: RolloutMask,
    gamma: float, lam: float,
) -> Returns:  # fmt: skip
    """Generalised advantage estimation (Schulman et al. 2016, eq. 16).

    `next_values[t]` is the value of the observation that step t led to, before any reset. Termination stops the
    bootstrap, truncation keeps it; both end the sum.
    """
    deltas = rewards + gamma * next_values * (~terminated) - values
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        running = deltas[t] + gamma * lam * (~(terminated[t] | truncated[t])) * running
        advantages[t] = running
    return Returns(advantages=advantages, targets=advantages + values)


def one_step(
    rewards: Rollout, values: Rollout, next_values: Rollout, *, terminated: RolloutMask, gamma: float
) -> Returns:
    """The paper's target r + γ·V(x_{t+1}) (World4RL eq. 9) and the advantage that goes with it."""
    targets = rewards + gamma * next_values * (~terminated)
    return Returns(advantages=targets - values, targets=targets)


def log_prob(action: Action, mean: Action, std: Float[Tensor, " action"]) -> PerBatch:
    """Log-density of independent Gaussians, summed over dimensions."""
    z = (action - mean) / std
    return (-0.5 * z**2 - std.log() - 0.5 * math.log(2 * math.pi)).sum(-1)


def kl_same_std(mean: Action, reference: Action, std: Float[Tensor, " action"]) -> PerBatch:
    """KL divergence between two Gaussians that share their deviation; symmetric."""
    return 0.5 * (((mean - reference) / std) ** 2).sum(-1)


def policy_loss(log_ratio: PerBatch, advantages: PerBatch, weights: PerBatch, *, clip: float) -> Scalar:
    """The clipped objective, negated (World4RL eq. 8); `weights` leaves out masked steps."""
    ratio = log_ratio.exp()
    objective = torch.minimum(ratio * advantages, ratio.clamp(1.0 - clip, 1.0 + clip) * advantages)
    return -weighted_mean(objective, weights)


def value_loss(values: PerBatch, targets: PerBatch, weights: PerBatch) -> Scalar:
    """Squared error to the target (World4RL eq. 9)."""
    return weighted_mean((values - targets) ** 2, weights)


def weighted_mean(x: PerBatch, weights: PerBatch) -> Scalar:
    """Mean of `x` under non-negative weights; 0 when they are all 0."""
    return (x * weights).sum() / weights.sum().clamp(min=1e-8)


def success_mask(terminated: RolloutMask, ended: RolloutMask) -> RolloutMask:
    """True for steps up to and including the first success of each episode, False after it until the episode ends.

    `ended` marks the last step of an episode. Environments that reset on success never produce a masked step.
    """
    mask = torch.ones_like(terminated)
    done = torch.zeros_like(terminated[0])
    for t in range(len(terminated)):
        mask[t] = ~done
        done = (done | terminated[t]) & ~ended[t]
    return mask


def normalised(advantages: Rollout, mask: RolloutMask) -> Rollout:
    """Zero mean, unit deviation over the steps that count."""
    counted = advantages[mask]
    return (advantages - counted.mean()) / (counted.std() + 1e-8)
