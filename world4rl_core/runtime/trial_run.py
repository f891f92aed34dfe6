"""What is measured while a trial runs: its end, its time to success, and how often a person took over."""

from world4rl_core.errors import TrialError
from world4rl_core.runtime.trial import Sheet
from world4rl_core.runtime.trial_record import Measured, Verdict


class TrialRun:
    """One attempt, fed once a period. Success ends it at once; the sheet's time limit ends it without."""

    def __init__(self, sheet: Sheet, *, now_s: float) -> None:
        self._limit_s, self._intervention_fails = sheet.time_limit_s, sheet.intervention_fails
        self._begun_s = self._last_s = now_s
        self._success_s: float | None = None
        self._interventions, self._intervention_s, self._is_human = 0, 0.0, False
        self._peak: float | None = None
        self._classified: bool | None = None

    def observe(
        self, now_s: float, *, is_success: bool = False, is_human: bool = False, probability: float | None = None,
        classifier_success: bool | None = None,
    ) -> bool:  # fmt: skip
        """Takes one period in: the task predicate or the operator's button, who acts, and the classifier's opinion.

        True once the attempt is over; periods after that change nothing.
        """
        if self.is_over:
            return True
        if now_s < self._last_s:
            raise TrialError(f"time went back from {self._last_s:.3f} to {now_s:.3f} s during a trial")
        self._intervention_s += (now_s - self._last_s) if self._is_human else 0.0
        self._interventions += is_human and not self._is_human
        self._last_s, self._is_human = now_s, is_human
        if probability is not None:
            self._peak = probability if self._peak is None else max(self._peak, probability)
        if classifier_success is not None:
            self._classified = bool(self._classified) or classifier_success
        if is_success and now_s - self._begun_s <= self._limit_s:
            self._success_s = now_s - self._begun_s
        return self.is_over

    @property
    def is_over(self) -> bool:
        return self._success_s is not None or self._last_s - self._begun_s >= self._limit_s

    @property
    def proposed(self) -> Verdict:
        """What the predicate and the clock say; where a person judges, the person's verdict counts."""
        if self._success_s is not None and not (self._interventions and self._intervention_fails):
            return Verdict.SUCCESS
        timed_out = self._success_s is None and self._last_s - self._begun_s >= self._limit_s
        return Verdict.TIMEOUT if timed_out else Verdict.FAILURE

    @property
    def measured(self) -> Measured:
        return Measured(
            duration_s=self._last_s - self._begun_s,
            success_s=self._success_s,
            interventions=self._interventions,
            intervention_s=self._intervention_s,
            classifier=self._peak,
            classifier_success=self._classified,
        )
