"""Returns and losses against their definitions."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from world4rl_core.policy.ppo import (
    gae,
    kl_same_std,
    log_prob,
    normalised,
    one_step,
    policy_loss,
    success_mask,
    value_loss,
    weighted_mean,
)


def by_definition(rewards, values, next_values, terminated, truncated, gamma, lam):
    """A_t = Σ_k (γλ)^k δ_{t+k}, the sum ending with the episode (Schulman et al. 2016, eq. 16)."""
    steps = len(rewards)
    advantages = torch.zeros(steps)
    for t in range(steps):
        weight = 1.0
        for k in range(t, steps):
            bootstrap = 0.0 if terminated[k] else next_values[k]
            advantages[t] += weight * (rewards[k] + gamma * bootstrap - values[k])
            weight *= gamma * lam
            if terminated[k] or truncated[k]:
                break
    return advantages


@given(st.integers(0, 10_000), st.floats(0.5, 1.0), st.floats(0.0, 1.0))
def test_gae_is_its_sum_definition(seed: int, gamma: float, lam: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    rewards, values, next_values = torch.rand(3, 12, 1, generator=generator)
    draw = torch.rand(12, 1, generator=generator)
    terminated, truncated = draw < 0.15, (draw >= 0.15) & (draw < 0.3)
    found = gae(rewards, values, next_values, terminated=terminated, truncated=truncated, gamma=gamma, lam=lam)
    wanted = by_definition(*(x[:, 0] for x in (rewards, values, next_values, terminated, truncated)), gamma, lam)
    torch.testing.assert_close(found.advantages[:, 0], wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.targets, found.advantages + values)


def one_row(terminated: bool, truncated: bool) -> float:
    row = torch.tensor([[0.0]])
    flags = {"terminated": torch.tensor([[terminated]]), "truncated": torch.tensor([[truncated]])}
    return gae(row, row, torch.tensor([[10.0]]), **flags, gamma=0.9, lam=0.95).targets.item()


def test_truncation_bootstraps_and_termination_does_not() -> None:
    assert one_row(terminated=False, truncated=True) == pytest.approx(9.0)
    assert one_row(terminated=True, truncated=False) == 0.0


def test_one_step_target_is_equation_9() -> None:
    rewards, values = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.2], [0.4]])
    next_values = torch.tensor([[0.5], [9.0]])
    found = one_step(rewards, values, next_values, terminated=torch.tensor([[False], [True]]), gamma=0.9)
    torch.testing.assert_close(found.targets, torch.tensor([[0.45], [1.0]]))
    torch.testing.assert_close(found.advantages, torch.tensor([[0.25], [0.6]]))


def test_log_prob_and_kl_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, other, action = torch.randn(3, 7, 4, generator=generator)
    std = torch.tensor([0.1, 0.2, 0.5, 1.0])
    normal, reference = torch.distributions.Normal(mean, std), torch.distributions.Normal(other, std)
    torch.testing.assert_close(log_prob(action, mean, std), normal.log_prob(action).sum(-1))
    divergence = torch.distributions.kl_divergence(normal, reference).sum(-1)
    torch.testing.assert_close(kl_same_std(mean, other, std), divergence)


def test_clipping_stops_the_gradient_of_steps_that_moved_too_far() -> None:
    log_ratio = torch.tensor([math.log(1.5), math.log(1.1), math.log(0.5)], requires_grad=True)
    loss = policy_loss(log_ratio, torch.tensor([1.0, 1.0, -1.0]), torch.ones(3), clip=0.2)
    assert loss.item() == pytest.approx(-(1.2 + 1.1 - 0.8) / 3)
    loss.backward()
    assert log_ratio.grad is not None
    assert log_ratio.grad[0] == 0.0
    assert log_ratio.grad[1] != 0.0
    assert log_ratio.grad[2] == 0.0


def test_masked_steps_do_not_count() -> None:
    weights = torch.tensor([1.0, 0.0])
    assert value_loss(torch.tensor([1.0, 50.0]), torch.tensor([3.0, 0.0]), weights).item() == 4.0
    assert weighted_mean(torch.tensor([1.0, 5.0]), torch.zeros(2)).item() == 0.0


def test_success_mask_hides_what_follows_a_success_until_the_episode_ends() -> None:
    hit = torch.tensor([[False], [True], [False], [False], [False]])
    ended = torch.tensor([[False], [False], [False], [True], [False]])
    assert success_mask(hit, ended)[:, 0].tolist() == [True, True, False, False, True]


def test_advantages_are_normalised_over_the_steps_that_count() -> None:
    mask = torch.tensor([[True], [True], [False]])
    found = normalised(torch.tensor([[1.0], [3.0], [1000.0]]), mask)
    assert found[mask].mean().item() == pytest.approx(0.0, abs=1e-6)
    assert found[mask].std().item() == pytest.approx(1.0, abs=1e-5)
