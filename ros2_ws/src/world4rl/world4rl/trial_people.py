"""What the operator of a trial session says, and when it counts: nothing is heard that was not asked for."""

from collections.abc import Callable

from world4rl_core.errors import TrialError
from world4rl_core.runtime.trial_record import Judged, Verdict

READY, VERDICT = "ready", "verdict"


class People:
    """Ready, and a verdict with a note. `on_change` is called when something else is asked."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self._on_change = on_change
        self.asking = ""
        """What the operator is asked: ready, verdict, or nothing."""
        self.is_watching = False
        """A trial runs, which the operator may judge at any time."""
        self.is_ready = False
        self.judged: Judged | None = None
        self.note = ""

    def forget(self) -> None:
        self.is_watching, self.is_ready, self.judged, self.note = False, False, None, ""
        self.ask("")

    def ask(self, what: str) -> None:
        """From now on the operator's answer to this counts; so does a verdict given just before a trial ended."""
        if what == READY:
            self.is_ready = False
        self.asking = what
        self._on_change()

    def watch(self) -> None:
        """A trial begins."""
        self.judged, self.is_watching = None, True

    def say_ready(self) -> None:
        """Raises TrialError where nobody asked."""
        if self.asking != READY:
            raise TrialError("nobody asked whether all is ready; wait for the question")
        self.is_ready = True

    def say(self, verdict: Verdict, *, fault: str = "") -> None:
        """A verdict; for a fault its kind, with the note as its reason.

        Raises TrialError where no trial runs and none is asked about, and for a second verdict on the same trial.
        """
        if not self.is_watching and self.asking != VERDICT:
            raise TrialError("no trial is running and no verdict was asked for; it would count for the next one")
        if self.judged is not None:
            raise TrialError(f"this trial is judged already: {self.judged.verdict.value}")
        reason = (self.note or f"the operator saw a {fault} fault") if fault else ""
        judge = "" if fault else "operator"
        self.judged = Judged(verdict, judge, fault=fault, reason=reason, note=self.note)
