"""The sampler against a Gaussian, for which the perfect denoiser has a closed form."""

import math

import pytest
import torch
from torch import Tensor

from world4rl_core.errors import ConfigError
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.world_model.sampler import SamplerConfig, karras_sigmas, sample

MEAN, STD = 0.7, 0.5


def perfect(x: Tensor, sigma: Tensor) -> Tensor:
    """E[clean | x] for clean ~ N(MEAN, STD²)."""
    return (STD**2 * x + sigma**2 * MEAN) / (STD**2 + sigma**2)


def drawn(config: SamplerConfig, count: int = 40_000) -> Tensor:
    random = RandomRows(0)
    return sample(perfect, random.normal((count, 1)), config, random=random)


@pytest.mark.parametrize("method", ["euler", "heun"])
@pytest.mark.parametrize("churn", [0.0, 20.0])
def test_samples_follow_the_data_distribution_with_and_without_churn(method: str, churn: float) -> None:
    steps = 64 if method == "heun" else 512  # first order: what churn adds, large steps take away
    samples = drawn(SamplerConfig(steps=steps, method=method, high=80.0, churn=churn))  # type: ignore[arg-type]
    assert samples.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert samples.std().item() == pytest.approx(STD, abs=0.02)


def test_churn_within_its_limits_keeps_the_distribution_and_differs_from_none() -> None:
    config = SamplerConfig(steps=64, method="heun", high=80.0, churn=30.0, churn_low=0.05, churn_high=1.0)
    samples = drawn(config)
    assert samples.std().item() == pytest.approx(STD, abs=0.02)
    assert not torch.allclose(samples, drawn(SamplerConfig(steps=64, method="heun", high=80.0)), atol=0.05)


def test_one_churned_step_denoises_at_the_raised_level() -> None:
    """Algorithm 2, line 6: the slope is taken at σ̂, not at σ."""
    config = SamplerConfig(steps=1, low=1.0, high=2.0, churn=10.0)
    seen: list[float] = []

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        seen.append(sigma.item())
        return perfect(x, sigma)

    sample(denoise, torch.ones(1, 1), config, random=RandomRows(0))
    assert seen == [pytest.approx(2.0 * math.sqrt(2.0))]


def test_heun_is_second_order_and_euler_first() -> None:
    """Halving the step divides the error by about 4 and about 2."""

    def error(method: str, steps: int) -> float:
        config = SamplerConfig(steps=steps, method=method, low=0.02, high=20.0)  # type: ignore[arg-type]
        noise = torch.full((1, 1), 1.3, dtype=torch.float64)
        exact = MEAN + (20.0 * 1.3 - MEAN) * STD / math.sqrt(STD**2 + 20.0**2)
        return abs(sample(perfect, noise, config, random=RandomRows(0)).item() - exact)

    assert error("euler", 40) / error("euler", 80) == pytest.approx(2.0, abs=0.5)
    assert error("heun", 40) / error("heun", 80) > 3.0


def test_sigmas_run_from_high_through_low_to_zero() -> None:
    sigmas = karras_sigmas(5, low=2e-3, high=5.0)
    assert len(sigmas) == 6
    assert sigmas[0].item() == pytest.approx(5.0)
    assert sigmas[-2].item() == pytest.approx(2e-3)
    assert sigmas[-1] == 0.0
    assert (sigmas[:-1] > sigmas[1:]).all()


def test_middle_sigma_is_that_of_equation_5() -> None:
    expected = ((5.0 ** (1 / 7) + 2e-3 ** (1 / 7)) / 2) ** 7
    assert karras_sigmas(3, low=2e-3, high=5.0)[1].item() == pytest.approx(expected)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="steps >= 1"):
        SamplerConfig(steps=0)
    with pytest.raises(ConfigError, match="churn must not be negative"):
        SamplerConfig(churn=-1.0)
