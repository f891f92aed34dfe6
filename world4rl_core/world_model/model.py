"""The trained transition model as others use it: history and actions in, next frame out."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from world4rl_core.config_json import from_json
from world4rl_core.errors import ConfigError
from world4rl_core.nets.captured import Captured
from world4rl_core.nets.checkpoint import load_model_state, load_weights
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.nets.unet import UNetConfig
from world4rl_core.types import Actions, Frame, History
from world4rl_core.world_model.denoiser import Denoiser, DenoiserConfig
from world4rl_core.world_model.edm import NoiseConfig
from world4rl_core.world_model.sampler import SamplerConfig, sample


@dataclass(frozen=True)
class WorldModelConfig:
    """Denoiser, sampler and the size of a frame."""

    height: int = 64
    width: int = 64
    """Width of the whole frame, all camera views side by side."""
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    history_noise: float = 0.005
    """Deviation of the noise the network is told lies on the history when it imagines."""


CPU_UNET = UNetConfig(channels=(48, 64, 96), depths=(1, 1, 1), attention=(False,) * 3, middle=1, middle_attention=False)
FINE_UNET = replace(CPU_UNET, channels=(32, 48, 64, 96), depths=(1,) * 4, attention=(False,) * 4)
CPU_NOISE = NoiseConfig(offset=0.0, log_mean=1.5, log_std=1.0)
CPU_SAMPLER = SamplerConfig(steps=1, high=20.0)


def preset(name: str, *, action_dim: int, height: int, width: int) -> WorldModelConfig:
    """`paper`: DIAMOND's size at any resolution. `cpu`: 4×4 pixels folded into channels, the change in one step, bf16.

    `fine`: as `cpu` with 2×2 pixels folded and the episode's first frame; slower, for contacts of a few pixels.

    Raises ConfigError for another name.
    """
    if name == "paper":
        denoiser, sampler = DenoiserConfig(action_dim=action_dim, precision="bf16"), SamplerConfig()
    elif name in ("cpu", "fine"):
        denoiser = DenoiserConfig(
            action_dim=action_dim, unet=CPU_UNET, noise=CPU_NOISE, unshuffle=4, residual=True, precision="bf16"
        )
        if name == "fine":
            denoiser = replace(denoiser, unet=FINE_UNET, unshuffle=2, first_frame=True)
        sampler = CPU_SAMPLER
    else:
        raise ConfigError(f"unknown world-model preset {name!r}; known: cpu, fine, paper")
    return WorldModelConfig(height=height, width=width, denoiser=denoiser, sampler=sampler)


def for_device(config: WorldModelConfig, device: str | torch.device) -> WorldModelConfig:
    """The same network as it runs fastest there: on a GPU in fp32 (TF32) and NCHW.

    CUDA's group norm knows neither bf16 under autocast nor channels_last, and what converts between them costs a fifth
    of the frames (docs/decisions/0014). Weights fit both.
    """
    if torch.device(device).type != "cuda":
        return config
    return replace(config, denoiser=replace(config.denoiser, precision="fp32", channels_last=False))


class WorldModel(nn.Module):
    """p(x_{t+1} | x_{t-T+1:t}, a_{t-T+1:t}), sampled by denoising."""

    def __init__(self, config: WorldModelConfig) -> None:
        super().__init__()
        self.config = config
        self.denoiser = Denoiser(config.denoiser)
        self._captured = Captured()

    @property
    def history(self) -> int:
        return self.config.denoiser.history

    @property
    def first_frame(self) -> bool:
        """Whether the episode's first frame stands before the T frames of every history."""
        return self.config.denoiser.first_frame

    def followed(self, history: History, next_frame: Frame) -> History:
        """The history one step later: its oldest frame gone, `next_frame` the newest."""
        kept = int(self.first_frame)
        return torch.cat([history[:, :kept], history[:, kept + 1 :], next_frame[:, None]], dim=1)

    @torch.no_grad()
    def imagine(self, history: History, actions: Actions, *, random: RandomRows) -> Frame:
        """One next frame in [-1, 1] a row; `actions[:, -i]` was taken at `history[:, -i]`.

        On a GPU all denoising steps are one CUDA graph, unless churn draws numbers between them.
        """
        noise = random.normal((len(history), *history.shape[2:]))
        if history.is_cuda and self.config.sampler.churn == 0.0:
            return self._captured(self.drawn_from, noise, history, actions)
        return self.drawn_from(noise, history, actions, random=random)

    @torch.no_grad()
    def drawn_from(
        self, noise: Frame, history: History, actions: Actions, *, random: RandomRows | None = None
    ) -> Frame:
        """The next frame that this unit-variance noise becomes; `random` is needed for churn only."""
        batch = len(history)
        told = history.new_full((batch,), self.config.history_noise)
        context = self.denoiser.context(history, actions, told)

        def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            return self.denoiser.denoise(x, sigma.expand(batch), context)

        return sample(denoise, noise, self.config.sampler, random=random).clamp(-1.0, 1.0)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> "WorldModel":
        self._captured.forget()  # weights move: to another device, say
        super()._apply(fn, recurse)
        return self


def load_world_model(path: Path, *, device: str | torch.device = "cpu") -> WorldModel:
    """The frozen world model of a run folder or file.

    Raises CheckpointError when it is missing, damaged or of another kind or architecture.
    """
    state = load_model_state(path, "world-model", device=device)
    config = from_json(WorldModelConfig, state["config"], where=str(path))
    model = WorldModel(for_device(config, device))
    load_weights(model, state["weights"], path=path)
    return model.to(device).eval().requires_grad_(False)
