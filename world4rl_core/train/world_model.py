"""Training of the diffusion transition model (World4RL, pre-training stage, step 2)."""

import copy
import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import nn

from world4rl_core.config_json import to_json
from world4rl_core.data.cache import FrameCache
from world4rl_core.data.segments import SegmentSampler
from world4rl_core.data.split import split_episodes
from world4rl_core.errors import ConfigError
from world4rl_core.nets.action_encoding import EncodingName
from world4rl_core.nets.captured import Captured
from world4rl_core.nets.checkpoint import State
from world4rl_core.nets.image import to_frames
from world4rl_core.nets.random_rows import RandomRows, mixed_seed
from world4rl_core.train import ranges
from world4rl_core.train.distributed import World, join
from world4rl_core.train.run import Run
from world4rl_core.world_model.denoiser import DenoiserConfig
from world4rl_core.world_model.edm import NoiseConfig
from world4rl_core.world_model.loss import Draws, LossConfig, draw, unrolled_loss
from world4rl_core.world_model.model import WorldModel, WorldModelConfig, for_device, preset
from world4rl_core.world_model.sampler import SamplerConfig

C = TypeVar("C", DenoiserConfig, NoiseConfig, SamplerConfig)


@dataclass(frozen=True)
class Config:
    """Options of `world4rl train world-model`."""

    data: tuple[Path, ...]
    """Datasets of any source; several tasks make a multi-task model."""
    out: Path
    """Run folder; the same command continues an interrupted run."""
    architecture: Literal["cpu", "fine", "paper"] = "cpu"
    """Size of the network: `paper` is DIAMOND's, `cpu` folds 4×4 pixels into channels and computes in bf16, `fine`
    folds 2×2 and sees the episode's first frame: slower, for contacts of a few pixels."""
    encoding: EncodingName = "two-hot"
    """How actions enter the network."""
    bins: int | None = None
    """Bins of a two-hot or one-hot action dimension (default: the architecture's)."""
    history: int | None = None
    """Frames, each with its action, that the next one is drawn from (default: the architecture's)."""
    first_frame: bool | None = None
    """Condition on the episode's first frame too: it shows what the arm hides (default: the architecture's)."""
    cameras: tuple[str, ...] | None = None
    """Camera views, side by side in one frame (default: all)."""
    size: tuple[int, int] | None = None
    """Height and width of one view (default: as recorded)."""
    rescale_actions: bool = False
    """Map the recorded range of each action dimension onto [-1, 1], for datasets whose actions lie outside."""
    drop_short: bool = False
    """Leave out episodes that are shorter than a training segment."""
    loss: LossConfig = field(default_factory=LossConfig)
    noise_schedule: Literal["log-normal", "uniform"] | None = None
    """How noise levels are drawn in training; `uniform` is the paper's Algorithm 1 (default: the architecture's)."""
    offset_noise: float | None = None
    """Deviation of the noise that is constant over a channel (default: the architecture's; 0: none)."""
    denoising_steps: int | None = None
    """Steps in which a frame is drawn (default: as suits the architecture)."""
    solver: Literal["euler", "heun"] | None = None
    """How each of those steps is made; Heun calls the network twice (default: the architecture's)."""
    churn: float | None = None
    """Noise put back before each of those steps (default: the architecture's; 0: none)."""
    steps: int = 1000
    """Gradient steps."""
    batch: int = 32
    """Segments a step, over all processes."""
    lr: float = 2e-3
    """Peak learning rate; cosine to a twentieth."""
    weight_decay: float = 1e-2
    warmup: int = 100
    """Steps of linear warm-up."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    ema: float = 0.995
    """Decay of the averaged weights, which are the result (0: none)."""
    held_out: float = 0.2
    """Share of episodes left out of training: half to choose the classifier's threshold on, half to judge both."""
    seed: int = 0
    device: str = "auto"
    save_every_s: float = 60.0

    def __post_init__(self) -> None:
        ranges.at_least(self, 1, "steps", "batch", "denoising_steps")
        ranges.at_least(self, 0, "warmup")
        ranges.positive(self, "lr", "clip")
        ranges.share(self, "ema", "held_out")


_HERE = Path()
PRESETS = {
    "cpu": Config(data=(), out=_HERE),
    "fine": Config(data=(), out=_HERE, architecture="fine", batch=16, loss=LossConfig(unroll=8)),
    "paper": Config(
        data=(), out=_HERE, architecture="paper", size=(64, 64), steps=100_000, batch=32, lr=1e-4, ema=0.999,
        loss=LossConfig(unroll=1, motion_weight=0.0),
    ),
}  # fmt: skip


