"""How probabilities become a reward."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from world4rl_core.errors import ConfigError, DataError
from world4rl_core.reward.decision import (
    Decision,
    dwelled,
    episode_peaks,
    expected_calibration_error,
    fit_temperature,
    threshold_for_agreement,
    threshold_for_false_positives,
)


def test_dwell_counts_consecutive_hits_within_an_episode() -> None:
    hits = np.array([[1, 1, 0, 1, 1, 1], [0, 0, 0, 0, 0, 1]], dtype=bool)
    assert dwelled(hits, 2).tolist() == [[False, True, False, False, True, True], [False] * 6]
    assert dwelled(hits, 3).tolist() == [[False] * 5 + [True], [False] * 6]
    np.testing.assert_array_equal(dwelled(hits, 1), hits)


@given(st.integers(0, 1000), st.integers(1, 4))
def test_peak_is_the_largest_threshold_that_still_succeeds(seed: int, dwell: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities, valid = rng.random((3, 8)), np.arange(8) < rng.integers(dwell + 1, 9, (3, 1))
    peaks = episode_peaks(probabilities, valid, dwell=dwell)
    counted = np.where(valid, probabilities, 0.0)
    counted[:, 0] = 0.0
    for row, peak in enumerate(peaks):
        assert Decision(float(peak), dwell=dwell).successes(counted[row : row + 1]).any()
        above = float(np.nextafter(peak, 2.0))
        assert above > 1.0 or not Decision(above, dwell=dwell).successes(counted[row : row + 1]).any()


@given(st.integers(0, 1000), st.floats(0.0, 0.3))
def test_threshold_keeps_the_false_positive_rate(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    probabilities, labels = rng.random(200), rng.random(200) < 0.4
    threshold = threshold_for_false_positives(probabilities, labels, rate=rate)
    assert (probabilities[~labels] >= threshold).mean() <= rate
    if threshold > 0:
        below = np.sort(probabilities[~labels & (probabilities < threshold)])[-1]
        assert (probabilities[~labels] >= below).mean() > rate


def test_threshold_for_agreement_separates_what_can_be_separated() -> None:
    peaks = np.array([0.1, 0.2, 0.3, 0.7, 0.8])
    outcomes = np.array([False, False, False, True, True])
    assert 0.3 < threshold_for_agreement(peaks, outcomes) < 0.7


def test_threshold_for_agreement_is_midway_between_equal_normals_whatever_the_rate_of_success() -> None:
    """Two normals of one variance have even odds half way between their means, which is 1 here."""
    rng = np.random.default_rng(0)
    outcomes = rng.random(20_000) < 0.8
    logits = rng.normal(np.where(outcomes, 3.0, -1.0), 2.0)
    threshold = threshold_for_agreement(1.0 / (1.0 + np.exp(-logits)), outcomes)
    assert np.log(threshold / (1.0 - threshold)) == pytest.approx(1.0, abs=0.1)


@given(st.integers(0, 1000), st.booleans())
def test_threshold_for_agreement_lies_within_the_peaks_even_where_they_tell_nothing(seed: int, backwards: bool) -> None:
    rng = np.random.default_rng(seed)
    peaks = np.sort(rng.random(12))
    outcomes = np.arange(12) < 5 if backwards else rng.permutation(12) < 5
    assert peaks[0] - 1e-9 <= threshold_for_agreement(peaks, outcomes) <= peaks[-1] + 1e-9


def test_peaks_of_exactly_one_and_zero_have_a_threshold() -> None:
    threshold = threshold_for_agreement(np.array([0.0, 0.0, 1.0, 1.0]), np.array([False, False, True, True]))
    assert 0.0 < threshold < 1.0


def test_a_threshold_needs_both_kinds() -> None:
    with pytest.raises(DataError, match="both outcomes; got 3 successes of 3"):
        threshold_for_agreement(np.ones(3), np.ones(3, dtype=bool))
    with pytest.raises(DataError, match="record more episodes"):
        threshold_for_false_positives(np.ones(3), np.zeros(3, dtype=bool), rate=0.1)


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    labels = rng.random(20_000) < 1 / (1 + np.exp(-logits))
    assert fit_temperature(3.0 * logits, labels) == pytest.approx(3.0, rel=0.05)
    calibrated = Decision(temperature=3.0).probabilities(3.0 * logits)
    assert expected_calibration_error(calibrated, labels) < 0.01
    assert expected_calibration_error(Decision().probabilities(3.0 * logits), labels) > 0.05


def test_bad_decisions_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 <= threshold <= 1"):
        Decision(threshold=1.5)


def test_a_classifier_that_is_sure_in_single_precision_still_has_a_threshold() -> None:
    logits = np.array([[60.0], [55.0], [-60.0], [-50.0]], dtype=np.float32)
    outcomes = np.array([True, True, False, False])
    for peaks in (Decision(0.5).probabilities(logits)[:, 0], np.array([1.0, 1.0, 0.0, 0.0], dtype=np.float32)):
        assert peaks[~outcomes].max() < threshold_for_agreement(peaks, outcomes) <= peaks[outcomes].min()
    assert Decision(0.5).probabilities(np.float32([20.0]))[0] < 1.0
