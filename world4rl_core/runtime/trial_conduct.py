"""The course of a trial session, whatever cell it runs in: prepare, check, run, judge, keep; again until all is done.

Nothing here knows ROS: the trial node gives a Cell, tests another one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from world4rl_core.errors import RobotError, TrialError
from world4rl_core.runtime.trial import PlannedTrial, Sheet, SheetBundle
from world4rl_core.runtime.trial_fault import culprit
from world4rl_core.runtime.trial_record import Measured, Recorded, Verdict
from world4rl_core.runtime.trial_run import TrialRun
from world4rl_core.runtime.trial_session import TrialSession

RETRY_S, RETRIES = 2.0, 150
"""How long a verdict waits for room on a full disk."""


@dataclass(frozen=True)
class Judged:
    """A verdict and who gave it."""

    verdict: Verdict
    judged_by: str
    """operator | predicate; empty for a fault."""
    fault: str = ""
    reason: str = ""
    note: str = ""


@dataclass(frozen=True)
class Look:
    """What the cell sees in one period of a running trial."""

    now_s: float
    is_success: bool = False
    """The predicate says so."""
    is_human: bool = False
    """A person has the arm."""
    broken: str = ""
    """Why the trial cannot go on; empty while it can."""
    verdict: Judged | None = None
    """What the operator has said already."""


@runtime_checkable
class Cell(Protocol):
    """Where trials take place. Everything may raise RobotError."""

    def tell(self, text: str) -> None:
        """Shows the operator a line."""
        ...

    def wait(self, seconds: float) -> None: ...

    def arrange(self, trial: PlannedTrial, bundle: SheetBundle) -> None:
        """Scene, arm at its start, hand open, bundle chosen; returns when everybody is ready."""
        ...

    def obstacles(self, sheet: Sheet, trial: PlannedTrial) -> list[str]:
        """Why the trial may not begin: pose, drift, old readings, a latched arm."""
        ...

    def arm(self) -> None:
        """Arms and starts the recording; nothing moves yet."""
        ...

    def go(self) -> float:
        """The policy acts from now on; returns the time of its clock."""
        ...

    def look(self) -> Look:
        """Waits for the next period, then looks."""
        ...

    def halt(self, verdict: Verdict | None) -> None:
        """The policy stops, the recording ends with this label, the arm is disarmed. Never raises."""
        ...

    def film(self, path: Path) -> None:
        """Writes what the cameras saw."""
        ...

    def opinion(self) -> tuple[float, bool] | None:
        """The classifier's highest probability and its decision; None without a classifier."""
        ...

    def ask(self, proposed: Verdict, broken: str) -> Judged | None:
        """The operator's verdict, waiting for it; None where no person judges."""
        ...


@dataclass(frozen=True)
class Patience:
    """How often something may fail before the session stops, to be continued later."""

    preparations: int = 5
    faults: int = 3
    """Attempts at one trial that a fault ended."""


def conduct(
    session: TrialSession, cell: Cell, *, now: Callable[[], str], patience: Patience = Patience(),
    stop_reason: Callable[[Recorded], str] = lambda _: "",
) -> str:  # fmt: skip
    """Runs every trial that is left, and returns how the session stands.

    `now`: the wall time in ISO 8601. `stop_reason`: why the session may end early, looked at after each verdict.
    Raises RobotError when patience is over and TrialError when the disk stays full; the session can be continued.
    """
    while (trial := session.upcoming) is not None:
        cell.tell(session.announce())
        _prepare(session, trial, cell, patience)
        judged = _play(session, trial, cell, now)
        cell.tell(f"trial {trial.number}: {judged.verdict.value}{f', {judged.reason}' if judged.reason else ''}")
        faults = session.recorded.attempts(trial.number)
        if judged.verdict is Verdict.FAULT and faults >= patience.faults:
            raise RobotError(
                f"trial {trial.number} was ended by a fault again ({judged.reason}); repair it, go on later"
            )
        if session.sheet.sequential_alpha is not None and (reason := stop_reason(session.recorded)):
            session.stop_early(reason)
    return session.announce()


def _prepare(session: TrialSession, trial: PlannedTrial, cell: Cell, patience: Patience) -> None:
    """Until nothing stands in the way. No attempt is counted yet, because the policy has not acted."""
    for left in reversed(range(patience.preparations)):
        try:
            cell.arrange(trial, session.bundle_of(trial))
            found = cell.obstacles(session.sheet, trial)
            if not found:
                cell.arm()
                return
        except RobotError as error:
            found = [str(error)]
        cell.halt(None)
        cell.tell(f"trial {trial.number} cannot begin: {'; '.join(found)}")
        if not left:
            raise RobotError(f"trial {trial.number} cannot begin: {'; '.join(found)}; repair it and go on later")
        cell.wait(RETRY_S)


def _play(session: TrialSession, trial: PlannedTrial, cell: Cell, now: Callable[[], str]) -> Judged:
    session.begin(now=now())
    run, broken, told = None, "", None
    try:
        run = TrialRun(session.sheet, now_s=cell.go())
        while not run.is_over and not broken and told is None:
            seen = cell.look()
            broken, told = seen.broken, seen.verdict
            run.observe(seen.now_s, is_success=seen.is_success, is_human=seen.is_human)
    except RobotError as error:
        broken = str(error)
    measured = run.measured if run is not None else Measured()
    if run is not None and run.is_over:
        broken = ""  # decided before it broke
    judged = told or _unattended(run, broken)
    cell.halt(judged.verdict)
    judged = (cell.ask(judged.verdict, broken) if told is None else None) or judged
    _film(session, trial, cell)
    opinion = cell.opinion()
    if opinion is not None:
        measured = replace(measured, classifier=opinion[0], classifier_success=opinion[1])
    _keep(session, judged, measured, cell, now)
    return judged


def _unattended(run: TrialRun | None, broken: str) -> Judged:
    """The verdict where no person gives another: the predicate's, or a fault of robot or sensor."""
    if not broken and run is not None:
        return Judged(run.proposed, "predicate")
    who = culprit(broken)
    if who == "policy":
        return Judged(Verdict.FAILURE, "predicate", reason=broken)
    return Judged(Verdict.FAULT, "", fault=who, reason=broken)


def _film(session: TrialSession, trial: PlannedTrial, cell: Cell) -> None:
    try:
        cell.film(session.film_path(trial))
    except (RobotError, OSError) as error:
        cell.tell(f"trial {trial.number} has no film: {error}")


def _keep(session: TrialSession, judged: Judged, measured: Measured, cell: Cell, now: Callable[[], str]) -> None:
    """A full disk loses no verdict: it is offered again while the arm is held."""
    for left in reversed(range(RETRIES)):
        try:
            session.finish(
                judged.verdict, now=now(), judged_by=judged.judged_by, measured=measured, fault=judged.fault,
                reason=judged.reason, note=judged.note,
            )  # fmt: skip
            return
        except TrialError as error:
            if not left:
                raise
            cell.tell(str(error))
            cell.wait(RETRY_S)
