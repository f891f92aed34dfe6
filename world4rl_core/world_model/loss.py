"""The training objective: EDM's loss over a short autoregressive unroll."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from world4rl_core.errors import ConfigError
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.types import Frame, Frames, PerBatch, Scalar
from world4rl_core.world_model.denoiser import Denoiser, per_row
from world4rl_core.world_model.edm import add_noise, draw_sigma, precondition


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


def unrolled_loss(
    denoiser: nn.Module,
    frames: Frames,
    actions: Float[Tensor, "batch time-1 action"],
    config: LossConfig,
    *,
    random: RandomRows,
) -> tuple[Scalar, dict[str, float]]:
    """Mean of the EDM loss (World4RL eq. 5) over the unroll, and figures to log.

    `frames` holds history + unroll frames, `actions` one fewer. Each target is predicted from a history in which
    earlier targets are replaced by the network's own predictions, without gradient (DIAMOND's training).
    """
    core = denoiser.module if isinstance(denoiser, nn.parallel.DistributedDataParallel) else denoiser
    assert isinstance(core, Denoiser)
    history_length = core.config.history
    weights = motion_weights(frames, config.motion_weight)
    past, losses = list(frames[:, :history_length].unbind(1)), []
    noise, history_sigma = _history_noise(frames[:, :-1], config.history_noise, random=random)
    for step in range(config.unroll):
        window = actions[:, step : step + history_length]
        history = torch.stack(past[step:], dim=1)
        if noise is not None:
            history += noise[:, step : step + history_length]
        target = frames[:, history_length + step]
        sigma = draw_sigma(len(target), core.config.noise, random=random)
        noisy = add_noise(target, sigma, core.config.noise, random=random)
        predicted = denoiser(noisy, sigma, history, window, history_sigma, past[-1])
        losses.append((weights * _network_error(predicted, target, sigma, core)).mean())
        past.append(predicted.detach().clamp(-1.0, 1.0))
    figures = {f"loss_{step + 1}": loss.item() for step, loss in enumerate(losses)}
    return torch.stack(losses).mean(), figures


def _network_error(predicted: Frame, target: Frame, sigma: PerBatch, core: Denoiser) -> Frame:
    """‖F − (x − c_skip·x_noisy)/c_out‖² equals ‖D − x‖² / c_out²."""
    return ((predicted - target) / per_row(precondition(sigma, core.config.noise).c_out)) ** 2


def _history_noise(frames: Frames, largest: float, *, random: RandomRows) -> tuple[Frames | None, PerBatch]:
    """White noise for each of the frames, of a deviation drawn for each row in [0, largest], and that deviation."""
    sigma = largest * random.uniform((len(frames),))
    if largest == 0.0:
        return None, sigma
    return random.normal(frames.shape).mul_(sigma[:, None, None, None, None]), sigma
