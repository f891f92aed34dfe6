"""The recorder's decisions: when an episode starts, when it ends and as what, and what is wrong with it."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from world4rl_core.errors import RobotError
from world4rl_core.robot.step import Step
from world4rl_core.robot.step_columns import Audit, audit, columns_of

LABELS = ("success", "failure", "timeout")
PNG_SHARE = 0.6
"""Bytes on disk per byte of picture, at most."""


@dataclass(frozen=True)
class RecorderConfig:
    """Limits of a recording."""

    rate_hz: int = 10
    longest_s: float = 120.0
    """An episode that reaches it ends as `timeout`."""
    fewest_rows: int = 5
    """Shorter episodes are a slip of the button: not kept."""
    waiting_most: int = 2
    """Finished episodes that may wait for the writer; a new one is refused beyond."""
    min_free_bytes: float = 5e9
    min_free_s: float = 120.0
    """At least this much recording must fit on the disk."""


class RecorderState(Enum):
    IDLE = "idle"
    RECORDING = "recording"
    PAUSED = "paused"
    """No more rows; the episode waits for its label."""
    CLOSING = "closing"
    """Finished episodes wait for the writer; a new one may start beside."""


@dataclass(frozen=True, eq=False)
class Finished:
    """An episode for the writer."""

    steps: list[Step]
    task: str
    source: str
    outcome: str
    """success | failure | timeout | aborted:<why>"""
    audit: Audit

    @property
    def note(self) -> str:
        return str(self.audit)


@dataclass
class Recorder:
    """One episode at a time; failures and aborted episodes are kept with their reason, discarded ones are not.

    Not thread-safe: call it under one lock. Writing happens elsewhere: `take` a finished episode, then `written`.
    """

    config: RecorderConfig = field(default_factory=RecorderConfig)
    counts: dict[str, int] = field(default_factory=dict)
    """Episodes by outcome, `discarded` and `too_short` among them."""
    last: str = ""
    """What became of the last episode, in one line."""
    _steps: list[Step] | None = None
    _is_paused: bool = False
    _task: str = ""
    _source: str = ""
    _waiting: deque[Finished] = field(default_factory=deque)
    _writing: int = 0

    @property
    def state(self) -> RecorderState:
        if self._steps is not None:
            return RecorderState.PAUSED if self._is_paused else RecorderState.RECORDING
        return RecorderState.CLOSING if self._waiting or self._writing else RecorderState.IDLE

    @property
    def rows(self) -> int:
        """Rows of the running episode."""
        return len(self._steps or ())

    def start(
        self, task: str, source: str, *, free_bytes: float, bytes_per_row: float, obstacles: tuple[str, ...] = ()
    ) -> None:
        """Begins an episode. Raises RobotError with everything that stands in the way.

        `bytes_per_row`: picture bytes of one row. `obstacles`: silent cameras, a latched arm, a poor network, ...
        """
        found = list(obstacles)
        if self._steps is not None:
            found.append("an episode is being recorded; stop or discard it first")
        if len(self._waiting) + self._writing >= self.config.waiting_most:
            found.append("the episodes before are still being written; wait for them")
        needed = max(self.config.min_free_bytes, self._bytes_per_s(bytes_per_row) * self.config.min_free_s)
        if free_bytes < needed:
            found.append(f"{free_bytes / 1e9:.1f} GB free on the disk, wanted {needed / 1e9:.1f}; make room")
        if found:
            raise RobotError(f"cannot start an episode: {'; '.join(found)}")
        self._steps, self._task, self._source = [], task, source

    def _bytes_per_s(self, bytes_per_row: float) -> float:
        return bytes_per_row * PNG_SHARE * self.config.rate_hz

    def add(self, step: Step) -> None:
        """A row of the running episode; the one that fills it ends it as `timeout`. Ignored when none is running."""
        if self._steps is None or self._is_paused:
            return
        self._steps.append(step)
        if len(self._steps) >= self.config.longest_s * self.config.rate_hz:
            self.stop("timeout")

    def check_disk(self, free_bytes: float) -> None:
        """During an episode, now and then: ends it while there is still room to write it."""
        held = sum(sample.image.nbytes for step in (self._steps or ())[-1:] for sample in step.cameras.values())
        if self._steps is not None and free_bytes < 0.1 * self.config.min_free_bytes + held * self.rows:
            self.abort("disk_full")

    def pause(self) -> None:
        """No more rows, for good; the label follows. Raises RobotError when nothing is being recorded."""
        if self._steps is None:
            raise RobotError("no episode is being recorded; start one first")
        self._is_paused = True

    def stop(self, outcome: str) -> Finished | None:
        """Ends the episode as success, failure or timeout. None when it was too short to keep.

        Raises RobotError when nothing is being recorded or the outcome is no label.
        """
        if outcome not in LABELS:
            raise RobotError(f"unknown outcome {outcome!r}; known: {', '.join(LABELS)}")
        if self._steps is None:
            raise RobotError("no episode is being recorded; start one first")
        return self._finish(outcome)

    def abort(self, reason: str) -> Finished | None:
        """Ends the episode because of a fault; it is kept, labelled `aborted:<reason>`, and is never a success."""
        return None if self._steps is None else self._finish(f"aborted:{reason}")

    def discard(self) -> None:
        """Throws the running episode away. Raises RobotError when there is none."""
        if self._steps is None:
            raise RobotError("no episode is being recorded, so none can be discarded")
        self._close("discarded", f"discarded after {self.rows} rows")

    def _finish(self, outcome: str) -> Finished | None:
        steps = self._steps or []
        if len(steps) < self.config.fewest_rows:
            why = f"not kept: {len(steps)} rows, wanted at least {self.config.fewest_rows} ({outcome})"
            self._close("too_short", why)
            return None
        report = audit(columns_of(steps), fps=self.config.rate_hz)
        if report.problems and not outcome.startswith("aborted:"):
            outcome = f"aborted:{report.problems[0]}"
        finished = Finished(steps, self._task, self._source, outcome, report)
        self._waiting.append(finished)
        self._close(outcome.split(":")[0], f"{outcome}: {report}")
        return finished

    def _close(self, kind: str, line: str) -> None:
        self._steps, self._is_paused, self.last = None, False, line
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def take(self) -> Finished | None:
        """The next episode to write; `written` must follow."""
        if not self._waiting:
            return None
        self._writing += 1
        return self._waiting.popleft()

    def written(self, problem: str = "") -> None:
        """The episode that was taken is on disk, or could not be written because of `problem`."""
        self._writing -= 1
        if problem:
            self.last = f"not written: {problem}"
            self.counts["not_written"] = self.counts.get("not_written", 0) + 1

    def status(self) -> dict[str, Any]:
        """What `recorder/status` says, ready for JSON."""
        return {
            "state": self.state.value,
            "rows": self.rows,
            "task": self._task,
            "waiting": len(self._waiting) + self._writing,
            "last": self.last,
            **{"counts": dict(self.counts)},
        }
