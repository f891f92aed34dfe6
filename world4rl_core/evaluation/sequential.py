"""A comparison that may be looked at after every trial: a test martingale over pairs from the same start.

Only pairs in which exactly one policy succeeds speak. If both policies are equally good, each such pair is a fair coin;
the evidence is the likelihood ratio of a coin of unknown bias (uniform prior) against the fair one, an e-process. By
Ville's inequality it ever reaches 1/alpha with probability at most alpha, however often one looks (Robbins 1970;
Ramdas et al. 2023, Statistical Science 38:576-601).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from world4rl_core.errors import ConfigError


@dataclass(frozen=True)
class Evidence:
    """What the pairs so far say against "both policies are equally good"."""

    fixed: int
    """Pairs that only the second policy solved."""
    broken: int
    """Pairs that only the first solved."""
    e_value: float
    """Now."""
    largest: float
    """At any time so far; its reciprocal is an anytime-valid p-value."""

    @property
    def p_value(self) -> float:
        return min(1.0, 1.0 / self.largest)

    def may_stop(self, alpha: float) -> bool:
        """Whether the session may end: the claim "not equally good" then errs with probability at most `alpha`."""
        if not 0 < alpha < 1:
            raise ConfigError(f"alpha must lie between 0 and 1, got {alpha}")
        return self.largest >= 1.0 / alpha


def e_value(fixed: int, broken: int) -> float:
    """Mixture likelihood ratio 2^n B(fixed + 1, broken + 1) of n = fixed + broken discordant pairs; 1 without any."""
    total = fixed + broken
    log_beta = math.lgamma(fixed + 1) + math.lgamma(broken + 1) - math.lgamma(total + 2)
    return math.exp(total * math.log(2) + log_beta)


def evidence(first: Sequence[bool], second: Sequence[bool]) -> Evidence:
    """The evidence after pairs of outcomes in the order in which they were completed."""
    fixed = broken = 0
    now = largest = 1.0
    for one, two in zip(first, second, strict=True):
        fixed += two and not one
        broken += one and not two
        now = e_value(fixed, broken)
        largest = max(largest, now)
    return Evidence(fixed=fixed, broken=broken, e_value=now, largest=largest)
