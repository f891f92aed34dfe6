"""Preconditioning and noise levels of EDM (Karras et al. 2022), with DIAMOND's per-channel offset noise."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from world4rl_core.errors import ConfigError
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.types import Frame, PerBatch


@dataclass(frozen=True)
class NoiseConfig:
    """What noise the denoiser is trained on."""

    sigma_data: float = 0.5
    """Standard deviation the frames are assumed to have."""
    offset: float = 0.3
    """Standard deviation of noise that is constant over a channel (0: none)."""
    log_mean: float = -0.4
    """Mean of log sigma in training."""
    log_std: float = 1.2
    """Standard deviation of log sigma in training."""
    low: float = 2e-3
    """Smallest sigma in training."""
    high: float = 20.0
    """Largest sigma in training."""
    schedule: str = "log-normal"
    """How sigma is drawn: `log-normal` (EDM) or `uniform` (Algorithm 1 of World4RL, literally)."""

    def __post_init__(self) -> None:
        if not self.offset >= 0.0:
            raise ConfigError(f"offset noise must not be negative, got {self.offset}")
        if not 0.0 < self.low < self.high:
            raise ConfigError(f"noise levels must satisfy 0 < low < high, got low {self.low} and high {self.high}")
        if self.schedule not in ("log-normal", "uniform"):
            raise ConfigError(f"unknown noise schedule {self.schedule!r}; known: log-normal, uniform")


@dataclass(frozen=True)
class Preconditioning:
    """EDM's four coefficients, one a batch row."""

    c_in: PerBatch
    c_out: PerBatch
    c_skip: PerBatch
    c_noise: PerBatch


def precondition(sigma: PerBatch, config: NoiseConfig) -> Preconditioning:
    """Coefficients of D(x; σ) = c_skip·x + c_out·F(c_in·x; c_noise) (Karras et al. 2022, table 1).

    Offset noise adds to the variance: σ² becomes σ² + offset².
    """
    sigma = (sigma**2 + config.offset**2).sqrt()
    variance = sigma**2 + config.sigma_data**2
    c_skip = config.sigma_data**2 / variance
    return Preconditioning(c_in=variance.rsqrt(), c_out=sigma * c_skip.sqrt(), c_skip=c_skip, c_noise=sigma.log() / 4.0)


def draw_sigma(batch: int, config: NoiseConfig, *, random: RandomRows) -> Float[Tensor, " batch"]:
    """Training noise levels in [low, high]."""
    if config.schedule == "uniform":
        return config.low + (config.high - config.low) * random.uniform((batch,))
    return (random.normal((batch,)) * config.log_std + config.log_mean).exp().clamp(config.low, config.high)


def draw_noise(shape: Sequence[int], sigma: PerBatch, config: NoiseConfig, *, random: RandomRows) -> Frame:
    """White noise of deviation `sigma` plus offset noise, to be added to frames of that shape (b c h w)."""
    offset = random.normal((*shape[:2], 1, 1))
    return sigma[:, None, None, None] * random.normal(shape) + config.offset * offset
