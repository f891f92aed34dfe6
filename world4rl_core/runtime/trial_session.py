"""A trial session on disk: the sheet, then one file an attempt, each whole or absent; a kill loses no verdict.

sheet.json            what was decided before the first trial (trial.py); never rewritten
trials/0007-1.json    attempt 1 of trial 7
running.json          there while a trial runs, with its verdict as soon as there is one: a kill is known and told
stopped.json          there when the sequential test ended the session early
films/0007-1.mp4      what the camera saw, written by whoever ran the trial

Contract for the trial node: `TrialSession.create` (or `open`, which continues), then until `upcoming` is None: show
`announce`, reset the scene to `upcoming.start` (simulator: `upcoming.seed`), hold arm, cameras and `start_problem`
against their limits, `begin`, run the bundle `bundle_of(upcoming)` with a `TrialRun` beside its PolicyLoop, `propose`
what the clock says while a person is asked, `decide`, write the film to `film_path`, `finish`. A robot or sensor fault
on the way is `Verdict.FAULT` with its kind and reason, and the trial comes again; what the policy did wrong (also NaN
or a missed deadline) is a failure. A session that was killed while a person was asked has that as its `open_question`.
"""

import fcntl
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from world4rl_core.config_json import to_json
from world4rl_core.errors import TrialError
from world4rl_core.files import replace_file, sync_folder
from world4rl_core.runtime.trial import PlannedTrial, Sheet, SheetBundle, read_sheet, sheet_bytes
from world4rl_core.runtime.trial_record import (
    FILMS,
    RUNNING,
    SHEET,
    STOPPED,
    TRIALS,
    Judged,
    Measured,
    Recorded,
    Running,
    TrialResult,
    Verdict,
    read_running,
    read_session,
)

FAULT_KINDS = ("robot", "sensor")
JUDGES = ("operator", "predicate")


