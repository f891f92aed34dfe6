"""Recorded steps as named columns, and what an audit of these columns says about the recording."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from world4rl_core.robot.step import SOURCE_CODES, STATE_SKEW_S, CameraSample, Step

CAMERA_PREFIX = "camera."
MOST_UNSYNCED_SHARE = 0.01
CAMERA_SLACK_S = 0.005
"""A camera is in step with a row when its frame was taken within half its own period + this."""
CAMERA_COLUMNS = {
    "stamp_s": "stamp_s",
    "device_time_s": "device_time_s",
    "receive_time_s": "receive_time_s",
    "frame_number": "frame_number",
    "frames_missing": "frames_missing",
    "is_duplicate": "is_duplicate",
    "is_synced": "is_synced",
}
ROW_COLUMNS = (
    "time.ros_s",
    "time.monotonic_s",
    "time.lateness_s",
    "robot.stamp_s",
    "robot.time_s",
    "robot.success_rate",
    "command.requested_time_s",
    "command.applied_time_s",
    "source",
    "is_intervention",
    "is_clipped",
    "is_synced",
)
"""Columns of every recorded row, beside those of each camera: `camera.<name>.<what>`."""


def columns_of(steps: Sequence[Step]) -> dict[str, np.ndarray]:
    """Columns of the rows: float64, int64 or bool, (rows,) each."""
    floats = {
        "time.ros_s": [step.time_s for step in steps],
        "time.monotonic_s": [step.monotonic_s for step in steps],
        "time.lateness_s": [step.lateness_s for step in steps],
        "robot.stamp_s": [step.state.time_s for step in steps],
        "robot.time_s": [step.state.robot_time_s for step in steps],
        "robot.success_rate": [step.state.success_rate for step in steps],
        "command.requested_time_s": [step.requested_time_s for step in steps],
        "command.applied_time_s": [step.applied_time_s for step in steps],
    }
    columns: dict[str, np.ndarray] = {key: np.array(values, dtype=np.float64) for key, values in floats.items()}
    columns["source"] = np.array([SOURCE_CODES[step.source] for step in steps], dtype=np.int64)
    for key in ("is_intervention", "is_clipped", "is_synced"):
        columns[key] = np.array([getattr(step, key) for step in steps], dtype=bool)
    for camera in sorted(steps[0].cameras):
        columns |= _camera_columns(camera, [step.cameras[camera] for step in steps])
    return columns


def _camera_columns(camera: str, samples: Sequence[CameraSample]) -> dict[str, np.ndarray]:
    columns = {}
    for name, attribute in CAMERA_COLUMNS.items():
        values = [getattr(sample, attribute) for sample in samples]
        kind = bool if name.startswith("is_") else np.int64 if name.startswith("frame") else np.float64
        columns[f"{CAMERA_PREFIX}{camera}.{name}"] = np.array(values, dtype=kind)
    return columns


def cameras_of(columns: dict[str, np.ndarray]) -> list[str]:
    """Names of the cameras that have columns."""
    names = [key.removeprefix(CAMERA_PREFIX).rsplit(".", 1)[0] for key in columns if key.startswith(CAMERA_PREFIX)]
    return list(dict.fromkeys(names))


@dataclass(frozen=True)
class CameraAudit:
    """How one camera fits the rows of an episode."""

    skew_p99_ms: float
    duplicates: int
    missing: int


@dataclass(frozen=True)
class Audit:
    """What is to be known about an episode's timing. `problems` is empty when the recorder's guarantees hold."""

    rows: int
    duration_s: float
    jitter_p99_ms: float
    """99th percentile of how far the interval between two cuts is from the period."""
    state_skew_p99_ms: float
    unsynced: int
    cameras: dict[str, CameraAudit]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        """One line for logs and notes."""
        parts = [f"{self.rows} rows in {self.duration_s:.1f} s", f"jitter p99 {self.jitter_p99_ms:.1f} ms"]
        for name, camera in self.cameras.items():
            counts = f"{camera.duplicates} duplicates, {camera.missing} missing"
            parts.append(f"{name} skew p99 {camera.skew_p99_ms:.0f} ms, {counts}")
        return "; ".join([*parts, f"{self.unsynced} out of step"])


def audit(columns: dict[str, np.ndarray], *, fps: float) -> Audit:
    """The audit of the columns of one episode, as recorded or as read back: (rows,) or (rows, 1) each."""
    flat = {key: np.ravel(values) for key, values in columns.items()}
    time_s = flat["time.ros_s"]
    cameras = {name: _audit_camera(flat, name, time_s) for name in cameras_of(flat)}
    jitter_s = np.abs(np.diff(flat["time.lateness_s"]))
    return Audit(
        rows=len(time_s),
        duration_s=float(time_s[-1] - time_s[0]),
        jitter_p99_ms=_p99_ms(jitter_s),
        state_skew_p99_ms=_p99_ms(np.abs(flat["robot.stamp_s"] - time_s)),
        unsynced=int((flat["is_synced"] == 0).sum()),
        cameras=cameras,
        problems=tuple(_problems(flat, time_s, fps)),
    )


def _p99_ms(values_s: np.ndarray) -> float:
    return float(1e3 * np.quantile(values_s, 0.99)) if len(values_s) else 0.0


def _audit_camera(flat: dict[str, np.ndarray], camera: str, time_s: np.ndarray) -> CameraAudit:
    column = {name: flat[f"{CAMERA_PREFIX}{camera}.{name}"] for name in CAMERA_COLUMNS}
    skew_p99_ms = _p99_ms(np.abs(column["stamp_s"] - time_s))
    return CameraAudit(skew_p99_ms, int(column["is_duplicate"].sum()), int(column["frames_missing"].sum()))


def _problems(flat: dict[str, np.ndarray], time_s: np.ndarray, fps: float) -> list[str]:
    found = []
    steps_s = np.diff(time_s)
    if (np.abs(steps_s - 1 / fps) > 1e-3).any():
        row = int((np.abs(steps_s - 1 / fps) > 1e-3).argmax())
        found.append(f"time.ros_s advances by {steps_s[row]:.3f} s after row {row}, wanted {1 / fps:.3f}")
    for key in ("time.monotonic_s", "robot.time_s"):
        if (np.diff(flat[key]) < 0).any():
            found.append(f"{key} goes back after row {int((np.diff(flat[key]) < 0).argmax())}")
    far = (np.abs(flat["robot.stamp_s"] - time_s) > STATE_SKEW_S) & (flat["is_synced"] != 0)
    if far.any():
        found.append(f"robot.stamp_s is far from row {int(far.argmax())}, which is not flagged")
    for camera in cameras_of(flat):
        found += _camera_problems(flat, camera)
    unsynced = float((flat["is_synced"] == 0).mean())
    if unsynced > MOST_UNSYNCED_SHARE:
        found.append(f"{unsynced:.1%} of the rows are out of step, at most {MOST_UNSYNCED_SHARE:.0%} may be")
    return found


def _camera_problems(flat: dict[str, np.ndarray], camera: str) -> list[str]:
    """A frame used twice must be flagged, and a row whose camera is out of step too."""
    prefix = f"{CAMERA_PREFIX}{camera}."
    number, stamp_s = flat[prefix + "frame_number"], flat[prefix + "stamp_s"]
    is_same = (np.diff(number) == 0) & (np.diff(stamp_s) == 0)
    found = []
    hidden = is_same & (flat[prefix + "is_duplicate"][1:] == 0)
    if hidden.any():
        found.append(f"camera {camera}: row {int(hidden.argmax()) + 1} repeats a frame and is not flagged")
    if (np.diff(stamp_s) < 0).any():
        found.append(f"camera {camera}: stamps go back after row {int((np.diff(stamp_s) < 0).argmax())}")
    loose = (flat[prefix + "is_synced"] == 0) & (flat["is_synced"] != 0)
    if loose.any():
        found.append(f"camera {camera}: row {int(loose.argmax())} is out of step and the row is not flagged")
    return found
