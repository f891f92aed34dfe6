"""A world model that knows the synthetic task, one that knows nothing, and a classifier that sees the goal."""

from pathlib import Path

import numpy as np
import torch

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.synthetic import GOAL, STEP, synthetic_episode
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.nets.unet import UNetConfig
from world4rl_core.reward.classifier import ClassifierConfig, SuccessClassifier
from world4rl_core.types import Actions, Frame, History, PerBatch
from world4rl_core.world_model.denoiser import DenoiserConfig
from world4rl_core.world_model.model import WorldModel, WorldModelConfig
from world4rl_core.world_model.sampler import SamplerConfig

SIZE = 32
SIDE = SIZE // 4
TINY = WorldModelConfig(
    height=SIZE,
    width=SIZE,
    sampler=SamplerConfig(steps=1),
    denoiser=DenoiserConfig(
        action_dim=4, unet=UNetConfig(channels=(8, 8), depths=(1, 1), attention=(False, False), middle_attention=False)
    ),
)


def corner(frame: Frame) -> torch.Tensor:
    """Left and top pixel of the bright square, (batch, 2), found where red is brightest."""
    bright = (frame[:, 0] > 0.4).float()
    across = torch.arange(SIZE, dtype=torch.float32)
    total = bright.sum(dim=(1, 2)).clamp(min=1)
    left = (bright.sum(dim=1) * across).sum(dim=1) / total - (SIDE - 1) / 2
    top = (bright.sum(dim=2) * across).sum(dim=1) / total - (SIDE - 1) / 2
    return torch.stack((left, top), dim=1)


class Oracle(WorldModel):
    """Moves the square as the simulator does; `listens=False` repeats the last frame, `noise` is added to the frame."""

    def __init__(self, *, listens: bool = True, noise: float = 0.02) -> None:
        super().__init__(TINY)
        self.listens, self.noise = listens, noise

    @torch.no_grad()
    def imagine(self, history: History, actions: Actions, *, random: RandomRows) -> Frame:
        last = history[:, -1]
        out = last.clone()
        if self.listens:
            room = SIZE - SIDE
            moved = (corner(last) / room + STEP * actions[:, -1, :2]).clamp(0, 1) * room
            for row, (old, new) in enumerate(zip(corner(last), moved, strict=True)):
                _paint(out[row], old, new)
        return (out + self.noise * random.normal(out.shape)).clamp(-1, 1)


class SeesGoal(SuccessClassifier):
    """Sure of success where the square is at the goal."""

    def __init__(self) -> None:
        super().__init__(ClassifierConfig(width=8, stem="small"))

    def forward(self, frame: Frame) -> PerBatch:
        return 40 * (corner(frame)[:, 0] / (SIZE - SIDE) - GOAL)


def _paint(frame: torch.Tensor, old: torch.Tensor, new: torch.Tensor) -> None:
    """Restore the background under the old square and draw the new one, in place."""
    ramp = torch.linspace(20, 90, SIZE).floor() / 127.5 - 1
    for (left, top), square in ((old, False), (new, True)):
        x, y = int(left.round()), int(top.round())
        rows, columns = slice(max(y, 0), y + SIDE), slice(max(x, 0), x + SIDE)
        if square:
            frame[:, rows, columns] = torch.tensor([230, 180, 60]).reshape(3, 1, 1) / 127.5 - 1
        else:
            frame[0, rows, columns] = ramp[columns]
            frame[1, rows, columns] = ramp[rows, None]
            frame[2, rows, columns] = 40 / 127.5 - 1


def record(root: Path, *, episodes: int = 24, steps: int = 12, seed: int = 0) -> FrameCache:
    """A dataset of two thirds policy and one third random episodes; even seeds mostly succeed, odd ones mostly fail."""
    with DatasetWriter.create(root, fps=10, robot_type="synthetic") as writer:
        for index in range(episodes):
            source = "random" if index % 3 == 2 else "policy"
            writer.add(synthetic_episode(seed=seed + index, steps=steps, size=SIZE, source=source))
    return FrameCache.build([root])


def all_episodes(cache: FrameCache) -> np.ndarray:
    return np.arange(cache.num_episodes)
