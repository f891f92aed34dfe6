"""From noise to a frame: Algorithm 2 of Karras et al. 2022 with Euler or Heun steps and churn."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from world4rl_core.errors import ConfigError
from world4rl_core.nets.random_rows import RandomRows

Sample = Float[Tensor, "batch *rest"]
Denoise = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class SamplerConfig:
    """How a frame is drawn from the denoiser."""

    steps: int = 3
    """Denoising steps."""
    method: Literal["euler", "heun"] = "euler"
    """Heun costs twice the network calls and is second order."""
    low: float = 2e-3
    """Smallest sigma of the schedule."""
    high: float = 5.0
    """Largest sigma of the schedule, where sampling starts."""
    rho: float = 7.0
    """Curvature of the schedule."""
    churn: float = 0.0
    """Noise put back before each step (S_churn); 0 is deterministic given the start."""
    churn_low: float = 0.0
    """Smallest sigma at which churn acts (S_tmin)."""
    churn_high: float = math.inf
    """Largest sigma at which churn acts (S_tmax)."""
    churn_noise: float = 1.0
    """Inflation of the noise put back (S_noise)."""

    def __post_init__(self) -> None:
        if self.churn < 0:
            raise ConfigError(f"churn must not be negative, got {self.churn}")
        karras_sigmas(self.steps, low=self.low, high=self.high, rho=self.rho)


def karras_sigmas(steps: int, *, low: float, high: float, rho: float = 7.0) -> Float[Tensor, " levels"]:
    """Noise levels from `high` down to `low`, then 0: steps + 1 values (Karras et al. 2022, eq. 5).

    Raises ConfigError unless 0 < low < high and steps >= 1.
    """
    if not 0.0 < low < high or steps < 1:
        raise ConfigError(f"sampler needs steps >= 1 and 0 < low < high, got steps {steps}, low {low}, high {high}")
    ramp = torch.linspace(0.0, 1.0, steps, dtype=torch.float64)
    root_high, root_low = high ** (1.0 / rho), low ** (1.0 / rho)
    sigmas = (root_high + ramp * (root_low - root_high)) ** rho
    return torch.cat([sigmas, torch.zeros(1, dtype=torch.float64)]).float()


def sample(denoise: Denoise, noise: Sample, config: SamplerConfig, *, random: RandomRows | None = None) -> Sample:
    """A sample for each row of unit-variance `noise`; `denoise(x, sigma)` returns the expected clean x.

    `sigma` is a 0-d tensor. Churn raises the level from σ to σ̂ and the step denoises at σ̂ (Algorithm 2, lines 5-6).
    Only churn draws from `random`.
    """
    sigmas = karras_sigmas(config.steps, low=config.low, high=config.high, rho=config.rho).tolist()
    gamma_max = min(config.churn / config.steps, math.sqrt(2.0) - 1.0)
    x = noise * sigmas[0]
    for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:], strict=True):
        gamma = gamma_max if config.churn_low <= sigma <= config.churn_high else 0.0
        sigma_hat = sigma * (1.0 + gamma)
        if gamma > 0.0:
            assert random is not None, "churn needs random numbers"
            fresh = random.normal(x.shape).to(x)
            x = x + fresh * (config.churn_noise * math.sqrt(sigma_hat**2 - sigma**2))
        slope = (x - denoise(x, x.new_full((), sigma_hat))) / sigma_hat
        moved = x + slope * (sigma_next - sigma_hat)
        if config.method == "heun" and sigma_next > 0.0:
            slope_next = (moved - denoise(moved, x.new_full((), sigma_next))) / sigma_next
            moved = x + 0.5 * (slope + slope_next) * (sigma_next - sigma_hat)
        x = moved
    return x
