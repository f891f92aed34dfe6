"""The training objective: EDM's loss over a short autoregressive unroll."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from world4rl_core.errors import ConfigError
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.types import Actions, Frame, Frames, History, PerBatch
from world4rl_core.world_model.denoiser import Denoiser, per_row
from world4rl_core.world_model.edm import NoiseConfig, draw_noise, draw_sigma, precondition


@dataclass(frozen=True)
class LossConfig:
    """What the denoiser is asked to be good at."""

    unroll: int = 4
    """Frames predicted in a row, each from a history that holds the earlier predictions."""
    history_noise: float = 0.02
    """Largest deviation of the noise put on the history in training (0: none)."""
    motion_weight: float = 4.0
    """Extra weight on pixels that move within the segment (0: plain EDM loss, the paper's)."""

    def __post_init__(self) -> None:
        if self.unroll < 1 or not min(self.history_noise, self.motion_weight) >= 0.0:
            raise ConfigError(
                "wanted loss.unroll >= 1, loss.history_noise >= 0 and loss.motion_weight >= 0, "
                f"got {self.unroll}, {self.history_noise} and {self.motion_weight}"
            )


def motion_weights(frames: Frames, extra: float) -> Float[Tensor, "batch 1 height width"]:
    """Weights of mean 1 a frame that grow with the temporal deviation of a pixel and its neighbours."""
    deviation = (frames - frames.mean(dim=1, keepdim=True)).abs_().mean(dim=(1, 2))[:, None]
    deviation = F.avg_pool2d(deviation, 5, stride=1, padding=2, count_include_pad=False)
    weights = 1.0 + extra * (deviation / 0.1).clamp(max=1.0)
    return weights / weights.mean(dim=(1, 2, 3), keepdim=True)


@dataclass(frozen=True)
class Draws:
    """The random numbers of one gradient step; what they lead to draws no more."""

    sigma: Float[Tensor, "unroll batch"]
    """Noise level of each predicted frame."""
    noise: Float[Tensor, "unroll batch 3 height width"]
    """The noise itself."""
    history_sigma: PerBatch
    """Deviation of the noise on the history."""
    history_noise: Float[Tensor, "noisy past 3 height width"]
    """That noise, for every frame but the last; empty where there is none."""


def draw(frames: Frames, noise: NoiseConfig, config: LossConfig, *, random: RandomRows) -> Draws:
    """What `unrolled_loss` needs for these frames: history and unroll, without the episode's first in front of them."""
    past = frames[:, :-1]
    history_sigma = config.history_noise * random.uniform((len(frames),))
    history_noise = past.new_empty((0, *past.shape[1:]))
    if config.history_noise > 0.0:
        history_noise = random.normal(past.shape).mul_(history_sigma[:, None, None, None, None])
    sigmas, noises = [], []
    for _ in range(config.unroll):
        sigmas.append(draw_sigma(len(frames), noise, random=random))
        noises.append(draw_noise(frames[:, 0].shape, sigmas[-1], noise, random=random))
    return Draws(torch.stack(sigmas), torch.stack(noises), history_sigma, history_noise)


def unrolled_loss(
    denoiser: nn.Module,
    frames: History,
    actions: Actions,
    draws: Draws,
    config: LossConfig,
) -> Float[Tensor, " unroll"]:
    """The EDM loss (World4RL eq. 5) of each frame of the unroll; their mean is what is trained on.

    `frames` holds history + unroll frames, behind the episode's first where the network is conditioned on it; `actions`
    holds history + unroll - 1. Each target is predicted from a history in which
    earlier targets are replaced by the network's own predictions, without gradient (DIAMOND's training).
    """
    core = denoiser.module if isinstance(denoiser, nn.parallel.DistributedDataParallel) else denoiser
    assert isinstance(core, Denoiser)
    history_length = core.config.history
    lead, frames = frames.split([int(core.config.first_frame), frames.shape[1] - core.config.first_frame], dim=1)
    weights = motion_weights(frames, config.motion_weight)
    past, losses = list(frames[:, :history_length].unbind(1)), []
    for step, (sigma, noise) in enumerate(zip(draws.sigma, draws.noise, strict=True)):
        window = actions[:, step : step + history_length]
        history = torch.stack(past[step:], dim=1)
        if len(draws.history_noise):
            history += draws.history_noise[:, step : step + history_length]
        history = torch.cat([lead, history], dim=1)
        target = frames[:, history_length + step]
        predicted = denoiser(target + noise, sigma, history, window, draws.history_sigma, past[-1])
        losses.append((weights * _network_error(predicted, target, sigma, core)).mean())
        past.append(predicted.detach().clamp(-1.0, 1.0))
    return torch.stack(losses)


def _network_error(predicted: Frame, target: Frame, sigma: PerBatch, core: Denoiser) -> Frame:
    """‖F − (x − c_skip·x_noisy)/c_out‖² equals ‖D − x‖² / c_out²."""
    return ((predicted - target) / per_row(precondition(sigma, core.config.noise).c_out)) ** 2
