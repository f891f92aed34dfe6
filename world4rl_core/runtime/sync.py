"""Cameras, robot state and commands, each at its own rate, cut into rows on one grid of time.

Row k stands for `start + k / rate`. It is cut once the next row's instant has passed, so that the frame nearest to it
and all commands up to the next row are there.
"""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass

import numpy as np

from world4rl_core.rig import Rig
from world4rl_core.robot.interface import ArmState, CameraFrame, GripperState
from world4rl_core.robot.step import CameraSample, Step
from world4rl_core.robot.step_columns import CAMERA_SLACK_S
from world4rl_core.runtime.action import action_of_twist

WAIT_S = 0.1
"""After the next row's instant: how long a frame or message may be under way."""
KEPT_S = 3.0
CLOCK_BACK_S = 1.0  # a stamp further back than this means that the clock was set back
STALLED_S = 1.5
"""A row cut this late would find its readings gone."""


class SyncError(Exception):
    """Readings are missing or were lost: the episode cannot go on. The message is the reason it is aborted for."""


@dataclass(frozen=True, eq=False)
class _Frame:
    time_s: float
    frame: CameraFrame
    missing: int  # frames skipped since the stream began


@dataclass(frozen=True, eq=False)
class _Twist:
    time_s: float
    twist: np.ndarray


@dataclass(frozen=True)
class _Status:
    time_s: float
    source: str
    is_intervention: bool
    is_clipped: bool
    gripper: float | None


