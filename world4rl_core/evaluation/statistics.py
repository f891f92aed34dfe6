"""Intervals and tests for success counts: one policy, two policies on the same initial states, several seeds.

Differences are always `second - first`, so a positive number means that the second (refined) policy is better.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from world4rl_core.errors import ConfigError, DataError


@dataclass(frozen=True)
class Interval:
    """An estimate between two confidence limits."""

    estimate: float
    low: float
    high: float
    confidence: float = 0.95

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class PairedCounts:
    """The 2x2 table of two policies tried on the same initial states.

    `fixed` counts the states that only the second policy solves, `broken` those that only the first solves.
    """

    both: int
    fixed: int
    broken: int
    neither: int

    def __post_init__(self) -> None:
        if min(self.both, self.fixed, self.broken, self.neither) < 0 or self.total == 0:
            raise DataError(f"paired counts must be non-negative with at least one pair, got {self}")

    @classmethod
    def of(cls, first: ArrayLike, second: ArrayLike) -> "PairedCounts":
        """Count pairs of outcomes; entry i of both sequences belongs to the same initial state."""
        one, two = outcomes_of(first), outcomes_of(second)
        if len(one) != len(two):
            raise DataError(f"paired outcomes need equal lengths, got {len(one)} and {len(two)}")
        return cls(
            both=int((one & two).sum()),
            fixed=int((~one & two).sum()),
            broken=int((one & ~two).sum()),
            neither=int((~one & ~two).sum()),
        )

    @property
    def total(self) -> int:
        return self.both + self.fixed + self.broken + self.neither

    @property
    def first(self) -> int:
        return self.both + self.broken

    @property
    def second(self) -> int:
        return self.both + self.fixed

    @property
    def difference(self) -> float:
        return (self.fixed - self.broken) / self.total


@dataclass(frozen=True)
class Comparison:
    """What one paired experiment says: both rates, their difference and the exact test of no difference."""

    counts: PairedCounts
    first: Interval
    second: Interval
    difference: Interval
    p_value: float


def outcomes_of(values: ArrayLike) -> np.ndarray:
    """One-dimensional booleans; raises DataError for anything that is not a non-empty list of 0/1 outcomes."""
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise DataError(f"outcomes must be a non-empty one-dimensional list, got shape {array.shape}")
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        raise DataError("outcomes must be 0 or 1 (failure or success)")
    return array.astype(bool)


def wilson(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Score interval of a proportion (Wilson 1927; Newcombe 1998a, method 3). Zero trials give [0, 1] around NaN."""
    if not 0 <= successes <= trials:
        raise DataError(f"successes must lie in 0..trials, got {successes} of {trials}")
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0, confidence)
    z2 = _quantile(confidence) ** 2
    rate = successes / trials
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * rate * (1 - rate) / trials + z2**2 / (4 * trials**2)) / (1 + z2 / trials)
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Interval(rate, low, high, confidence)


def paired_difference(counts: PairedCounts, *, confidence: float = 0.95) -> Interval:
    """Interval of a difference of paired proportions (Newcombe 1998b, Stat. Med. 17:2635-2650, method 10).

    Square-and-add of the two Wilson intervals with the correlation phi, whose numerator is reduced by n/2
    (never below 0) when it is positive.
    """
    n, first, second = counts.total, counts.first, counts.second
    one, two = wilson(first, n, confidence=confidence), wilson(second, n, confidence=confidence)
    margins = math.sqrt(first * (n - first) * second * (n - second))
    numerator = counts.both * counts.neither - counts.fixed * counts.broken
    if numerator > 0:
        numerator = max(numerator - n / 2, 0.0)
    phi = numerator / margins if margins > 0 else 0.0
    below = _square_and_add(two.estimate - two.low, one.high - one.estimate, phi)
    above = _square_and_add(two.high - two.estimate, one.estimate - one.low, phi)
    delta = counts.difference
    return Interval(delta, max(delta - below, -1.0), min(delta + above, 1.0), confidence)


def mcnemar_exact(counts: PairedCounts) -> float:
    """Two-sided p of "both policies are equally good": fixed ~ Binomial(fixed + broken, 1/2) (McNemar 1947)."""
    discordant = counts.fixed + counts.broken
    if discordant == 0:
        return 1.0
    return float(stats.binomtest(counts.fixed, discordant, 0.5).pvalue)


