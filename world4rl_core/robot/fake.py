"""Deterministic stand-ins for arm, gripper, camera and operator device on a clock that the caller steps.

Each is another class behind the Protocol; faults are set as attributes or queued, and happen on the next call.
"""

from collections import deque
from dataclasses import replace

import numpy as np

from world4rl_core.geometry import quat_of_matrix
from world4rl_core.robot.interface import (
    ArmError,
    ArmFault,
    ArmMode,
    ArmState,
    CameraFrame,
    CameraLost,
    GripperState,
    TeleopReading,
)
from world4rl_core.robot.kinematics import HOME_Q, forward, joint_speeds

INTEGRATION_S = 0.005
EARLIEST_S = 100.0


class FakeClock:
    """Seconds that pass only when told to."""

    def __init__(self, start_s: float = EARLIEST_S) -> None:
        self.now_s = start_s

    def step(self, seconds: float) -> float:
        """Advances and returns the new time."""
        self.now_s += seconds
        return self.now_s


class FakeArm:
    """Follows the last twist exactly until its hold ends; joint positions by the real arm's Jacobian."""

    def __init__(self, clock: FakeClock, *, home_q: tuple[float, ...] = HOME_Q) -> None:
        self.q = np.array(home_q)
        self.mode = ArmMode.IDLE
        self.errors: tuple[str, ...] = ()
        self.wrench = np.zeros(6)
        self.success_rate = 1.0
        self.is_connected = True
        self.is_frozen = False
        """The connection stalls: the state repeats, its robot time stands still."""
        self.faults: deque[ArmError] = deque()
        """Raised by the next commands, as a driver does that learns late of a fault."""
        self.commands: list[tuple[float, np.ndarray]] = []
        self._clock = clock
        self._time_s = clock.now_s
        self._twist = np.zeros(6)
        self._until_s = clock.now_s
        self._last: ArmState | None = None

    @property
    def true_twist(self) -> np.ndarray:
        """How the arm moves now, whatever its stalled connection still reports."""
        return self._twist.copy() if self._is_moving else np.zeros(6)

    @property
    def _is_moving(self) -> bool:
        return self._clock.now_s < self._until_s

    def state(self) -> ArmState:
        self._require_connection()
        if self.is_frozen and self._last is not None:
            return replace(self._last, time_s=self._clock.now_s)
        self._integrate()
        T = forward(self.q)
        twist = self.true_twist
        self._last = ArmState(
            time_s=self._clock.now_s,
            robot_time_s=self._clock.now_s - EARLIEST_S + 1,
            q=self.q.copy(),
            dq=joint_speeds(self.q, twist),
            position_m=T[:3, 3].copy(),
            quat_xyzw=quat_of_matrix(T[:3, :3]),
            twist=twist,
            wrench=self.wrench.copy(),
            mode=ArmMode.MOVE if self._is_moving and self.mode is ArmMode.IDLE else self.mode,
            errors=self.errors,
            success_rate=self.success_rate,
        )
        return self._last

    def command_twist(self, twist: np.ndarray, hold_s: float) -> None:
        self._require_connection()
        self._integrate()
        if self.faults:
            self.stop()
            raise self.faults.popleft()
        self._twist = np.array(twist, dtype=float)
        self._until_s = self._clock.now_s + hold_s
        self.commands.append((self._clock.now_s, self._twist.copy()))

    def stop(self) -> None:
        self._integrate()
        self._twist = np.zeros(6)
        self._until_s = self._clock.now_s

    def move_to_joints(self, q: np.ndarray, *, speed: float) -> None:
        self._require_connection()
        self.stop()
        if self.faults:
            raise self.faults.popleft()
        self.q = np.array(q, dtype=float)

    def recover(self) -> None:
        self._require_connection()
        if self.mode is ArmMode.USER_STOPPED:
            raise ArmError(ArmFault.USER_STOP, "the user stop is pressed; release it, then recover again")
        self.errors = ()
        self.mode = ArmMode.IDLE

    def close(self) -> None:
        self.is_connected = False

    def _require_connection(self) -> None:
        if not self.is_connected:
            raise ArmError(ArmFault.CONNECTION_LOST, "the connection to the arm is lost; connect again")

    def _integrate(self) -> None:
        """Moves up to now, in steps short enough for the Jacobian to stay true."""
        end_s = self._clock.now_s
        while self._time_s < end_s - 1e-12:
            step_s = min(INTEGRATION_S, end_s - self._time_s)
            if self._time_s < self._until_s - 1e-12:
                step_s = min(step_s, self._until_s - self._time_s)
                self.q = self.q + joint_speeds(self.q, self._twist) * step_s
            self._time_s += step_s


