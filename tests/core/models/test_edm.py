"""EDM's coefficients and noise, against their published formulas."""

import pytest
import torch

from world4rl_core.errors import ConfigError
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.world_model.edm import NoiseConfig, draw_noise, draw_sigma, precondition


def test_coefficients_are_those_of_the_paper_without_offset_noise() -> None:
    sigma = torch.tensor([0.002, 0.5, 3.0, 20.0])
    c = precondition(sigma, NoiseConfig(offset=0.0))
    torch.testing.assert_close(c.c_skip, 0.25 / (sigma**2 + 0.25))
    torch.testing.assert_close(c.c_out, sigma * 0.5 / (sigma**2 + 0.25).sqrt())
    torch.testing.assert_close(c.c_in, 1 / (sigma**2 + 0.25).sqrt())
    torch.testing.assert_close(c.c_noise, sigma.log() / 4)


def test_offset_noise_adds_to_the_variance() -> None:
    with_offset = precondition(torch.tensor([0.4]), NoiseConfig(offset=0.3))
    without = precondition(torch.tensor([0.5]), NoiseConfig(offset=0.0))
    torch.testing.assert_close(with_offset.c_skip, without.c_skip)
    torch.testing.assert_close(with_offset.c_noise, without.c_noise)


def test_network_input_and_target_have_unit_variance() -> None:
    """Why the coefficients are what they are (Karras et al. 2022, eqs. 114 to 131)."""
    config, random = NoiseConfig(), RandomRows(0)
    clean = 0.5 * random.normal((4000, 3, 4, 4))
    for level in (0.01, 0.5, 5.0):
        sigma = torch.full((4000,), level)
        c = precondition(sigma, config)
        noisy = clean + draw_noise(clean.shape, sigma, config, random=random)
        scaled = c.c_in[:, None, None, None] * noisy
        target = (clean - c.c_skip[:, None, None, None] * noisy) / c.c_out[:, None, None, None]
        assert scaled.std().item() == pytest.approx(1.0, abs=0.02)
        assert target.std().item() == pytest.approx(1.0, abs=0.02)


def test_log_normal_levels_have_the_stated_moments_and_bounds() -> None:
    sigma = draw_sigma(40_000, NoiseConfig(), random=RandomRows(0))
    assert sigma.min() >= 2e-3
    assert sigma.max() <= 20.0
    assert sigma.log().mean().item() == pytest.approx(-0.4, abs=0.02)
    assert sigma.log().std().item() == pytest.approx(1.2, abs=0.02)


def test_uniform_levels_fill_the_interval() -> None:
    sigma = draw_sigma(10_000, NoiseConfig(schedule="uniform"), random=RandomRows(0))
    assert sigma.mean().item() == pytest.approx(10.0, abs=0.2)


def test_bad_noise_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 < low < high"):
        NoiseConfig(low=1.0, high=0.5)
    with pytest.raises(ConfigError, match="unknown noise schedule 'cosine'; known: log-normal, uniform"):
        NoiseConfig(schedule="cosine")