def compare_paired(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> Comparison:
    """Rates, difference and exact test of two policies on the same initial states."""
    counts = PairedCounts.of(first, second)
    return Comparison(
        counts=counts,
        first=wilson(counts.first, counts.total, confidence=confidence),
        second=wilson(counts.second, counts.total, confidence=confidence),
        difference=paired_difference(counts, confidence=confidence),
        p_value=mcnemar_exact(counts),
    )


def pool_stratified(tables: Sequence[PairedCounts], *, confidence: float = 0.95) -> Interval:
    """Mean difference over seeds, each seed one stratum of equal weight; the seeds themselves count as fixed.

    The limits of `paired_difference` in each stratum are combined by the method of variance estimates recovery
    (Zou and Donner 2008). It answers "are these runs better", `resampling.bootstrap_seeds` "is the method better".
    """
    if not tables:
        raise DataError("pooling over seeds needs at least one paired table, got none")
    parts = [paired_difference(table, confidence=confidence) for table in tables]
    weight = 1 / len(parts)
    centre = sum(weight * part.estimate for part in parts)
    below = math.sqrt(sum((weight * (part.estimate - part.low)) ** 2 for part in parts))
    above = math.sqrt(sum((weight * (part.high - part.estimate)) ** 2 for part in parts))
    return Interval(centre, max(centre - below, -1.0), min(centre + above, 1.0), confidence)


def fisher_exact(first: int, first_trials: int, second: int, second_trials: int) -> float:
    """Two-sided p of equal success rates of two policies on *different* initial states (Fisher's exact test)."""
    for successes, trials in ((first, first_trials), (second, second_trials)):
        if not 0 <= successes <= trials:
            raise DataError(f"successes must lie in 0..trials, got {successes} of {trials}")
    table = [[first, first_trials - first], [second, second_trials - second]]
    return float(stats.fisher_exact(table).pvalue)  # pyright: ignore[reportAttributeAccessIssue]


def fisher_power(first_rate: float, second_rate: float, *, trials: int, alpha: float = 0.05) -> float:
    """Probability that `trials` episodes a policy, unpaired, show the difference (exact enumeration)."""
    _check_rates(first_rate, second_rate)
    counts = np.arange(trials + 1)
    one = stats.binom.pmf(counts, trials, first_rate)
    two = stats.binom.pmf(counts, trials, second_rate)
    power = 0.0
    for total in range(2 * trials + 1):
        first = np.arange(max(0, total - trials), min(trials, total) + 1)
        chance = stats.hypergeom.pmf(first, 2 * trials, trials, total)
        p_values = (chance * (chance <= chance[:, None] * (1 + 1e-7))).sum(axis=1)
        power += (one[first] * two[total - first])[p_values <= alpha].sum()
    return float(power)


def mcnemar_power(fixed_rate: float, broken_rate: float, *, pairs: int, alpha: float = 0.05) -> float:
    """Probability that `pairs` shared initial states show the difference (exact enumeration over discordant pairs)."""
    _check_rates(fixed_rate, broken_rate, fixed_rate + broken_rate)
    changed = fixed_rate + broken_rate
    if changed == 0:
        return 0.0
    power = 0.0
    for discordant, weight in enumerate(stats.binom.pmf(np.arange(pairs + 1), pairs, changed)):
        fixed = np.arange(discordant + 1)
        tail = stats.binom.cdf(np.minimum(fixed, discordant - fixed), discordant, 0.5)
        seen = np.minimum(2 * tail, 1.0) <= alpha
        power += weight * stats.binom.pmf(fixed, discordant, fixed_rate / changed)[seen].sum()
    return float(power)


def _square_and_add(near: float, far: float, phi: float) -> float:
    return math.sqrt(max(near**2 - 2 * phi * near * far + far**2, 0.0))


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must lie between 0 and 1, got {confidence}")
    return float(stats.norm.ppf((1 + confidence) / 2))


def _check_rates(*rates: float) -> None:
    for rate in rates:
        if not 0 <= rate <= 1:
            raise ConfigError(f"success rates must lie in 0..1, got {rate}")
