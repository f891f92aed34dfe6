"""Behaviour cloning: the mean squared error of the policy's mean action (World4RL eq. 1)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from world4rl_core.config_json import to_json
from world4rl_core.data.cache import FrameCache
from world4rl_core.data.segments import RowSampler
from world4rl_core.data.split import split_episodes
from world4rl_core.errors import DataError
from world4rl_core.nets.image import to_frames
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.policy.actor_critic import EncoderConfig, GaussianPolicy, PolicyConfig
from world4rl_core.policy.augmentation import random_shift
from world4rl_core.train import ranges
from world4rl_core.train.distributed import join
from world4rl_core.train.run import Run


@dataclass(frozen=True)
class Config:
    """Options of `world4rl train bc`."""

    data: tuple[Path, ...]
    """Datasets with demonstrations."""
    out: Path
    """Run folder; the same command continues an interrupted run."""
    sources: tuple[str, ...] = ("expert", "human")
    """Episodes recorded from these sources are cloned."""
    successes_only: bool = True
    """Leave out demonstrations that failed."""
    label: Literal["requested", "applied"] = "requested"
    """Clone what the demonstrator asked for, or what was applied after exploration noise."""
    cameras: tuple[str, ...] | None = None
    """Camera views, side by side in one frame (default: all)."""
    size: tuple[int, int] | None = None
    """Height and width of one view (default: as recorded)."""
    encoder: EncoderConfig = EncoderConfig()
    steps: int = 600
    """Gradient steps."""
    batch: int = 64
    """Frames a step."""
    lr: float = 1e-3
    """Peak learning rate; cosine to 0."""
    weight_decay: float = 1e-4
    shift: int = 2
    """Random shifts of up to this many pixels."""
    held_out: float = 0.1
    """Share of episodes left out of training, to watch the error on."""
    seed: int = 0
    device: str = "auto"
    save_every_s: float = 30.0

    def __post_init__(self) -> None:
        ranges.at_least(self, 1, "steps", "batch")
        ranges.at_least(self, 0, "shift")
        ranges.positive(self, "lr")
        ranges.share(self, "held_out")


def run(config: Config) -> Path:
    """Trains the policy and returns its run folder."""
    world = join(config.device)
    folder = Run(config.out, kind="bc", config=config, world=world)
    if folder.is_complete:
        return config.out
    cache = FrameCache.build(config.data, cameras=config.cameras, size=config.size)
    training, held_out = _demonstrations(cache, config)
    torch.manual_seed(config.seed)
    height, width = cache.frames.shape[1:3]
    shape = PolicyConfig(height=height, width=width, action_dim=cache.action_dim, encoder=config.encoder)
    policy = GaussianPolicy(shape).to(world.device)
    optimiser = torch.optim.AdamW(policy.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    sampler = RowSampler(cache, training, seed=config.seed)
    first = 0
    if (state := folder.resume(data=cache.hash)) is not None:
        policy.load_state_dict(state["weights"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        first = state["step"]
    with folder.progress(config.steps, done=first) as bar:
        for step in range(first, config.steps):
            frames, labels = _batch(sampler, config, step=step)
            random = RandomRows(config.seed, step, device=world.device)
            frames = random_shift(to_frames(frames.to(world.device)), config.shift, random=random)
            loss = F.mse_loss(policy(frames), labels.to(world.device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            if (step + 1) % 50 == 0 or step + 1 == config.steps:
                figures = {"loss": loss.item(), "held_out_loss": _held_out_loss(policy, cache, held_out, config)}
                folder.log(step + 1, figures)
                bar.set_postfix(loss=f"{loss.item():.4f}")
            bar.update()
            folder.save_if_due(
                lambda done=step + 1: {
                    "step": done,
                    "weights": policy.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                }
            )
    folder.finish(
        {
            "kind": "policy", "step": config.steps, "config": to_json(shape), "weights": policy.state_dict(),
            "provenance": {
                "data": cache.hash, "cameras": cache.cameras, "training": to_json(config),
                "episodes": training.tolist(),
            },
        }
    )  # fmt: skip
    return config.out


def _demonstrations(cache: FrameCache, config: Config) -> tuple[np.ndarray, np.ndarray]:
    wanted = np.array([source in config.sources for source in cache.sources], dtype=bool)
    if config.successes_only:
        wanted &= cache.episode_success
    chosen = np.flatnonzero(wanted)
    if len(chosen) == 0:
        raise DataError(
            f"no {'successful ' if config.successes_only else ''}episode from {', '.join(config.sources)} in "
            f"{', '.join(map(str, config.data))}; found sources: {', '.join(sorted(set(cache.sources)))}"
        )
    _, held_out = split_episodes(cache, fraction=config.held_out, seed=config.seed)
    held_out = np.intersect1d(chosen, held_out)
    training = np.setdiff1d(chosen, held_out)
    return (training, held_out) if len(training) else (chosen, chosen)


def _batch(sampler: RowSampler, config: Config, *, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    rows = sampler.sample(config.batch, step=step)
    return rows.frames, rows.requested if config.label == "requested" else rows.actions


@torch.no_grad()
def _held_out_loss(policy: GaussianPolicy, cache: FrameCache, held_out: np.ndarray, config: Config) -> float:
    """The error on all frames of the held-out demonstrations; NaN when there are none."""
    if len(held_out) == 0:
        return float("nan")
    rows = np.concatenate([np.r_[cache.rows(episode)][:-1] for episode in held_out.tolist()])[:512]
    labels = cache.requested if config.label == "requested" else cache.actions
    device = next(policy.parameters()).device
    frames = to_frames(torch.from_numpy(np.ascontiguousarray(cache.frames[rows])).to(device))
    return F.mse_loss(policy(frames), torch.from_numpy(labels[rows]).to(device)).item()
