"""Intervals and tests against published worked examples, scipy and brute force."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from world4rl_core.errors import ConfigError, DataError
from world4rl_core.evaluation import resampling, statistics
from world4rl_core.evaluation.statistics import PairedCounts

tables = st.builds(PairedCounts, *[st.integers(0, 60)] * 3, neither=st.integers(1, 60))


def test_wilson_matches_the_published_worked_examples() -> None:
    # Newcombe 1998, Stat. Med. 17:857-872, table I, method 3.
    for successes, trials, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        interval = statistics.wilson(successes, trials)
        assert interval.low == pytest.approx(low, abs=6e-5)
        assert interval.high == pytest.approx(high, abs=6e-5)


@given(st.integers(1, 400), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(trials: int, data: st.DataObject, confidence: float) -> None:
    successes = data.draw(st.integers(0, trials))
    ours = statistics.wilson(successes, trials, confidence=confidence)
    theirs = stats.binomtest(successes, trials).proportion_ci(confidence_level=confidence, method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-9)
    assert ours.high == pytest.approx(theirs.high, abs=1e-9)
    assert successes / trials in ours


def test_wilson_of_no_trials_knows_nothing() -> None:
    interval = statistics.wilson(0, 0)
    assert math.isnan(interval.estimate)
    assert (interval.low, interval.high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("counts", "estimate", "low", "high"),
    [
        # Cavo et al. 2012 and Bentur et al. 2009 as analysed by Fagerland, Lydersen and Laake (Statistical Analysis of
        # Contingency Tables, chapter 8); printed there as first minus second.
        (PairedCounts(both=59, broken=6, fixed=16, neither=80), 0.0621, 0.0046, 0.1186),
        (PairedCounts(both=1, broken=1, fixed=7, neither=12), 0.2857, 0.0256, 0.5069),
    ],
)
def test_paired_difference_matches_published_worked_examples(
    counts: PairedCounts, estimate: float, low: float, high: float
) -> None:
    interval = statistics.paired_difference(counts)
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((estimate, low, high), abs=6e-5)


@given(tables)
def test_paired_difference_contains_its_estimate_and_stays_in_range(counts: PairedCounts) -> None:
    interval = statistics.paired_difference(counts)
    assert -1 <= interval.low <= interval.estimate <= interval.high <= 1


@given(tables)
def test_swapping_the_policies_mirrors_the_interval(counts: PairedCounts) -> None:
    swapped = PairedCounts(both=counts.both, fixed=counts.broken, broken=counts.fixed, neither=counts.neither)
    one, two = statistics.paired_difference(counts), statistics.paired_difference(swapped)
    assert (one.low, one.high) == pytest.approx((-two.high, -two.low), abs=1e-12)


def test_paired_difference_covers_the_truth_at_the_stated_rate() -> None:
    rng = np.random.default_rng(0)
    probabilities = [0.30, 0.22, 0.05, 0.43]  # both, fixed, broken, neither: the truth is 0.17
    draws = rng.multinomial(100, probabilities, size=1500)
    covered = np.mean([0.17 in statistics.paired_difference(PairedCounts(*map(int, row))) for row in draws])
    assert 0.93 < covered < 0.98


def test_mcnemar_matches_the_published_worked_example() -> None:
    # Cavo et al. 2012 (6 against 16 discordant pairs): exact conditional P = 0.0525.
    assert statistics.mcnemar_exact(PairedCounts(59, 16, 6, 80)) == pytest.approx(0.052479, abs=1e-6)
    assert statistics.mcnemar_exact(PairedCounts(10, 0, 0, 10)) == 1.0


def test_paired_counts_read_the_outcomes_state_by_state() -> None:
    counts = PairedCounts.of([1, 1, 0, 0, 0], [1, 0, 1, 1, 0])
    assert counts == PairedCounts(both=1, fixed=2, broken=1, neither=1)
    assert (counts.first, counts.second, counts.difference) == (2, 3, pytest.approx(0.2))


def test_unequal_or_non_binary_outcomes_are_refused() -> None:
    with pytest.raises(DataError, match="equal lengths, got 2 and 3"):
        PairedCounts.of([1, 0], [1, 0, 1])
    with pytest.raises(DataError, match="0 or 1"):
        PairedCounts.of([1, 2], [1, 0])
    with pytest.raises(DataError, match="at least one pair"):
        PairedCounts(0, 0, 0, 0)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        statistics.wilson(1, 2, confidence=95.0)


def test_fisher_matches_the_papers_real_robot_counts() -> None:
    # Table III: 112/120 against 106/120 is not significant.
    assert statistics.fisher_exact(112, 120, 106, 120) == pytest.approx(0.263, abs=1e-3)


def test_power_of_a_twenty_trial_comparison_is_poor() -> None:
    assert statistics.fisher_power(0.5, 0.8, trials=20) == pytest.approx(0.41, abs=0.005)
    assert statistics.fisher_power(0.7, 0.9, trials=20) == pytest.approx(0.24, abs=0.005)


def test_fisher_power_is_the_sum_over_all_tables() -> None:
    brute = sum(
        stats.binom.pmf(a, 8, 0.2) * stats.binom.pmf(b, 8, 0.9)
        for a in range(9)
        for b in range(9)
        if statistics.fisher_exact(a, 8, b, 8) <= 0.05
    )
    assert statistics.fisher_power(0.2, 0.9, trials=8) == pytest.approx(brute, abs=1e-12)


def test_mcnemar_power_is_the_rejection_rate_of_the_test() -> None:
    draws = np.random.default_rng(0).multinomial(60, [0.4, 0.2, 0.05, 0.35], size=3000)
    rejected = np.mean([statistics.mcnemar_exact(PairedCounts(*map(int, row))) <= 0.05 for row in draws])
    assert statistics.mcnemar_power(0.2, 0.05, pairs=60) == pytest.approx(rejected, abs=0.03)
    assert statistics.mcnemar_power(0.0, 0.0, pairs=60) == 0.0


def test_pooling_one_seed_changes_nothing_and_more_seeds_narrow_the_interval() -> None:
    table = PairedCounts(59, 16, 6, 80)
    one, three = statistics.pool_stratified([table]), statistics.pool_stratified([table] * 3)
    assert one == statistics.paired_difference(table)
    assert three.high - three.low == pytest.approx((one.high - one.low) / math.sqrt(3), rel=1e-6)


def simulated_runs(*, seeds: int, spread: float, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    gains = rng.normal(0.15, spread, size=seeds).clip(-0.5, 0.5)
    return [(rng.random(200) < 0.5, rng.random(200) < 0.5 + gain) for gain in gains]


def test_bootstrap_with_fixed_seeds_agrees_with_the_stratified_interval() -> None:
    runs = simulated_runs(seeds=3, spread=0.0, rng=np.random.default_rng(1))
    drawn = resampling.bootstrap_seeds(runs, rng=np.random.default_rng(0), resample_seeds=False)
    closed = statistics.pool_stratified([PairedCounts.of(*run) for run in runs])
    assert (drawn.estimate, drawn.low, drawn.high) == pytest.approx(
        (closed.estimate, closed.low, closed.high), abs=0.012
    )


def test_bootstrap_over_seeds_is_wider_when_seeds_differ() -> None:
    runs = simulated_runs(seeds=5, spread=0.15, rng=np.random.default_rng(2))
    fixed = resampling.bootstrap_seeds(runs, rng=np.random.default_rng(0), resample_seeds=False)
    drawn = resampling.bootstrap_seeds(runs, rng=np.random.default_rng(0))
    assert drawn.high - drawn.low > 1.5 * (fixed.high - fixed.low)


def test_ratio_interval_sits_around_the_true_ratio() -> None:
    rng = np.random.default_rng(0)
    error = rng.gamma(4.0, size=60)
    interval = resampling.bootstrap_ratio(2 * error + rng.normal(0, 0.05, 60), error, rng=rng)
    assert 1.9 < interval.low < 2.0 < interval.high < 2.1
    with pytest.raises(DataError, match="equal non-empty"):
        resampling.bootstrap_ratio([1.0], [1.0, 2.0], rng=rng)
