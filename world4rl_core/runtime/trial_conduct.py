"""The course of a trial session, whatever cell it runs in: prepare, check, run, judge, keep; again until all is done.

Nothing here knows ROS: the trial node gives a Cell, tests another one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from world4rl_core.errors import RobotError, TrialError, World4RLError
from world4rl_core.runtime.trial import PlannedTrial, Sheet, SheetBundle
from world4rl_core.runtime.trial_fault import culprit
from world4rl_core.runtime.trial_record import Judged, Measured, Recorded, Verdict
from world4rl_core.runtime.trial_run import TrialRun
from world4rl_core.runtime.trial_session import TrialSession

RETRY_S, RETRIES = 2.0, 150
"""How long a verdict waits for room on a full disk."""


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
        """The policy acts from now on, and the operator may judge; returns the time of its clock."""
        ...

    def look(self) -> Look:
        """Waits for the next period, then looks."""
        ...

    def halt(self, broken: str) -> None:
        """The policy stops, the arm is disarmed, the recording takes no more rows. Never raises.

        broken: why the trial could not go on, empty where it was over.
        """
        ...

    def label(self, verdict: Verdict | None) -> None:
        """The recording, where there still is one, ends with this label; None throws it away. Never raises."""
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
        if session.open_question is not None:
            judged = _ask_again(session, trial, cell, now)
        else:
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
        cell.halt("")
        cell.label(None)
        cell.tell(f"trial {trial.number} cannot begin: {'; '.join(found)}")
        if not left:
            raise RobotError(f"trial {trial.number} cannot begin: {'; '.join(found)}; repair it and go on later")
        cell.wait(RETRY_S)


def _play(session: TrialSession, trial: PlannedTrial, cell: Cell, now: Callable[[], str]) -> Judged:
    session.begin(now=now())
    run, broken, told, is_machine = None, "", None, False
    try:
        run = TrialRun(session.sheet, now_s=cell.go())
        while not run.is_over and not broken and told is None:
            seen = cell.look()
            broken, told = seen.broken, seen.verdict
            run.observe(seen.now_s, is_success=seen.is_success, is_human=seen.is_human)
    except RobotError as error:
        broken, is_machine = str(error), True
    measured = run.measured if run is not None else Measured()
    if run is not None and run.is_over:
        broken = ""  # decided before it broke
    judged = told or _unattended(run, broken, is_machine=is_machine)
    cell.halt(broken)
    if told is None:
        _hold(lambda: session.propose(judged, now=now(), measured=measured), cell)
        _film(session, trial, cell)
        judged = cell.ask(judged.verdict, broken) or judged
    _finish(session, trial, cell, judged, measured, now)
    return judged


def _ask_again(session: TrialSession, trial: PlannedTrial, cell: Cell, now: Callable[[], str]) -> Judged:
    """The session was killed while a person was asked."""
    assert session.open_question is not None
    proposed, measured = session.open_question
    judged = cell.ask(proposed.verdict, proposed.reason) or proposed
    _finish(session, trial, cell, judged, measured, now)
    return judged


def _finish(
    session: TrialSession, trial: PlannedTrial, cell: Cell, judged: Judged, measured: Measured, now: Callable[[], str]
) -> None:
    """The verdict is on disk before anything that may fail."""
    _hold(lambda: session.decide(judged, now=now(), measured=measured), cell)
    cell.label(judged.verdict)
    if not session.film_path(trial).is_file():
        _film(session, trial, cell)
    try:
        if (opinion := cell.opinion()) is not None:
            measured = replace(measured, classifier=opinion[0], classifier_success=opinion[1])
    except (World4RLError, RuntimeError, ValueError) as error:
        cell.tell(f"the classifier has no opinion on trial {trial.number}: {error}")
    _hold(
        lambda: session.finish(
            judged.verdict, now=now(), judged_by=judged.judged_by, measured=measured, fault=judged.fault,
            reason=judged.reason, note=judged.note,
        ),
        cell,
    )  # fmt: skip


def _film(session: TrialSession, trial: PlannedTrial, cell: Cell) -> None:
    try:
        cell.film(session.film_path(trial))
    except (World4RLError, OSError) as error:
        cell.tell(f"trial {trial.number} has no film: {error}")


def _unattended(run: TrialRun | None, broken: str, *, is_machine: bool) -> Judged:
    """The verdict where no person gives another: the predicate's, or a fault of robot or sensor."""
    if not broken and run is not None:
        return Judged(run.proposed, "predicate")
    who = "robot" if is_machine else culprit(broken)
    if who == "policy":
        return Judged(Verdict.FAILURE, "predicate", reason=broken)
    return Judged(Verdict.FAULT, "", fault=who, reason=broken)


def _hold(keep: Callable[[], object], cell: Cell) -> None:
    """A full disk loses no verdict: it is offered again while the arm is held."""
    for left in reversed(range(RETRIES)):
        try:
            keep()
            return
        except TrialError as error:
            if not left:
                raise
            cell.tell(str(error))
            cell.wait(RETRY_S)
