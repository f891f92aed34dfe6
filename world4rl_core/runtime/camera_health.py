"""What a camera's silence, gaps, repeats and clock mean: when to restart it, what to mark, which stamp to trust."""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from world4rl_core.robot.interface import CameraFrame

SILENCES = 3
"""Reads in vain before each next remedy."""
RESET_EVERY_S = 60.0
LATE_PERIODS = 1.95
WINDOW_S = 10.0
MAX_GAP_SHARE = 0.01
CLOCK_JUMP_S = 0.1
CLOCK_DRIFT = 1e-3
"""The smallest offset seen may grow by this share of the time: two clocks run apart."""


class Remedy(Enum):
    """What to do about a camera that sent nothing."""

    WAIT = "wait"
    RESTART = "restarting its stream"
    RESET = "resetting it"
    LOST = "it is lost"


@dataclass(frozen=True)
class FrameCheck:
    """What is to be known of one frame."""

    time_s: float
    """When the picture was taken, on the clock of the receive times."""
    is_duplicate: bool = False
    """The camera handed out the same frame again: it must not be used as a new one."""
    missed: int = 0
    """Frames that were lost right before this one."""
    has_clock_jumped: bool = False

    def marks(self) -> dict[str, float]:
        """For the frame's metadata."""
        return {"missed": float(self.missed), "has_clock_jumped": float(self.has_clock_jumped)}


class CameraHealth:
    """Follows one camera. Frames go through `check`; a read in vain asks `silent` for the remedy."""

    def __init__(self, fps: float) -> None:
        self._period_s = 1.0 / fps
        self._silences = 0
        self._remedies = [Remedy.RESTART, Remedy.RESET]
        self._last_reset_s = float("-inf")
        self._last: CameraFrame | None = None
        self._offset_s: float | None = None
        self._recent: deque[tuple[float, int]] = deque()
        self.frames = self.missed = self.duplicates = self.clock_jumps = self.restarts = self.resets = 0

    def silent(self, now_s: float) -> Remedy:
        """Three reads in vain restart the stream, three more reset the camera (once a minute), three more lose it."""
        self._silences += 1
        if self._silences < SILENCES:
            return Remedy.WAIT
        self._silences = 0
        remedy = self._remedies.pop(0) if self._remedies else Remedy.LOST
        if remedy is Remedy.RESET and now_s - self._last_reset_s < RESET_EVERY_S:
            remedy = Remedy.LOST
        if remedy is Remedy.RESET:
            self._last_reset_s = now_s
        if remedy is Remedy.LOST:
            self._remedies = [Remedy.RESET]
        self.restarts += remedy is Remedy.RESTART
        self.resets += remedy is Remedy.RESET
        return remedy

    def check(self, frame: CameraFrame) -> FrameCheck:
        """Counts the frame and says what is odd about it."""
        self._silences = 0
        self._remedies = [Remedy.RESTART, Remedy.RESET]
        last, self._last = self._last, frame
        if last is not None and frame.frame_number == last.frame_number:
            self.duplicates += 1
            return FrameCheck(self._stamp(frame), is_duplicate=True)
        has_jumped = self._follow_clock(frame, 0.0 if last is None else frame.receive_time_s - last.receive_time_s)
        missed = 0 if last is None or has_jumped else self._missed_between(last, frame)
        self.frames += 1
        self.missed += missed
        self.clock_jumps += has_jumped
        self._recent.append((frame.receive_time_s, missed))
        while self._recent[0][0] < frame.receive_time_s - WINDOW_S:
            self._recent.popleft()
        return FrameCheck(self._stamp(frame), missed=missed, has_clock_jumped=has_jumped)

    def counts(self) -> dict[str, int]:
        """Since the start, for /diagnostics."""
        names = ("frames", "missed", "duplicates", "clock_jumps", "restarts", "resets")
        return {name: getattr(self, name) for name in names}

    def warnings(self, now_s: float) -> tuple[str, ...]:
        """What deserves a WARN: more than 1 % of the frames of the last 10 s are missing."""
        recent = [missed for time_s, missed in self._recent if time_s >= now_s - WINDOW_S]
        missed = sum(recent)
        if not recent or missed <= MAX_GAP_SHARE * (missed + len(recent)):
            return ()
        return (f"{missed} of {missed + len(recent)} frames missing in {WINDOW_S:g} s; check USB cable, port and load",)

    def _missed_between(self, last: CameraFrame, frame: CameraFrame) -> int:
        """By the counter; where it has started anew, by the time between the two."""
        step = frame.frame_number - last.frame_number
        if step > 0:
            return step - 1
        gap_s = frame.device_time_s - last.device_time_s
        return max(0, round(gap_s / self._period_s) - 1) if gap_s > LATE_PERIODS * self._period_s else 0

    def _follow_clock(self, frame: CameraFrame, passed_s: float) -> bool:
        """Learns receive time minus device time, the smallest seen; True when the device's clock has jumped."""
        offset_s = frame.receive_time_s - frame.device_time_s
        known_s = self._offset_s
        has_jumped = known_s is not None and abs(offset_s - known_s) > CLOCK_JUMP_S
        is_new = known_s is None or has_jumped
        self._offset_s = offset_s if is_new else min(known_s + CLOCK_DRIFT * max(passed_s, 0.0), offset_s)
        return has_jumped

    def _stamp(self, frame: CameraFrame) -> float:
        """The device's stamp where it is of the host's clock, else moved there; never later than the reception."""
        is_host_time = bool(frame.metadata.get("is_host_time", 0.0))
        if is_host_time and abs(frame.receive_time_s - frame.device_time_s) <= CLOCK_JUMP_S:
            return min(frame.device_time_s, frame.receive_time_s)
        assert self._offset_s is not None
        return min(frame.device_time_s + self._offset_s, frame.receive_time_s)
