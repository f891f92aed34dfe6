"""What a trial session has on disk: verdicts, results, and a reader that changes nothing."""

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from world4rl_core.config_json import from_json
from world4rl_core.errors import CheckpointError, TrialError
from world4rl_core.runtime.trial import PlannedTrial, Sheet, read_sheet

SHEET, TRIALS, RUNNING, STOPPED, FILMS = "sheet.json", "trials", "running.json", "stopped.json", "films"


class Verdict(Enum):
    """How an attempt ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    FAULT = "fault"
    """Robot or sensor: the trial is repeated."""
    INTERRUPTED = "interrupted"
    """The session's process ended while it ran: the trial is repeated, and the report counts it."""

    @property
    def is_final(self) -> bool:
        """Whether the trial is decided and never comes again."""
        return self not in (Verdict.FAULT, Verdict.INTERRUPTED)


def verdict_of(text: str) -> Verdict:
    """The verdict that a person typed. Raises TrialError for none and for anything else: there is no default."""
    known = [verdict.value for verdict in Verdict if verdict is not Verdict.INTERRUPTED]
    if text.strip().lower() not in known:
        raise TrialError(f"a trial needs a verdict: {', '.join(known)}; got {text.strip() or 'nothing'}")
    return Verdict(text.strip().lower())


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
class Measured:
    """What was measured during an attempt."""

    duration_s: float = 0.0
    success_s: float | None = None
    """Time until success; None without."""
    interventions: int = 0
    """Times that a person took over."""
    intervention_s: float = 0.0
    classifier: float | None = None
    """Highest success probability that the classifier gave a frame."""
    classifier_success: bool | None = None
    """What the classifier's decision said of the attempt; None where none was asked."""


@dataclass(frozen=True)
class TrialResult:
    """One attempt at one trial."""

    number: int
    attempt: int
    sheet: str
    """Hash of the sheet it belongs to."""
    verdict: str
    judged_by: str
    """operator or predicate; empty where nobody judged (fault, interrupted)."""
    started: str
    finished: str
    measured: Measured = Measured()
    fault: str = ""
    """robot or sensor, for the verdict fault."""
    reason: str = ""
    note: str = ""
    film: str = ""
    """Path below the session's folder."""

    @property
    def outcome(self) -> Verdict:
        return Verdict(self.verdict)


@dataclass(frozen=True)
class Running:
    """An attempt that is not on disk as a result yet."""

    number: int
    attempt: int
    started: str
    decided: TrialResult | None = None
    """The verdict, once it is given; film and opinion may be missing."""
    proposed: TrialResult | None = None
    """What clock and predicate say while the operator is asked."""


@dataclass(frozen=True)
class Recorded:
    """A session as it lies on disk."""

    folder: Path
    sheet: Sheet
    results: tuple[TrialResult, ...]
    """All attempts, by trial and attempt."""
    stopped: str
    """Why the session ended early; empty when it did not."""

    @property
    def judged(self) -> dict[int, TrialResult]:
        """The final result of each decided trial, by number."""
        return {result.number: result for result in self.results if result.outcome.is_final}

    @property
    def upcoming(self) -> PlannedTrial | None:
        """The trial that comes next, None when the session is over."""
        judged = self.judged
        if self.stopped:
            return None
        return next((trial for trial in self.sheet.order if trial.number not in judged), None)

    def attempts(self, number: int) -> int:
        return sum(result.number == number for result in self.results)


def read_session(folder: Path) -> Recorded:
    """Everything on disk, changing nothing. Raises TrialError naming the file that is damaged or does not belong."""
    sheet = read_sheet(folder / SHEET)
    results = [_read_result(path, sheet) for path in sorted((folder / TRIALS).glob("*.json"))]
    results.sort(key=lambda result: (result.number, result.attempt))
    for number in {result.number for result in results}:
        attempts = [result for result in results if result.number == number]
        whole = [result.attempt for result in attempts] == list(range(1, len(attempts) + 1))
        if not whole or any(result.outcome.is_final for result in attempts[:-1]):
            raise TrialError(
                f"{folder / TRIALS}: the attempts at trial {number} are incomplete or it was repeated after a verdict; "
                "restore the folder"
            )
    judged = {result.number for result in results if result.outcome.is_final}
    if judged != set(range(1, len(judged) + 1)):
        raise TrialError(f"{folder / TRIALS}: trials are missing between the judged ones; restore the folder")
    return Recorded(folder, sheet, tuple(results), stopped=_read_stop(folder / STOPPED))


def read_running(path: Path, recorded: Recorded) -> Running | None:
    """The attempt that a killed session left; None without. Raises TrialError for one that cannot be."""
    if not path.is_file():
        return None
    again = "remove it: the trial that was running comes again"
    try:
        running = from_json(Running, read_object(path), where=str(path))
    except (CheckpointError, TrialError) as error:
        raise TrialError(f"{path}: damaged ({error}); {again}") from error
    attempts = recorded.attempts(running.number)
    is_planned = 1 <= running.number <= len(recorded.sheet.order) and running.attempt in (attempts, attempts + 1)
    told = [result for result in (running.decided, running.proposed) if result is not None]
    if not is_planned or running.attempt < 1 or any(_is_foreign(result, running, recorded.sheet) for result in told):
        raise TrialError(f"{path}: belongs to another session or trial; {again}")
    return running


def _is_foreign(result: TrialResult, running: Running, sheet: Sheet) -> bool:
    is_same = (result.number, result.attempt, result.sheet) == (running.number, running.attempt, sheet.hash)
    return not is_same or result.verdict not in [verdict.value for verdict in Verdict]


def _read_result(path: Path, sheet: Sheet) -> TrialResult:
    try:
        result = from_json(TrialResult, read_object(path), where=str(path))
        Verdict(result.verdict)
        is_named = path.name == f"{result.number:04d}-{result.attempt}.json"
    except (ValueError, TypeError, CheckpointError) as error:
        raise TrialError(f"{path}: damaged ({error}); restore it: a verdict is never made up") from error
    if result.sheet != sheet.hash or not is_named or not 1 <= result.number <= len(sheet.order):
        raise TrialError(f"{path}: belongs to another session or trial; remove it from this folder")
    return result


def read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TrialError(f"{path}: damaged ({error}); restore it") from error
    if not isinstance(content, dict):
        raise TrialError(f"{path}: damaged (not an object); restore it")
    return content


def _read_stop(path: Path) -> str:
    return str(read_object(path).get("reason", "")) if path.is_file() else ""
