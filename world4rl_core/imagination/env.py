"""The frozen world model and reward behind reset and step, on tensors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from world4rl_core.errors import ConfigError
from world4rl_core.imagination.starts import StartBatch, Starts
from world4rl_core.nets.random_rows import RandomRows, mixed_seed
from world4rl_core.reward.classifier import SuccessClassifier
from world4rl_core.reward.decision import Decision
from world4rl_core.types import Action, Frame, PerBatch
from world4rl_core.world_model.model import WorldModel


@dataclass(frozen=True)
class ImaginationConfig:
    """Size and rules of the imagined environment."""

    envs: int = 64
    """Imagined environments that step together."""
    horizon: int = 50
    """Steps after which an episode is truncated."""
    uncertainty_every: int = 4
    """Every this many steps the next frame is drawn twice and the difference logged (0: never, 1: always)."""
    uncertainty_penalty: float = 0.0
    """Reward lost for each unit of that difference; needs uncertainty_every = 1."""

    def __post_init__(self) -> None:
        if min(self.envs, self.horizon) < 1 or self.uncertainty_every < 0:
            raise ConfigError(
                "wanted imagination.envs and imagination.horizon >= 1 and imagination.uncertainty_every >= 0, "
                f"got {self.envs}, {self.horizon} and {self.uncertainty_every}"
            )
        if self.uncertainty_penalty > 0 and self.uncertainty_every != 1:
            raise ConfigError("an uncertainty penalty needs --uncertainty-every 1, otherwise most steps escape it")


@dataclass(frozen=True)
class Step:
    """What one step led to. `next_frame` is before, `frame` after the reset of finished environments."""

    frame: Frame
    next_frame: Frame
    reward: PerBatch
    terminated: Bool[Tensor, " batch"]
    truncated: Bool[Tensor, " batch"]
    next_time: Int[Tensor, " batch"]
    probability: PerBatch
    uncertainty: Float[Tensor, " batch"] | None
    initial: Bool[Tensor, " batch"]
    """Whether the episode that this step belongs to began in an initial state (rather than inside an episode)."""


class ImaginationEnv:
    """Steps `envs` imagined episodes; the reward is 1 on success, which terminates; the horizon truncates.

    All randomness comes from `seed` and the number of steps made; several processes share one stream of it, so that
    together they imagine what one process with all the environments would.
    """

    def __init__(
        self, model: WorldModel, classifier: SuccessClassifier, decision: Decision, *, starts: Starts,
        config: ImaginationConfig, seed: int, rank: int = 0, world_size: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        self.model, self.classifier, self.decision = model.eval(), classifier.eval(), decision
        self.starts, self.config, self.device = starts, config, torch.device(device)
        self.seed, self.rank, self.world_size, self.clock = seed, rank, world_size, 0
        self.frames, self.actions, self.time = _empty(starts, config.envs, self.device)
        self.streak = torch.zeros(config.envs, dtype=torch.int64, device=self.device)
        self.initial = torch.ones(config.envs, dtype=torch.bool, device=self.device)

    def reset(self, *, clock: int = 0) -> Frame:
        """Starts every environment anew; `clock` (steps made so far) picks the random stream."""
        self.clock = clock
        self._restart(torch.ones(self.config.envs, dtype=torch.bool, device=self.device), stream=1)
        return self.frames[:, -1]

    def state(self) -> dict[str, Tensor | int]:
        """Everything that a later `load` needs to go on as if nothing had happened."""
        return {
            "frames": self.frames, "actions": self.actions, "time": self.time, "streak": self.streak,
            "initial": self.initial, "clock": self.clock,
        }  # fmt: skip

    def load(self, state: dict[str, Any]) -> None:
        """Continues from `state`."""
        for name in ("frames", "actions", "time", "streak", "initial"):
            setattr(self, name, state[name].to(self.device))
        self.clock = int(state["clock"])

    @torch.no_grad()
    def step(self, action: Action) -> Step:
        """One imagined step; actions are clipped to [-1, 1]; finished environments restart by themselves."""
        self.clock += 1
        random = self.random(0)
        self.actions[:, -1] = action.clamp(-1.0, 1.0)
        next_frame = self.model.imagine(self.frames, self.actions, random=random)
        uncertainty = self._uncertainty(next_frame, random)
        logits = self.classifier(next_frame)
        probability = torch.sigmoid(logits / self.decision.temperature)
        self.streak = torch.where(probability >= self.decision.threshold, self.streak + 1, 0)
        terminated = self.streak >= self.decision.dwell
        self.time = self.time + 1
        truncated = ~terminated & (self.time >= self.config.horizon)
        reward = terminated.float()
        if uncertainty is not None and self.config.uncertainty_penalty > 0:
            reward = reward - self.config.uncertainty_penalty * uncertainty
        self.frames = self.model.followed(self.frames, next_frame)
        self.actions = torch.cat([self.actions[:, 1:], torch.zeros_like(self.actions[:, :1])], dim=1)
        next_time, initial = self.time, self.initial
        self._restart(terminated | truncated, stream=2)
        return Step(
            frame=self.frames[:, -1], next_frame=next_frame, reward=reward, terminated=terminated,
            truncated=truncated, next_time=next_time, probability=probability, uncertainty=uncertainty,
            initial=initial,
        )  # fmt: skip

    def random(self, stream: int) -> RandomRows:
        """This step's random numbers for one purpose."""
        return RandomRows(
            mixed_seed(self.seed, stream), self.clock, rank=self.rank, world_size=self.world_size, device=self.device
        )

    def _uncertainty(self, next_frame: Frame, random: RandomRows) -> Float[Tensor, " batch"] | None:
        """Mean absolute difference of two draws of the same next frame."""
        every = self.config.uncertainty_every
        if every == 0 or self.clock % every != 0:
            return None
        again = self.model.imagine(self.frames, self.actions, random=random)
        return (again - next_frame).abs().mean(dim=(1, 2, 3))

    def _restart(self, which: Bool[Tensor, " batch"], *, stream: int) -> None:
        if not which.any():
            return
        envs = len(which)
        rng = np.random.default_rng([self.seed, self.clock, stream])
        rows, times = self.starts.choose(envs * self.world_size, rng=rng)
        mine = self.rank * envs + which.nonzero()[:, 0].cpu().numpy()
        batch: StartBatch = self.starts.at(rows[mine], times[mine], device=self.device)
        self.frames, self.actions, self.time = self.frames.clone(), self.actions.clone(), self.time.clone()
        self.frames[which], self.actions[which], self.time[which] = batch.frames, batch.actions, batch.time
        self.streak = torch.where(which, 0, self.streak)
        self.initial = self.initial.clone()
        self.initial[which] = batch.time == 0


def _empty(starts: Starts, envs: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    height, width = starts.frames.shape[1:3]
    return (
        torch.zeros(envs, starts.first_frame + starts.history, 3, height, width, device=device),
        torch.zeros(envs, starts.history, starts.actions.shape[1], device=device),
        torch.zeros(envs, dtype=torch.int64, device=device),
    )
