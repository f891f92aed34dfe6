"""What a trial session says: rates, comparisons, times, interventions, and what could have been seen at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from world4rl_core.evaluation.outcomes import Confusion
from world4rl_core.evaluation.sequential import Evidence, evidence
from world4rl_core.evaluation.statistics import (
    Comparison,
    Interval,
    compare_paired,
    fisher_exact,
    fisher_power,
    wilson,
)
from world4rl_core.runtime.trial_record import Recorded, TrialResult, Verdict

STEPS = (0.1, 0.2, 0.3, 0.4, 0.5)
ENOUGH = 0.8
MOST_TRIALS = 200


@dataclass(frozen=True)
class Arm:
    """One bundle's trials."""

    label: str
    name: str
    trials: int
    successes: int
    timeouts: int
    rate: Interval
    times_s: tuple[float, ...]
    """Time to success of each success, ascending."""
    interventions: int
    intervened: int
    """Trials with at least one intervention."""
    intervention_s: float
    faults: int
    """Attempts that were repeated after a robot or sensor fault."""
    interrupted: int
    """Attempts that were repeated because the session's process had ended."""

    @property
    def median_s(self) -> float:
        """Median time to success; NaN without successes."""
        return float(np.median(self.times_s)) if self.times_s else float("nan")


@dataclass(frozen=True)
class Power:
    """What a comparison of this size can show: the chance to see a true difference, unpaired, at the 5 % level."""

    base: float
    """Success rate of the first bundle that is assumed."""
    trials: int
    chances: dict[str, float]
    """By the second bundle's rate, as `+20 points`."""
    trials_for: dict[str, int | None]
    """Trials each that would give 80 %; None where more than 200 are needed."""


@dataclass(frozen=True)
class Versus:
    """One bundle against the first."""

    first: str
    second: str
    paired: Comparison | None
    """From start scenes that both have tried; None without any."""
    fisher_p: float
    evidence: Evidence
    may_stop: bool
    """Whether the sheet's sequential level has been reached; False where the sheet names none."""
    power: Power


@dataclass(frozen=True)
class Summary:
    """The whole session."""

    task: str
    judged: int
    planned: int
    is_complete: bool
    stopped: str
    sequential_alpha: float | None
    """Level of the anytime-valid test that may end the session; where there is one it decides, and no fixed-size test.
    """
    arms: tuple[Arm, ...]
    comparisons: tuple[Versus, ...]
    classifier: Confusion | None
    """The classifier's opinion (as `imagined`) against the verdict; None where it gave none."""


def summarise(recorded: Recorded) -> Summary:
    """Counts, intervals and tests of every verdict so far."""
    sheet, judged = recorded.sheet, recorded.judged
    arms = tuple(_arm(recorded, bundle.label, bundle.name) for bundle in sheet.bundles)
    return Summary(
        task=sheet.task,
        judged=len(judged),
        planned=len(sheet.order),
        is_complete=recorded.upcoming is None,
        stopped=recorded.stopped,
        sequential_alpha=sheet.sequential_alpha,
        arms=arms,
        comparisons=tuple(_versus(recorded, arms[0], arm) for arm in arms[1:]),
        classifier=_classifier(list(judged.values())),
    )


def succeeded(result: TrialResult, *, intervention_fails: bool) -> bool:
    """Whether a trial counts as a success of its policy, as the sheet says."""
    helped = intervention_fails and result.measured.interventions > 0
    return result.outcome is Verdict.SUCCESS and not helped


def _arm(recorded: Recorded, label: str, name: str) -> Arm:
    fails = recorded.sheet.intervention_fails
    mine = {trial.number for trial in recorded.sheet.order if trial.label == label}
    attempts = [result for result in recorded.results if result.number in mine]
    judged = [result for result in attempts if result.outcome.is_final]
    won = [result for result in judged if succeeded(result, intervention_fails=fails)]
    times = sorted(result.measured.success_s for result in won if result.measured.success_s is not None)
    return Arm(
        label=label,
        name=name,
        trials=len(judged),
        successes=len(won),
        timeouts=sum(result.outcome is Verdict.TIMEOUT for result in judged),
        rate=wilson(len(won), len(judged)),
        times_s=tuple(times),
        interventions=sum(result.measured.interventions for result in judged),
        intervened=sum(result.measured.interventions > 0 for result in judged),
        intervention_s=sum(result.measured.intervention_s for result in judged),
        faults=sum(result.outcome is Verdict.FAULT for result in attempts),
        interrupted=sum(result.outcome is Verdict.INTERRUPTED for result in attempts),
    )


def pairs(recorded: Recorded, first: str, second: str) -> tuple[list[bool], list[bool]]:
    """Outcomes of two bundles from the start scenes that both have tried, in the order of the sheet."""
    judged, fails = recorded.judged, recorded.sheet.intervention_fails
    outcomes: dict[str, dict[int, bool]] = {first: {}, second: {}}
    for trial in recorded.sheet.order:
        if trial.label in outcomes and trial.number in judged:
            outcomes[trial.label][trial.start] = succeeded(judged[trial.number], intervention_fails=fails)
    shared = [start for start in sorted(outcomes[first]) if start in outcomes[second]]
    return [outcomes[first][start] for start in shared], [outcomes[second][start] for start in shared]


def _versus(recorded: Recorded, first: Arm, second: Arm) -> Versus:
    one, two = pairs(recorded, first.label, second.label)
    seen, alpha = evidence(one, two), recorded.sheet.sequential_alpha
    base = first.rate.estimate if first.trials else 0.5
    return Versus(
        first=first.label,
        second=second.label,
        paired=compare_paired(one, two) if one else None,
        fisher_p=fisher_exact(first.successes, first.trials, second.successes, second.trials),
        evidence=seen,
        may_stop=alpha is not None and seen.may_stop(alpha),
        power=power(base, trials=recorded.sheet.trials_each),
    )


def power(base: float, *, trials: int) -> Power:
    """What `trials` a bundle can show from a first rate of `base`, and how many would be enough."""
    chances, enough = {}, {}
    for step in STEPS:
        rate = base + step
        if rate > 1 + 1e-9:
            continue
        name = f"+{100 * step:.0f} points"
        chances[name] = fisher_power(base, min(rate, 1.0), trials=trials)
        enough[name] = _trials_for(base, min(rate, 1.0))
    return Power(base=base, trials=trials, chances=chances, trials_for=enough)


def _trials_for(first: float, second: float) -> int | None:
    """The smallest multiple of 10 with a power of 80 %."""
    low, high = 1, MOST_TRIALS // 10
    if fisher_power(first, second, trials=MOST_TRIALS) < ENOUGH:
        return None
    while low < high:
        middle = (low + high) // 2
        if fisher_power(first, second, trials=10 * middle) >= ENOUGH:
            high = middle
        else:
            low = middle + 1
    return 10 * low


def _classifier(judged: Sequence[TrialResult]) -> Confusion | None:
    asked = [result for result in judged if result.measured.classifier_success is not None]
    if not asked:
        return None
    return Confusion.of(
        [result.outcome is Verdict.SUCCESS for result in asked],
        [bool(result.measured.classifier_success) for result in asked],
    )
