"""When a picture was taken, on the host's clock: from the camera's own stamp, which jitters less than the reception."""

from world4rl_core.robot.interface import CameraFrame

TRUSTED_S = 0.1
"""A stamp of the host's clock is believed this near to the reception; a larger step is another clock."""
DRIFT = 1e-3
"""The smallest offset seen may grow by this share of the time: two clocks run apart."""


class CameraClock:
    """Follows one camera's clock. The smallest delay seen so far is the offset between the two."""

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._last_s = 0.0

    def time_s(self, frame: CameraFrame) -> float:
        """The stamp of the frame; call it once for each, in order. Never later than the reception."""
        if frame.metadata.get("is_host_time") and abs(frame.receive_time_s - frame.device_time_s) <= TRUSTED_S:
            return min(frame.device_time_s, frame.receive_time_s)
        offset_s = frame.receive_time_s - frame.device_time_s
        passed_s, self._last_s = max(frame.receive_time_s - self._last_s, 0.0), frame.receive_time_s
        known_s = offset_s if self._offset_s is None else self._offset_s
        is_new = abs(offset_s - known_s) > TRUSTED_S
        self._offset_s = offset_s if is_new else min(known_s + DRIFT * passed_s, offset_s)
        return min(frame.device_time_s + self._offset_s, frame.receive_time_s)
