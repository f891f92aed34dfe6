"""Errors between real and imagined frames, one value per frame. Frames come as uint8 RGB `h w c`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from world4rl_core.errors import DataError
from world4rl_core.evaluation.lpips import Lpips
from world4rl_core.nets.image import to_frames
from world4rl_core.types import Frame, Image, PerBatch

FRAME_RANGE = 2.0  # frames are compared as floats in [-1, 1]
PSNR_LIMIT_DB = 58.92  # 10 log10(12 * 255^2): the rounding to 8 bits alone; identical frames score this, not infinity
SCALES = 4


@dataclass(frozen=True)
class Metric:
    """A named function of (real, imagined) frames that gives one number per frame."""

    name: str
    higher_is_better: bool
    compute: Callable[[Image, Image], PerBatch]


def psnr(real: Image, imagined: Image) -> PerBatch:
    """Peak signal-to-noise ratio in dB over the 8-bit range, at most PSNR_LIMIT_DB."""
    value = peak_signal_noise_ratio(
        to_frames(imagined), to_frames(real), data_range=FRAME_RANGE, reduction="none", dim=(1, 2, 3)
    )
    return value.reshape(-1).clamp(max=PSNR_LIMIT_DB)


def ssim(real: Image, imagined: Image) -> PerBatch:
    """Structural similarity (Wang et al. 2004: 11x11 Gaussian window, sigma 1.5); frames of at least 11 pixels."""
    if min(real.shape[1:3]) < 11:
        raise DataError(f"SSIM needs frames of at least 11x11 pixels, got {real.shape[1]}x{real.shape[2]}")
    value = structural_similarity_index_measure(
        to_frames(imagined), to_frames(real), data_range=FRAME_RANGE, reduction="none", sigma=1.5
    )
    assert isinstance(value, Tensor)
    return value.reshape(-1)


def gradient_distance(real: Image, imagined: Image) -> PerBatch:
    """How many edges differ, over up to four scales: 0 for identical frames, 1 when no edge is shared.

    At each scale the mean |difference of gradients| is divided by the mean gradient of both frames; the scales,
    each half the size of the one before, count equally. Needs no weights; it is not LPIPS and does not approximate it.
    """
    one, two = to_frames(real), to_frames(imagined)
    parts = []
    for _ in range(SCALES):
        if min(one.shape[-2:]) < 4:
            break
        edges_one, edges_two = _gradients(one), _gradients(two)
        apart = (edges_one - edges_two).abs().mean(dim=1)
        present = edges_one.abs().mean(dim=1) + edges_two.abs().mean(dim=1)
        parts.append(apart / present.clamp(min=1e-6))
        one, two = F.avg_pool2d(one, 2), F.avg_pool2d(two, 2)
    if not parts:
        raise DataError(f"the gradient distance needs frames of at least 4x4 pixels, got {tuple(real.shape[1:3])}")
    return torch.stack(parts).mean(dim=0)


def frame_metrics(lpips_weights: Path | None = None) -> tuple[Metric, Metric, Metric]:
    """PSNR, SSIM and a perceptual distance: LPIPS when weights are given, else the bundled gradient distance.

    Raises CheckpointError when `lpips_weights` is given and cannot be read: it never falls back silently.
    """
    perceptual = Metric("gradient distance", False, gradient_distance)
    if lpips_weights is not None:
        network = Lpips.load(lpips_weights)
        perceptual = Metric("LPIPS (AlexNet)", False, lambda one, two: network(to_frames(one), to_frames(two)))
    return Metric("PSNR (dB)", True, psnr), Metric("SSIM", True, ssim), perceptual


def _gradients(frames: Frame) -> Float[Tensor, "batch edges"]:
    across = frames[..., :, 1:] - frames[..., :, :-1]
    down = frames[..., 1:, :] - frames[..., :-1, :]
    return torch.cat((across.flatten(1), down.flatten(1)), dim=1)
