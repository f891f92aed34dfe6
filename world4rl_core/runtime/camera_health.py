"""Is a camera delivering new frames in time, and if not, what to try next: restart, hardware reset, reconnect."""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from world4rl_core.robot.interface import CameraFrame

STALLS_BEFORE_RESTART = 3
RESET_AT_MOST_EVERY_S = 60.0
RESET_TAKES_AT_MOST_S = 15.0
RECONNECT_EVERY_S = 1.0
GAP_PERIODS = 1.95
GAP_WINDOW_S = 10.0
GAP_WARN_SHARE = 0.01
CLOCK_JUMP_S = 0.1
REPEATS_TOO_LONG_S = 0.5


class CameraState(Enum):
    STARTING = "starting"
    OK = "ok"
    STALLED = "stalled"
    RESETTING = "resetting"
    LOST = "lost"


class Remedy(Enum):
    """What the camera node does now."""

    NOTHING = "nothing"
    RESTART = "restart"
    """Stop and start the stream."""
    HARDWARE_RESET = "hardware_reset"
    RECONNECT = "reconnect"
    """Look for the serial number again and open it."""


@dataclass(frozen=True)
class Verdict:
    """What one frame is."""

    is_new: bool
    """False for a frame that was delivered before: never publish it."""
    frames_missing: int = 0
    is_clock_jump: bool = False
    """The camera's clock moved against ours: stamps are taken from arrival until it has settled."""


class CameraHealth:
    """One camera. Feed it every frame, every time-out and every error; it answers with what to do."""

    def __init__(self, *, fps: float) -> None:
        self._period_s = 1 / fps
        self.state = CameraState.STARTING
        self.frames = self.duplicates = self.missing = self.clock_jumps = self.restarts = self.resets = 0
        self._last: CameraFrame | None = None
        self._offset_s: float | None = None
        self._stalls = 0
        self._new_s = 0.0
        self._is_restarted = False
        self._reset_s: float | None = None
        self._tried_s: float | None = None
        self._recent: deque[tuple[float, int]] = deque()

    def on_frame(self, frame: CameraFrame, now_s: float) -> Verdict:
        """A frame arrived; its verdict. It also means that the camera is well."""
        last, self._last = self._last, frame
        if last is not None and frame.frame_number == last.frame_number:
            self.duplicates += 1
            if self.state is CameraState.OK and now_s - self._new_s > REPEATS_TOO_LONG_S:
                self.state = CameraState.STALLED  # it answers, but with the same picture
            return Verdict(is_new=False)
        self.state, self._stalls, self._is_restarted = CameraState.OK, 0, False
        self.frames += 1
        self._new_s = now_s
        missing = 0 if last is None else self._missing(last, frame)
        self.missing += missing
        self._recent.append((now_s, missing))
        is_jump = self._clock_jumped(frame)
        self.clock_jumps += is_jump
        return Verdict(True, missing, is_jump)

    def _missing(self, last: CameraFrame, frame: CameraFrame) -> int:
        """Frames between the two, by number and by time; a smaller number means that the camera restarted."""
        by_number = frame.frame_number - last.frame_number - 1
        elapsed_s = frame.device_time_s - last.device_time_s
        by_time = round(elapsed_s / self._period_s) - 1 if elapsed_s > GAP_PERIODS * self._period_s else 0
        return max(by_number, by_time, 0) if frame.frame_number > last.frame_number else 0

    def _clock_jumped(self, frame: CameraFrame) -> bool:
        offset_s = frame.receive_time_s - frame.device_time_s
        before_s, self._offset_s = self._offset_s, offset_s
        return before_s is not None and abs(offset_s - before_s) > CLOCK_JUMP_S

    def on_timeout(self, now_s: float) -> Remedy:
        """No frame arrived in time: three times restart the stream, three more reset the camera, then it is lost."""
        if self.state is CameraState.RESETTING:
            return self._during_reset(now_s)
        if self.state is CameraState.LOST:
            return self.on_lost(now_s)
        self.state = CameraState.STALLED
        self._stalls += 1
        if self._stalls < STALLS_BEFORE_RESTART:
            return Remedy.NOTHING
        self._stalls = 0
        if not self._is_restarted:
            self._is_restarted = True
            self.restarts += 1
            return Remedy.RESTART
        return self._reset_or_lose(now_s)

    def _reset_or_lose(self, now_s: float) -> Remedy:
        if self._reset_s is not None and now_s - self._reset_s < RESET_AT_MOST_EVERY_S:
            return self.on_lost(now_s)
        self.state, self._reset_s, self._tried_s = CameraState.RESETTING, now_s, now_s
        self.resets += 1
        return Remedy.HARDWARE_RESET

    def _during_reset(self, now_s: float) -> Remedy:
        if self._reset_s is None or now_s - self._reset_s > RESET_TAKES_AT_MOST_S:
            return self.on_lost(now_s)
        return self._retry(now_s)

    def on_lost(self, now_s: float) -> Remedy:
        """The camera raised or is gone: look for it once a second, for as long as it takes."""
        if self.state is not CameraState.RESETTING or self._is_reset_over(now_s):
            self.state = CameraState.LOST
        self._last, self._offset_s, self._stalls = None, None, 0
        return self._retry(now_s)

    def _is_reset_over(self, now_s: float) -> bool:
        return self._reset_s is None or now_s - self._reset_s > RESET_TAKES_AT_MOST_S

    def _retry(self, now_s: float) -> Remedy:
        if self._tried_s is not None and 0 <= now_s - self._tried_s < RECONNECT_EVERY_S:
            return Remedy.NOTHING
        self._tried_s = now_s
        return Remedy.RECONNECT

    def reconnected(self) -> None:
        """The camera is open again; frames decide whether it is well."""
        self.state, self._last, self._offset_s = CameraState.STARTING, None, None

    @property
    def is_delivering(self) -> bool:
        """An episode may be recorded with this camera."""
        return self.state is CameraState.OK

    def missing_share(self, now_s: float) -> float:
        """Share of the frames of the last GAP_WINDOW_S that never arrived."""
        while self._recent and now_s - self._recent[0][0] > GAP_WINDOW_S:
            self._recent.popleft()
        missing = sum(count for _, count in self._recent)
        return missing / max(1, missing + len(self._recent))

    def warnings(self, now_s: float) -> list[str]:
        """For `/diagnostics`; empty when all is well."""
        found = []
        if self.state not in (CameraState.OK, CameraState.STARTING):
            found.append(f"{self.state.value}; check cable and power")
        if (share := self.missing_share(now_s)) > GAP_WARN_SHARE:
            found.append(f"{share:.1%} of the frames missing; check USB 3, light and load")
        return found