class FakeGripper:
    """Opens and closes at once; `object_width_m` is what lies between the fingers, None for nothing."""

    def __init__(self, clock: FakeClock, *, max_width_m: float = 0.08) -> None:
        self.object_width_m: float | None = None
        self.max_width_m = max_width_m
        self.width_m = max_width_m
        self.is_grasped = False
        self.faults: deque[ArmError] = deque()
        self.calls: list[str] = []
        self._clock = clock

    def state(self) -> GripperState:
        return GripperState(self._clock.now_s, self.width_m, self.max_width_m, self.is_grasped)

    def home(self) -> bool:
        self._call("home")
        self.max_width_m = self.width_m = 0.08
        return True

    def open(self) -> bool:
        self._call("open")
        self.width_m, self.is_grasped = self.max_width_m, False
        return True

    def grasp(self) -> bool:
        self._call("grasp")
        self.is_grasped = self.object_width_m is not None
        self.width_m = self.object_width_m or 0.0
        return self.is_grasped

    def lose_object(self) -> None:
        """The object slips out while the gripper is closed."""
        self.object_width_m, self.width_m, self.is_grasped = None, 0.0, False

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.faults:
            raise self.faults.popleft()


class FakeCamera:
    """One frame a period, a shade that counts up with the frame number; reading waits by stepping the clock."""

    def __init__(self, clock: FakeClock, *, fps: float = 30.0, size: int = 16) -> None:
        self.fps = fps
        self.is_plugged = True
        self.is_stalled = False
        self._clock = clock
        self._size = size
        self._start_s = clock.now_s
        self._last_number = -1

    def read(self, timeout_s: float) -> CameraFrame | None:
        if not self.is_plugged:
            raise CameraLost("the camera is unplugged; plug it in again")
        number = int((self._clock.now_s - self._start_s) * self.fps + 1e-9)
        if number == self._last_number:
            number += 1
        due_s = self._start_s + number / self.fps
        if self.is_stalled or due_s - self._clock.now_s > timeout_s:
            self._clock.step(timeout_s)
            return None
        self._clock.step(max(0.0, due_s - self._clock.now_s))
        self._last_number = number
        return self.frame(number)

    def frame(self, number: int) -> CameraFrame:
        """The frame of that number, whether or not it is due."""
        image = np.full((self._size, self._size, 3), number % 256, dtype=np.uint8)
        taken_s = self._start_s + number / self.fps
        return CameraFrame(image, number, taken_s - EARLIEST_S, taken_s + 0.005, {"exposure_us": 8000.0})

    def close(self) -> None:
        self.is_plugged = False


class FakeTeleop:
    """An operator's hand: set `axes` and `buttons`."""

    def __init__(self, clock: FakeClock) -> None:
        self.axes = np.zeros(6)
        self.buttons = (False, False)
        self.is_plugged = True
        self._clock = clock

    def read(self) -> TeleopReading:
        axes = self.axes.copy() if self.is_plugged else np.zeros(6)
        buttons = self.buttons if self.is_plugged else (False, False)
        return TeleopReading(self._clock.now_s, axes, buttons, self.is_plugged)

    def close(self) -> None:
        self.is_plugged = False