def run(config: Config) -> Path:
    """Trains the world model and returns its run folder."""
    _refuse_empty(config)
    world = join(config.device)
    folder = Run(config.out, kind="world-model", config=config, world=world)
    if folder.is_complete:
        return config.out
    cache = FrameCache.build(
        config.data, cameras=config.cameras, size=config.size, rescale_actions=config.rescale_actions
    )
    training, held_out = split_episodes(cache, fraction=config.held_out, seed=config.seed)
    torch.manual_seed(config.seed)
    shape = shape_of(config, cache)
    trainer = Trainer(WorldModel(for_device(shape, world.device)).to(world.device), config, world)
    share = world.share(config.batch)
    sampler = SegmentSampler(
        cache, training, history=shape.denoiser.history, horizon=config.loss.unroll, seed=config.seed,
        first_frame=shape.denoiser.first_frame, drop_short=config.drop_short,
    )  # fmt: skip
    first = trainer.load(folder.resume(data=cache.hash))
    provenance = {
        "data": cache.hash, "cameras": cache.cameras, "training": to_json(config), "held_out": held_out.tolist(),
        "tasks": sorted(set(cache.tasks)),
    }  # fmt: skip
    with folder.progress(config.steps, done=first) as bar:
        for step in range(first, config.steps):
            segment = sampler.sample(share, step=step, rank=world.rank, world_size=world.size)
            frames = to_frames(segment.frames.to(world.device))
            figures = trainer.step(frames, segment.actions.to(world.device), step=step)
            if (step + 1) % 50 == 0 or step + 1 == config.steps:
                folder.log(step + 1, figures)
                bar.set_postfix(loss=f"{figures['loss']:.4f}")
            bar.update()
            folder.save_if_due(lambda done=step + 1: trainer.state(done))
    folder.finish(
        {
            "kind": "world-model", "step": config.steps, "config": to_json(shape),
            "weights": trainer.result().state_dict(), "provenance": provenance,
        }
    )  # fmt: skip
    return config.out


def shape_of(config: Config, cache: FrameCache) -> WorldModelConfig:
    """The network and its sampler: the architecture's, and what the options say instead."""
    height, width = cache.frames.shape[1:3]
    shape = preset(config.architecture, action_dim=cache.action_dim, height=int(height), width=int(width))
    noise = _replaced(shape.denoiser.noise, schedule=config.noise_schedule, offset=config.offset_noise)
    return dataclasses.replace(
        shape,
        denoiser=_replaced(
            shape.denoiser, encoding=config.encoding, bins=config.bins, history=config.history,
            first_frame=config.first_frame, noise=noise,
        ),
        sampler=_replaced(
            shape.sampler, steps=config.denoising_steps, method=config.solver, churn=config.churn
        ),
    )  # fmt: skip


def _replaced(config: C, **asked: Any) -> C:
    """With those values that are not None."""
    given = {name: value for name, value in asked.items() if value is not None}
    return dataclasses.replace(config, **given)


class Trainer:
    """Optimiser, schedule and averaged weights around one world model."""

    def __init__(self, model: WorldModel, config: Config, world: World) -> None:
        self.model, self.config, self.world = model, config, world
        self.average = copy.deepcopy(model).requires_grad_(False)
        self.denoiser: nn.Module = world.wrap(model.denoiser)
        self._captured = Captured(most=1)
        self.optimiser = torch.optim.AdamW(
            model.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)

    def step(self, frames: torch.Tensor, actions: torch.Tensor, *, step: int) -> dict[str, float]:
        """One gradient step on this process's part of the batch; returns figures averaged over the processes."""
        world = self.world
        random = RandomRows(
            mixed_seed(self.config.seed, 1), step, rank=world.rank, world_size=world.size, device=world.device
        )
        self.model.train()
        draws = draw(
            frames[:, self.model.first_frame :], self.model.config.denoiser.noise, self.config.loss, random=random
        )
        losses = self.gradient(frames, actions, draws.sigma, draws.noise, draws.history_sigma, draws.history_noise)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimiser.step()
        self.schedule.step()
        self._follow(step)
        mean = world.mean(losses.mean()).item()
        figures = {f"loss_{step + 1}": loss for step, loss in enumerate(losses.tolist())}
        return {"loss": mean, **figures, "grad_norm": norm.item(), "lr": float(self.schedule.get_last_lr()[0])}

    def gradient(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Leaves the gradient in the parameters; returns the loss of each frame of the unroll.

        On one GPU it is one CUDA graph instead of some thousand launches.
        """
        if self.world.size == 1 and self.world.device.type == "cuda":
            return self._captured(self.backward, *inputs)
        return self.backward(*inputs)

    def backward(self, frames: torch.Tensor, actions: torch.Tensor, *drawn: torch.Tensor) -> torch.Tensor:
        """The same, its kernels launched one by one."""
        self.optimiser.zero_grad()
        losses = unrolled_loss(self.denoiser, frames, actions, Draws(*drawn), self.config.loss)
        losses.mean().backward()
        return losses.detach()

    def result(self) -> WorldModel:
        """The averaged weights, or the newest ones without averaging."""
        return self.average if self.config.ema > 0 else self.model

    def state(self, step: int) -> State:
        return {
            "step": step,
            "weights": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": {
                "last_epoch": self.schedule.last_epoch,
                "_last_lr": self.schedule.get_last_lr(),
                "lr_lambdas": [None],
            },
        }

    def load(self, state: State | None) -> int:
        """Continues from a saved state; returns the number of steps that are done."""
        if state is None:
            return 0
        self.model.load_state_dict(state["weights"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        for parameter, slots in self.optimiser.state.items():  # the fused optimiser wants its state laid out alike
            slots.update(
                (key, torch.empty_like(parameter).copy_(value))
                for key, value in list(slots.items())
                if value.shape == parameter.shape
            )
        self.schedule.load_state_dict(state["schedule"])
        return int(state["step"])

    def _follow(self, step: int) -> None:
        decay = min(self.config.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            averages: list[torch.Tensor] = list(self.average.parameters())
            weights: list[torch.Tensor] = list(self.model.parameters())
            torch._foreach_lerp_(averages, weights, 1.0 - decay)

    def _rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / max(1, self.config.warmup))
        return warm * (0.05 + 0.95 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / self.config.steps))))


def _refuse_empty(config: Config) -> None:
    if not config.data:
        raise ConfigError("no dataset given; pass --data FOLDER [FOLDER …]")
    if config.out == _HERE:
        raise ConfigError("no run folder given; pass --out FOLDER")