class TrialSession:
    """The one process that may add to a session; `close` it, or use it as a context manager."""

    def __init__(self, recorded: Recorded, held: int) -> None:
        self.recorded, self._held = recorded, held
        self._running: Running | None = None

    @classmethod
    def create(cls, folder: Path, sheet: Sheet) -> "TrialSession":
        """Fixes the sheet, or continues the session that was begun with the same one.

        Raises TrialError when the folder holds a session with another sheet, or the disk is full.
        """
        if (folder / SHEET).is_file():
            found = read_sheet(folder / SHEET)
            if found != sheet:
                differing = [key for key, value in to_json(sheet).items() if to_json(found).get(key) != value]
                raise TrialError(
                    f"{folder}: holds a session with another sheet ({', '.join(differing)}); the sheet is fixed before "
                    "the first trial: choose another folder"
                )
        else:
            replace_file(folder / SHEET, sheet_bytes(sheet), error=TrialError, kept="no session was begun")
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> "TrialSession":
        """Continues a session. A trial that was running when its process ended is kept as interrupted."""
        read_sheet(folder / SHEET)
        held = _lock(folder)
        try:
            session = cls(read_session(folder), held)
            session._keep_interrupted()
        except BaseException:
            os.close(held)
            raise
        return session

    @property
    def folder(self) -> Path:
        return self.recorded.folder

    @property
    def sheet(self) -> Sheet:
        return self.recorded.sheet

    @property
    def upcoming(self) -> PlannedTrial | None:
        """The trial that comes next, None when the session is over."""
        return self.recorded.upcoming

    def announce(self) -> str:
        """What the operator is told about the next trial."""
        trial = self.upcoming
        if trial is None:
            return self.recorded.stopped or f"all {len(self.sheet.order)} trials are judged"
        attempt = self.recorded.attempts(trial.number) + 1
        return self.sheet.announce(trial) + (f", attempt {attempt}" if attempt > 1 else "")

    def bundle_of(self, trial: PlannedTrial) -> SheetBundle:
        return self.sheet.bundle(trial.label)

    def film_path(self, trial: PlannedTrial) -> Path:
        """Where the film of the attempt that is running belongs."""
        attempt = self._running.attempt if self._running else self.recorded.attempts(trial.number) + 1
        return self.folder / FILMS / f"{trial.number:04d}-{attempt}.mp4"

    def begin(self, *, now: str) -> PlannedTrial:
        """Starts the next trial at the wall time `now`. Raises TrialError when one runs or none is left."""
        trial = self.upcoming
        if self._running is not None:
            raise TrialError(f"trial {self._running.number} is still running; give its verdict first")
        if trial is None:
            raise TrialError(f"{self.folder}: the session is over; `world4rl report {self.folder}` shows it")
        self._note(Running(trial.number, self.recorded.attempts(trial.number) + 1, now))
        return trial

    @property
    def open_question(self) -> tuple[Judged, Measured] | None:
        """What was proposed and measured in the attempt whose verdict a person still owes; None where nobody does."""
        asked = self._running.proposed if self._running else None
        if asked is None:
            return None
        return Judged(asked.outcome, asked.judged_by, asked.fault, asked.reason, asked.note), asked.measured

    def propose(self, judged: Judged, *, now: str, measured: Measured) -> None:
        """Keeps what clock and predicate say while a person is asked: a kill repeats the question, not the trial."""
        running, result = self._judged(judged, now=now, measured=measured)
        self._note(replace(running, proposed=result))

    def decide(self, judged: Judged, *, now: str, measured: Measured) -> None:
        """Keeps the verdict before its film is written; no kill can lose it from here on, and `finish` completes it.

        Raises what `finish` does.
        """
        running, result = self._judged(judged, now=now, measured=measured)
        _refuse_unfounded(judged.verdict, judged.judged_by, judged.fault, judged.reason)
        self._note(replace(running, decided=result))

    def finish(
        self, verdict: Verdict, *, now: str, judged_by: str = "", measured: Measured | None = None, fault: str = "",
        reason: str = "", note: str = "",
    ) -> TrialResult:  # fmt: skip
        """Keeps the verdict on the running trial; when this returns, no kill can lose it.

        Raises TrialError for a verdict that nobody gave, or for a fault without its kind (robot or sensor) and reason.
        When the disk is full the trial keeps running and `finish` may be called again.
        """
        judged = Judged(verdict, judged_by, fault, reason, note)
        _refuse_unfounded(verdict, judged_by, fault, reason)
        _, result = self._judged(judged, now=now, measured=measured or Measured())
        self._keep(result)
        return result

    def stop_early(self, reason: str) -> None:
        """Ends the session before its last trial. Raises TrialError unless the sheet allows it and no trial runs."""
        if self.sheet.sequential_alpha is None or self._running is not None or not reason.strip():
            raise TrialError(
                "a session ends early only between trials, with a reason, and when its sheet names a sequential_alpha: "
                "looking at the results and stopping would invalidate the other intervals"
            )
        self._write(STOPPED, {"reason": reason})
        self.recorded = read_session(self.folder)

    def close(self) -> None:
        """Lets another process continue the session; may be called twice."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def __enter__(self) -> "TrialSession":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _judged(self, judged: Judged, *, now: str, measured: Measured) -> tuple[Running, TrialResult]:
        """The running attempt and what its result would be."""
        if self._running is None:
            raise TrialError("no trial is running; begin one before judging it")
        running = self._running
        film = self.film_path(self.sheet.planned(running.number))
        return running, TrialResult(
            number=running.number,
            attempt=running.attempt,
            sheet=self.sheet.hash,
            verdict=judged.verdict.value,
            judged_by=judged.judged_by,
            started=running.started,
            finished=now,
            measured=measured,
            fault=judged.fault,
            reason=judged.reason,
            note=judged.note,
            film=str(film.relative_to(self.folder)) if film.is_file() else "",
        )

    def _keep_interrupted(self) -> None:
        running = read_running(self.folder / RUNNING, self.recorded)
        if running is None:
            return
        done = {(result.number, result.attempt) for result in self.recorded.results}
        if (running.number, running.attempt) in done:  # killed between the verdict and the removal
            (self.folder / RUNNING).unlink()
            return
        self._running = running
        if running.decided is not None:
            self._keep(running.decided)
        elif running.proposed is None:
            lost = Judged(Verdict.INTERRUPTED, "", reason="the session's process ended while the trial ran")
            self._keep(self._judged(lost, now="", measured=Measured())[1])

    def _keep(self, result: TrialResult) -> None:
        self._write(f"{TRIALS}/{result.number:04d}-{result.attempt}.json", to_json(result))
        self.recorded = read_session(self.folder)
        (self.folder / RUNNING).unlink(missing_ok=True)
        sync_folder(self.folder)
        self._running = None

    def _note(self, running: Running) -> None:
        self._write(RUNNING, {key: value for key, value in to_json(running).items() if value is not None})
        self._running = running

    def _write(self, name: str, content: dict[str, Any]) -> None:
        payload = (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()
        kept = f"the {len(self.recorded.judged)} judged trials are safe"
        replace_file(self.folder / name, payload, error=TrialError, kept=kept)


def _refuse_unfounded(verdict: Verdict, judged_by: str, fault: str, reason: str) -> None:
    if verdict is Verdict.FAULT:
        if fault not in FAULT_KINDS or not reason.strip():
            raise TrialError(
                f"a trial is repeated only after a fault of {' or '.join(FAULT_KINDS)} with its reason, got "
                f"{fault or 'no kind'}, {reason.strip() or 'no reason'}; what the policy did wrong is a failure"
            )
        return
    if fault:
        raise TrialError(f"verdict {verdict.value} with a {fault} fault; give the verdict fault, or no fault")
    if verdict is Verdict.INTERRUPTED or judged_by not in JUDGES:
        raise TrialError(f"verdict {verdict.value} needs a judge ({' or '.join(JUDGES)}), got {judged_by or 'nobody'}")


def _lock(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise TrialError(f"{folder}: another process runs this session; stop it first") from error
    except OSError:
        pass  # a file system without locks: run without the protection
    return descriptor
