"""One PPO update of policy and critic on a rollout."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from world4rl_core.errors import ConfigError
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.policy.ppo import (
    gae,
    kl_same_std,
    log_prob,
    normalised,
    one_step,
    policy_loss,
    success_mask,
    value_loss,
)
from world4rl_core.policy.rollout import Rollout


@dataclass(frozen=True)
class PPOConfig:
    """Numbers of the update."""

    std: float = 0.2
    """Deviation of the exploration noise, in units of the [-1, 1] action."""
    lr_actor: float = 1e-4
    lr_critic: float = 1e-3
    epochs: int = 3
    """Passes over a rollout."""
    minibatch: int = 352
    """Steps a gradient step, in each process."""
    clip: float = 0.2
    """Largest change of the probability ratio that is rewarded (ε of World4RL eq. 8)."""
    gamma: float = 0.97
    lam: float = 0.95
    """λ of generalised advantage estimation."""
    returns: Literal["gae", "one-step"] = "gae"
    """`one-step` is the paper's target (eq. 9)."""
    kl_to_clone: float = 0.05
    """Weight of the divergence from the cloned policy."""
    kl_decay: float = 1.0
    """Factor on that weight after each iteration."""
    target_kl: float = 0.04
    """An update stops when the policy has moved this far from the one that collected the rollout (0: never)."""
    critic_warmup: int = 4
    """Iterations in which only the critic learns."""
    mask_after_success: bool = True
    """No gradient from steps after an episode's first success."""
    grad_clip: float = 0.5

    def __post_init__(self) -> None:
        if self.std <= 0:
            raise ConfigError(f"ppo.std must be positive, got {self.std}; without noise nothing is explored")
        if self.returns not in ("gae", "one-step"):
            raise ConfigError(f"unknown ppo.returns {self.returns!r}; known: gae, one-step")


@dataclass(frozen=True)
class Batch:
    """A rollout flattened to rows."""

    frames: Tensor
    progress: Tensor
    actions: Tensor
    old_means: Tensor
    clone_means: Tensor
    advantages: Tensor
    targets: Tensor
    weights: Tensor


def prepare(rollout: Rollout, clone: nn.Module, config: PPOConfig) -> Batch:
    """Advantages, targets and the clone's opinion of every step."""
    ended = rollout.terminated | rollout.truncated
    if config.returns == "gae":
        returns = gae(
            rollout.rewards, rollout.values, rollout.next_values, terminated=rollout.terminated,
            truncated=rollout.truncated, gamma=config.gamma, lam=config.lam,
        )  # fmt: skip
    else:
        returns = one_step(
            rollout.rewards, rollout.values, rollout.next_values, terminated=rollout.terminated, gamma=config.gamma
        )
    mask = success_mask(rollout.terminated, ended) if config.mask_after_success else torch.ones_like(ended)
    frames = rollout.frames.flatten(0, 1)
    with torch.no_grad():
        clone_means = torch.cat([clone(part) for part in frames.split(512)])
    return Batch(
        frames=frames,
        progress=rollout.progress.flatten(),
        actions=rollout.actions.flatten(0, 1),
        old_means=rollout.means.flatten(0, 1),
        clone_means=clone_means,
        advantages=normalised(returns.advantages, mask).flatten(),
        targets=returns.targets.flatten(),
        weights=mask.float().flatten(),
    )


class PPO:
    """Optimisers of policy and critic; `mean` averages a number over the processes."""

    def __init__(
        self, policy: nn.Module, critic: nn.Module, config: PPOConfig, *, mean: Callable[[Tensor], Tensor]
    ) -> None:
        self.policy, self.critic, self.config, self.mean = policy, critic, config, mean
        self.actor_optimiser = torch.optim.Adam(policy.parameters(), lr=config.lr_actor)
        self.critic_optimiser = torch.optim.Adam(critic.parameters(), lr=config.lr_critic)

    def update(self, batch: Batch, *, iteration: int, random: RandomRows) -> dict[str, float]:
        """All epochs over the batch; stops the policy's part at the target divergence. Returns figures."""
        config = self.config
        std = batch.actions.new_full((batch.actions.shape[1],), config.std)
        learns = iteration >= config.critic_warmup
        sums: dict[str, float] = {}
        count, stopped = 0, False
        for _ in range(config.epochs):
            order = random.uniform((len(batch.weights),)).argsort()
            for rows in order.split(config.minibatch):
                figures = {"value_loss": self._critic_step(batch, rows)}
                if learns and not stopped:
                    figures |= self._actor_step(batch, rows, std, iteration)
                    stopped = 0.0 < config.target_kl < figures["kl_step"]
                for key, value in figures.items():
                    sums[key] = sums.get(key, 0.0) + value
                count += 1
        means = self.mean(batch.actions.new_tensor([value / count for value in sums.values()])).tolist()
        return dict(zip(sums, means, strict=True)) | {"kl_stopped": float(stopped)}

    def _critic_step(self, batch: Batch, rows: Tensor) -> float:
        values = self.critic(batch.frames[rows], batch.progress[rows])
        loss = value_loss(values, batch.targets[rows], batch.weights[rows])
        self.critic_optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.critic.parameters(), self.config.grad_clip)
        self.critic_optimiser.step()
        return loss.item()

    def _actor_step(self, batch: Batch, rows: Tensor, std: Tensor, iteration: int) -> dict[str, float]:
        mean = self.policy(batch.frames[rows])
        actions, weights = batch.actions[rows], batch.weights[rows]
        log_ratio = log_prob(actions, mean, std) - log_prob(actions, batch.old_means[rows], std)
        gain = policy_loss(log_ratio, batch.advantages[rows], weights, clip=self.config.clip)
        to_clone = kl_same_std(mean, batch.clone_means[rows], std).mean()
        weight = self.config.kl_to_clone * self.config.kl_decay**iteration
        self.actor_optimiser.zero_grad()
        (gain + weight * to_clone).backward()
        nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.grad_clip)
        self.actor_optimiser.step()
        moved = self.mean(kl_same_std(mean.detach(), batch.old_means[rows], std).mean())
        return {"policy_loss": gain.item(), "kl_clone": to_clone.item(), "kl_step": moved.item()}
