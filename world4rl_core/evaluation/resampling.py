"""Bootstrap intervals: seeds and episodes, a mean, a ratio, a rank correlation. Randomness comes in as `rng`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from world4rl_core.errors import DataError
from world4rl_core.evaluation.statistics import Interval, outcomes_of


def bootstrap_seeds(
    runs: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    rng: np.random.Generator,
    resample_seeds: bool = True,
    draws: int = 4000,
    confidence: float = 0.95,
) -> Interval:
    """Mean over seeds of `second - first` success, by a two-stage bootstrap over (seed, episode).

    runs: one pair of outcome lists a seed, entry i of both from the same initial state; pairs stay together.
    resample_seeds: also draw the seeds (a statement about the method; wide and honest only with several seeds);
    False keeps them as fixed strata (a statement about these runs).
    """
    if not runs:
        raise DataError("the bootstrap over seeds needs at least one run, got none")
    gains = [outcomes_of(second).astype(float) - _paired(first, second) for first, second in runs]
    seeds = np.broadcast_to(np.arange(len(gains))[:, None], (len(gains), draws))
    if resample_seeds:
        seeds = rng.integers(len(gains), size=seeds.shape)
    pooled = np.mean([_means_of_chosen(gains, row, rng=rng) for row in seeds], axis=0)
    return _percentile(float(np.mean([gain.mean() for gain in gains])), pooled, confidence)


def bootstrap_ratio(
    numerator: ArrayLike,
    denominator: ArrayLike,
    *,
    rng: np.random.Generator,
    draws: int = 4000,
    confidence: float = 0.95,
) -> Interval:
    """Ratio of two means measured on the same episodes, episodes resampled together (percentile bootstrap)."""
    top, bottom = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    if top.shape != bottom.shape or top.ndim != 1 or top.size == 0:
        raise DataError(f"a paired ratio needs two equal non-empty lists, got shapes {top.shape} and {bottom.shape}")
    if bottom.min() < 0 or bottom.mean() <= 0:
        raise DataError("a ratio needs a non-negative denominator with a positive mean")
    rows = rng.integers(len(top), size=(draws, len(top)))
    ratios = top[rows].mean(axis=1) / np.maximum(bottom[rows].mean(axis=1), np.finfo(float).tiny)
    return _percentile(float(top.mean() / bottom.mean()), ratios, confidence)


def bootstrap_mean(
    values: ArrayLike, *, rng: np.random.Generator, draws: int = 2000, confidence: float = 0.95
) -> Interval:
    """Mean over episodes, episodes resampled. One episode gives an interval without width."""
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise DataError(f"a mean needs a non-empty list, got shape {array.shape}")
    return _percentile(
        float(array.mean()), array[rng.integers(len(array), size=(draws, len(array)))].mean(axis=1), confidence
    )


def bootstrap_rank_correlation(
    one: ArrayLike, two: ArrayLike, *, rng: np.random.Generator, draws: int = 1000, confidence: float = 0.95
) -> Interval:
    """Spearman's rank correlation of paired values, pairs resampled; 0 when one of them is constant."""
    first, second = np.asarray(one, dtype=float), np.asarray(two, dtype=float)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 3:
        raise DataError(f"a rank correlation needs three pairs, got shapes {first.shape} and {second.shape}")
    rows = rng.integers(len(first), size=(draws, len(first)))
    drawn = np.array([_correlation(first[row], second[row]) for row in rows])
    return _percentile(_correlation(first, second), drawn, confidence)


def _correlation(one: np.ndarray, two: np.ndarray) -> float:
    ranks = stats.rankdata(one), stats.rankdata(two)
    if ranks[0].std() == 0 or ranks[1].std() == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def _paired(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    one, two = outcomes_of(first), outcomes_of(second)
    if len(one) != len(two):
        raise DataError(f"paired outcomes need equal lengths, got {len(one)} and {len(two)}")
    return one.astype(float)


def _means_of_chosen(gains: list[np.ndarray], chosen: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """One mean per draw: of freshly drawn episodes of the seed that the draw chose."""
    means = np.empty(len(chosen))
    for seed, gain in enumerate(gains):
        drawn = np.flatnonzero(chosen == seed)
        means[drawn] = gain[rng.integers(len(gain), size=(len(drawn), len(gain)))].mean(axis=1)
    return means


def _percentile(estimate: float, draws: np.ndarray, confidence: float) -> Interval:
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(estimate, float(low), float(high), confidence)
