"""Protocols of arm, gripper, camera and teleoperation device. Every reading carries the time it was taken.

Times are seconds of one monotonic clock that the caller passes in or the driver names; vectors are float64 in base
coordinates unless the name says otherwise. Drivers over vendor libraries live in the ROS package, fakes in `fake.py`.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np

NEUTRAL = np.zeros(6)


class ArmMode(Enum):
    """What the robot itself says it is doing, in libfranka's words."""

    IDLE = "idle"
    MOVE = "move"
    GUIDING = "guiding"
    REFLEX = "reflex"
    USER_STOPPED = "user_stopped"
    RECOVERY = "automatic_error_recovery"
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class ArmState:
    """One reading of the arm."""

    time_s: float
    """When our process took the reading."""
    robot_time_s: float
    """The robot's own clock; a value that does not advance means a stalled connection."""
    q: np.ndarray  # (7,) rad
    dq: np.ndarray  # (7,) rad/s
    position_m: np.ndarray  # (3,) end effector in base
    quat_xyzw: np.ndarray  # (4,) unit quaternion of the end effector in base
    twist: np.ndarray  # (6,) m/s and rad/s of the end effector in base
    wrench: np.ndarray  # (6,) N and N m, estimated external, in base
    mode: ArmMode
    errors: tuple[str, ...] = ()
    """Names of the active error flags."""
    success_rate: float = 1.0
    """Share of command packets that arrived in time."""


@dataclass(frozen=True)
class GripperState:
    """One reading of the gripper."""

    time_s: float
    width_m: float
    max_width_m: float
    is_grasped: bool


class ArmFault(Enum):
    """How a driver classifies what the robot refused or aborted; the reaction classes of the fault list follow it."""

    REFLEX = "reflex"
    USER_STOP = "user_stop"
    COMMUNICATION = "communication"
    CONNECTION_LOST = "connection_lost"
    LIMIT = "limit"
    MANUAL_RECOVERY = "manual_recovery"
    WRONG_VERSION = "wrong_version"
    NO_REALTIME = "no_realtime"
    FCI_OFF = "fci_off"
    OTHER = "other"


class ArmError(Exception):
    """The arm refused or aborted a motion."""

    def __init__(self, fault: ArmFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


@runtime_checkable
class Arm(Protocol):
    """A velocity-controlled arm that stops by itself `hold_s` after the last command."""

    def state(self) -> ArmState:
        """The newest reading. Raises ArmError when the connection is lost."""
        ...

    def command_twist(self, twist: np.ndarray, hold_s: float) -> None:
        """Starts moving at `twist` (6,) in base; zero after `hold_s` without another command. Never blocks.

        Raises ArmError, also for the fault of an earlier motion that only shows now; this motion has then not started.
        """
        ...

    def stop(self) -> None:
        """Ends any motion; safe to call at any time, also twice."""
        ...

    def move_to_joints(self, q: np.ndarray, *, speed: float) -> None:
        """Moves to the joint positions (7,) in rad at a share `speed` of the arm's own dynamics; blocks until there.

        Call it from a worker thread; `stop` ends it. Raises ArmError.
        """
        ...

    def recover(self) -> None:
        """Clears errors, moves nothing. Raises ArmError when a person must act first."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Gripper(Protocol):
    """A parallel gripper. `home`, `open` and `grasp` block; call them from a worker thread. All raise ArmError."""

    def state(self) -> GripperState: ...
    def home(self) -> bool:
        """Finds the end stops; the state's `max_width_m` is 0 before."""
        ...

    def open(self) -> bool: ...
    def grasp(self) -> bool:
        """True when something was grasped."""
        ...

    def stop(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """One image and when it was taken."""

    image: np.ndarray  # uint8 RGB (h, w, 3)
    frame_number: int
    device_time_s: float
    """The camera's own stamp, in its own time domain."""
    receive_time_s: float
    """When our process received it."""
    metadata: dict[str, float] = field(default_factory=dict)


class CameraLost(Exception):
    """The camera is gone or stopped delivering."""


@runtime_checkable
class Camera(Protocol):
    def read(self, timeout_s: float) -> CameraFrame | None:
        """The next frame, or None when none arrived in time. Raises CameraLost."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, eq=False)
class TeleopReading:
    """What the operator's hand does: axes in [-1, 1], ROS convention (x away from the operator, y left, z up)."""

    time_s: float
    axes: np.ndarray  # (6,) translation x y z, rotation about x y z
    buttons: tuple[bool, ...]
    is_connected: bool


@runtime_checkable
class TeleopDevice(Protocol):
    def read(self) -> TeleopReading:
        """Everything the device has sent so far, drained to the newest. Zero axes when it is not connected."""
        ...

    def close(self) -> None: ...
