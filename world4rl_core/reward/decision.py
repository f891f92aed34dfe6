"""From probabilities to the 0/1 reward: temperature, threshold and dwell, and how each is chosen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize, minimize_scalar

from world4rl_core.errors import ConfigError, DataError


@dataclass(frozen=True)
class Decision:
    """A frame counts as success when its probability and those of the `dwell - 1` frames before reach `threshold`."""

    threshold: float = 0.5
    """Smallest probability, after the temperature, that is a success."""
    temperature: float = 1.0
    """Logits are divided by this (Guo et al. 2017)."""
    dwell: int = 1
    """Consecutive frames needed."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0 or self.temperature <= 0.0 or self.dwell < 1:
            raise ConfigError(
                "a decision needs 0 <= threshold <= 1, temperature > 0 and dwell >= 1, got "
                f"{self.threshold}, {self.temperature} and {self.dwell}"
            )

    def probabilities(self, logits: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
        """Calibrated probability of success, in double precision: in single it is 1 from a logit of 17 on."""
        return 1.0 / (1.0 + np.exp(-np.clip(logits.astype(np.float64) / self.temperature, -50.0, 50.0)))

    def successes(self, probabilities: Float[np.ndarray, "episode time"]) -> Bool[np.ndarray, "episode time"]:
        """Which frames complete a dwell."""
        return dwelled(probabilities >= self.threshold, self.dwell)


def dwelled(hits: Bool[np.ndarray, "episode time"], dwell: int) -> Bool[np.ndarray, "episode time"]:
    """True where a hit and the `dwell - 1` frames before it are all hits."""
    result = hits.copy()
    for back in range(1, dwell):
        shifted = np.zeros_like(hits)
        shifted[:, back:] = hits[:, :-back]
        result &= shifted
    return result


def episode_peaks(
    probabilities: Float[np.ndarray, "episode time"], valid: Bool[np.ndarray, "episode time"], *, dwell: int
) -> Float[np.ndarray, " episode"]:
    """The largest threshold at which each episode would still succeed, given the dwell; frame 0 never counts."""
    held = np.where(valid, probabilities, 0.0)
    held[:, 0] = 0.0
    lowest = held.copy()
    for back in range(1, dwell):
        shifted = np.zeros_like(held)
        shifted[:, back:] = held[:, :-back]
        lowest = np.minimum(lowest, shifted)
    return lowest.max(axis=1)


def fit_temperature(logits: Float[np.ndarray, " frame"], labels: Bool[np.ndarray, " frame"]) -> float:
    """The temperature in [0.05, 20] at which held-out cross-entropy is smallest."""

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, np.where(labels, -scaled, scaled))))

    best: Any = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(best.x))


def threshold_for_false_positives(
    probabilities: Float[np.ndarray, " frame"], labels: Bool[np.ndarray, " frame"], *, rate: float
) -> float:
    """The smallest threshold at which at most `rate` of the negatives are called successes.

    Raises DataError when there is no negative or no positive frame.
    """
    if labels.all() or not labels.any():
        raise DataError("choosing a threshold needs successful and unsuccessful held-out frames; record more episodes")
    negatives = np.sort(probabilities[~labels])[::-1]
    allowed = int(np.floor(rate * len(negatives)))
    return float(min(1.0, np.nextafter(negatives[allowed], 2.0))) if allowed < len(negatives) else 0.0


def threshold_for_agreement(
    peaks: Float[np.ndarray, " episode"], outcomes: Bool[np.ndarray, " episode"], *, ridge: float = 1e-3
) -> float:
    """The threshold on an episode's peak probability that parts real successes from real failures.

    It lies where a logistic fit to the logits of the peaks (Platt 1999), both outcomes weighted alike, gives even odds.
    Counting agreeing episodes instead leaves it to the few that overlap (docs/decisions/0012). `ridge` on the slope
    keeps the fit finite where the outcomes separate. Peaks that do not rise with success give their mean.
    Raises DataError when all outcomes are the same.
    """
    if outcomes.all() or not outcomes.any():
        raise DataError(
            "choosing a threshold by agreement needs held-out replays with both outcomes; "
            f"got {int(outcomes.sum())} successes of {len(outcomes)}; record more policy episodes"
        )
    bounded = np.clip(peaks.astype(np.float64), 1e-12, 1.0 - 1e-12)  # single precision has no such number below 1
    logits = np.log(bounded) - np.log1p(-bounded)
    centre, scale = logits.mean(), logits.std() + 1e-6
    sign, standard = np.where(outcomes, -1.0, 1.0), (logits - centre) / scale
    weight = np.where(outcomes, 0.5 / outcomes.mean(), 0.5 / (~outcomes).mean())

    def loss(parameters: np.ndarray) -> float:
        slope, offset = parameters
        return float(np.mean(weight * np.logaddexp(0.0, sign * (slope * standard + offset))) + ridge * slope**2)

    slope, offset = minimize(loss, np.array([1.0, 0.0])).x
    even = centre - scale * offset / slope if slope > 0.0 else centre
    return float(1.0 / (1.0 + np.exp(-np.clip(even, logits.min(), logits.max()))))


def expected_calibration_error(
    probabilities: Float[np.ndarray, " frame"], labels: Bool[np.ndarray, " frame"], *, bins: int = 10
) -> float:
    """Mean gap between confidence and frequency over equal-width bins, weighted by their counts."""
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    confidence = np.bincount(index, weights=probabilities, minlength=bins)
    frequency = np.bincount(index, weights=labels.astype(float), minlength=bins)
    return float(np.abs(confidence - frequency).sum() / max(1, counts.sum()))
