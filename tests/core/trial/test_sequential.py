"""The test that may be looked at after every pair keeps its promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from world4rl_core.errors import ConfigError
from world4rl_core.evaluation.sequential import e_value, evidence


def test_an_e_value_is_the_mixture_of_likelihood_ratios() -> None:
    bias = (np.arange(200_000) + 0.5) / 200_000
    for fixed, broken in ((0, 0), (5, 0), (3, 2), (1, 9)):
        ratio = (bias**fixed * (1 - bias) ** broken * 2.0 ** (fixed + broken)).mean()
        assert e_value(fixed, broken) == pytest.approx(ratio, rel=1e-4)


@given(st.integers(0, 60), st.integers(0, 60))
def test_under_equality_the_evidence_does_not_grow_on_average(fixed: int, broken: int) -> None:
    expected = (e_value(fixed + 1, broken) + e_value(fixed, broken + 1)) / 2
    assert expected == pytest.approx(e_value(fixed, broken))
    assert e_value(fixed, broken) == pytest.approx(e_value(broken, fixed))


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_equal_policies_reach_the_level_with_at_most_its_probability_over_200_looks(alpha: float) -> None:
    alive, reached = {0: 1.0}, 0.0  # probability by number of fixed pairs, of paths that never reached the level
    for total in range(1, 201):
        grown: dict[int, float] = {}
        for fixed, chance in alive.items():
            for step in (0, 1):
                grown[fixed + step] = grown.get(fixed + step, 0.0) + chance / 2
        over = {fixed for fixed in grown if e_value(fixed, total - fixed) >= 1 / alpha}
        reached += sum(grown.pop(fixed) for fixed in over)
        alive = grown
    assert 0 < reached <= alpha


def test_only_pairs_that_differ_speak_and_the_largest_evidence_counts() -> None:
    same = evidence([True, False, True], [True, False, True])
    assert (same.fixed, same.broken, same.e_value, same.p_value) == (0, 0, 1.0, 1.0)
    won = evidence([False] * 8, [True] * 8)
    assert won.e_value == pytest.approx(2**8 / 9)
    assert won.may_stop(0.05) and not won.may_stop(0.01)
    turned = evidence([False] * 8 + [True] * 8, [True] * 8 + [False] * 8)
    assert turned.e_value < 1 and turned.largest == won.largest and turned.may_stop(0.05)
    assert math.isclose(turned.p_value, 9 / 2**8)


def test_a_level_must_be_a_probability() -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        evidence([True], [False]).may_stop(1.0)