class Aligner:
    """Keeps the last seconds of every stream; `start` begins a grid, `rows` cuts what is due."""

    def __init__(self, rig: Rig, *, policy_source: str = "policy") -> None:
        """`policy_source`: what to call a policy's motion: policy | random."""
        self._rig = rig
        self._period_s = 1 / rig.action.rate_hz
        self._policy_source = policy_source
        self._frames: dict[str, deque[_Frame]] = {camera.name: deque() for camera in rig.cameras}
        self._states: deque[ArmState] = deque()
        self._grippers: deque[GripperState] = deque()
        self._requested: deque[_Twist] = deque()
        self._applied: deque[_Twist] = deque()
        self._statuses: deque[_Status] = deque()
        self._start_s: float | None = None
        self._index = 0
        self._before: dict[str, _Frame] = {}

    def add_frame(self, camera: str, frame: CameraFrame, stamp_s: float) -> None:
        """A frame and when it was taken, on the ROS clock; one that was seen before is dropped."""
        frames = self._frames[camera]
        missing = 0
        if frames:
            newest = frames[-1]
            is_late = newest.time_s - CLOCK_BACK_S < stamp_s <= newest.time_s
            if frame.frame_number == newest.frame.frame_number or is_late:
                return
            skipped = frame.frame_number - newest.frame.frame_number - 1
            missing = newest.missing + max(0, skipped)
        _append(frames, _Frame(stamp_s, frame, missing))

    def add_state(self, state: ArmState) -> None:
        _append(self._states, state)

    def add_gripper(self, state: GripperState) -> None:
        _append(self._grippers, state)

    def add_requested(self, twist: np.ndarray, time_s: float) -> None:
        """What the active source asked for, (6,) in base."""
        _append(self._requested, _Twist(time_s, twist))

    def add_applied(self, twist: np.ndarray, time_s: float) -> None:
        """What was sent to the arm, (6,) in base."""
        _append(self._applied, _Twist(time_s, twist))

    def add_status(
        self, source: str, time_s: float, *, is_intervention: bool, gripper: float | None, is_clipped: bool = False
    ) -> None:
        """Who moves the arm from `time_s` on: human | policy | none, and the gripper state that was asked for."""
        _append(self._statuses, _Status(time_s, source, is_intervention, is_clipped, gripper))

    def silent(self, now_s: float, limit_s: float) -> list[str]:
        """Streams without a reading for `limit_s`: cameras by name, `arm`, `gripper`."""
        streams = {f"camera {name}": frames for name, frames in self._frames.items()}
        streams |= {"arm": self._states, "gripper": self._grippers}
        return [name for name, items in streams.items() if not items or now_s - items[-1].time_s > limit_s]

    def start(self, now_s: float) -> None:
        """Row 0 stands for `now_s`."""
        self._start_s, self._index, self._before = now_s, 0, {}

    def stop(self) -> None:
        self._start_s = None

    def rows(self, now_s: float, *, monotonic_s: float) -> list[Step]:
        """The rows that became due. Raises SyncError when they cannot be cut any more."""
        cut: list[Step] = []
        while self._start_s is not None:
            time_s = self._start_s + self._index * self._period_s
            lateness_s = now_s - (time_s + self._period_s + WAIT_S)
            if lateness_s < 0:
                break
            if lateness_s > STALLED_S:
                raise SyncError(f"recorder_stalled: a row is {lateness_s:.1f} s late")
            cut.append(self._row(time_s, monotonic_s, lateness_s))
            self._index += 1
        return cut

    def _row(self, time_s: float, monotonic_s: float, lateness_s: float) -> Step:
        if not self._states or not self._grippers:
            raise SyncError("no_state: neither arm nor gripper may be silent")
        state = _nearest(self._states, time_s)
        requested, requested_s = _mean(self._requested, time_s, time_s + self._period_s)
        applied, applied_s = _mean(self._applied, time_s, time_s + self._period_s)
        statuses = self._during(time_s)
        gripper_state = _nearest(self._grippers, time_s)
        asked = statuses[-1].gripper if statuses else None
        is_open = gripper_state.width_m > self._rig.gripper.max_width_m / 2
        gripper = asked if asked is not None else 1.0 if is_open else -1.0
        return Step(
            index=self._index,
            time_s=time_s,
            monotonic_s=monotonic_s,
            lateness_s=lateness_s,
            cameras={camera.name: self._sample(camera.name, camera.fps, time_s) for camera in self._rig.cameras},
            state=state,
            gripper=gripper_state,
            requested=action_of_twist(requested, gripper, self._rig, quat_xyzw=state.quat_xyzw),
            applied=action_of_twist(applied, gripper, self._rig, quat_xyzw=state.quat_xyzw),
            requested_time_s=requested_s,
            applied_time_s=applied_s,
            source=self._source(statuses),
            is_intervention=any(status.is_intervention for status in statuses),
            is_clipped=any(status.is_clipped for status in statuses),
        )

    def _during(self, time_s: float) -> list[_Status]:
        """The status that held at `time_s`, then those until the next row."""
        until = [status for status in self._statuses if status.time_s < time_s + self._period_s]
        earlier = [status for status in until if status.time_s <= time_s]
        return [*earlier[-1:], *(status for status in until if status.time_s > time_s)]

    def _source(self, statuses: list[_Status]) -> str:
        """A person's touch within the row makes it the person's; else whoever moved last."""
        names = [status.source for status in statuses]
        if any(status.is_intervention for status in statuses):
            return "human"
        moving = [name for name in names if name != "none"]
        name = moving[-1] if moving else "none"
        return self._policy_source if name == "policy" else name

    def _sample(self, camera: str, fps: float, time_s: float) -> CameraSample:
        frames = self._frames[camera]
        if not frames:
            raise SyncError(f"camera_silent: {camera}")
        found = _nearest(frames, time_s)
        before = self._before.get(camera)
        self._before[camera] = found
        return CameraSample(
            image=found.frame.image,
            frame_number=found.frame.frame_number,
            stamp_s=found.time_s,
            device_time_s=found.frame.device_time_s,
            receive_time_s=found.frame.receive_time_s,
            is_duplicate=before is found,
            is_synced=abs(found.time_s - time_s) <= 0.5 / fps + CAMERA_SLACK_S,
            frames_missing=0 if before is None else found.missing - before.missing,
        )


def _append(items: deque, item: object) -> None:
    """Keeps the last KEPT_S in order of time; after the clock was set back only what came since counts."""
    time_s = getattr(item, "time_s")  # noqa: B009 - every stream's readings carry one
    while items and items[-1].time_s > time_s:
        items.pop()
    items.append(item)
    while items[0].time_s < time_s - KEPT_S:
        items.popleft()


def _nearest(items: deque, time_s: float):
    times = [item.time_s for item in items]
    place = bisect_left(times, time_s)
    around = [items[i] for i in (place - 1, place) if 0 <= i < len(items)]
    return min(around, key=lambda item: abs(item.time_s - time_s))


def _mean(items: deque[_Twist], from_s: float, to_s: float) -> tuple[np.ndarray, float]:
    """The mean twist in [from_s, to_s) and the stamp of its newest part; zeros and -1 when there is none."""
    inside = [item for item in items if from_s <= item.time_s < to_s]
    if not inside:
        return np.zeros(6), -1.0
    return np.mean([item.twist for item in inside], axis=0), inside[-1].time_s
