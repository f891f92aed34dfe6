"""The Franka arm and hand over franky, behind the core's Arm and Gripper. Nothing else may command the arm.

franky's `CartesianVelocityMotion` carries its own end: after `hold_s` the real-time thread commands zero by itself,
whatever has become of this process. A fault of a motion is raised by the next call, so every call is translated.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import franky
import numpy as np

from world4rl.drivers.franka_faults import REFUSALS, arm_error, explain
from world4rl.drivers.franka_limits import set_limits
from world4rl.robot_link import libfranka_version, server_of
from world4rl_core.errors import RobotError
from world4rl_core.rig import GripperRig, Rig
from world4rl_core.robot.interface import ArmError, ArmFault, ArmMode, ArmState, GripperState

logger = logging.getLogger(__name__)

MODES = {
    franky.RobotMode.Idle: ArmMode.IDLE,
    franky.RobotMode.Move: ArmMode.MOVE,
    franky.RobotMode.Guiding: ArmMode.GUIDING,
    franky.RobotMode.Reflex: ArmMode.REFLEX,
    franky.RobotMode.UserStopped: ArmMode.USER_STOPPED,
    franky.RobotMode.AutomaticErrorRecovery: ArmMode.RECOVERY,
}
# By name: builds for older robots have fewer flags, and an index would mean another one there.
ERROR_FLAGS = tuple(
    name for name in dir(franky.Errors) if not name.startswith("_") and not callable(getattr(franky.Errors, name))
)
JOIN_S = 0.05
STOP_JOIN_S = 1.0
GRASPED_M = 0.004
"""Fingers closed to less than this hold nothing."""


class FrankaArm:
    """One connection to the arm. After CONNECTION_LOST it is of no more use: close it and `connect_arm` again."""

    def __init__(self, robot: franky.Robot, clock_s: Callable[[], float]) -> None:
        self._robot = robot
        self._clock_s = clock_s
        self._lock = threading.RLock()  # franky is not documented as safe to call from several threads
        self._is_still = True

    def state(self) -> ArmState:
        """The newest reading; takes about 1 ms when no motion runs. Raises ArmError."""
        with self._lock, _translated():
            state = self._robot.state
        pose = state.O_T_EE
        moving = getattr(state, "O_dP_EE_est", None) or state.O_dP_EE_c
        return ArmState(
            time_s=self._clock_s(),
            robot_time_s=state.time.to_msec() / 1000.0,
            q=np.asarray(state.q, np.float64),
            dq=np.asarray(state.dq, np.float64),
            position_m=np.asarray(pose.translation, np.float64).ravel(),
            quat_xyzw=np.asarray(pose.quaternion, np.float64).ravel(),
            twist=np.concatenate([np.ravel(moving.linear), np.ravel(moving.angular)]).astype(np.float64),
            wrench=np.asarray(state.O_F_ext_hat_K, np.float64).ravel(),
            mode=MODES.get(state.robot_mode, ArmMode.OTHER),
            errors=_flags(state.current_errors),
            success_rate=float(state.control_command_success_rate),
        )

    def command_twist(self, twist: np.ndarray, hold_s: float) -> None:
        """Streams one velocity; a zero after a zero is not sent, so that the motion ends. Raises ArmError."""
        is_zero = not np.any(twist)
        if is_zero and self._is_still:
            return
        motion = franky.CartesianVelocityMotion(
            franky.Twist(twist[:3], twist[3:]), duration=franky.Duration(int(round(hold_s * 1000)))
        )
        with self._lock, _translated():
            self._robot.move(motion, asynchronous=True)
            self._is_still = is_zero

    def stop(self) -> None:
        """Ends any motion at the robot's own deceleration; also clears the report of a motion that has failed."""
        with self._lock:
            self._is_still = True
            with suppress(*REFUSALS):
                self._robot.stop()
            self._join(STOP_JOIN_S)

    def move_to_joints(self, q: np.ndarray, *, speed: float) -> None:
        """Moves to joint positions (7,) in rad at a share of the limits; blocks. `stop` ends it. Raises ArmError."""
        motion = franky.JointMotion(list(map(float, q)), relative_dynamics_factor=speed)
        with self._lock, _translated():
            self._join(STOP_JOIN_S)
            self._robot.move(motion, asynchronous=True)
        is_done = False
        while not is_done:
            with self._lock, _translated():
                is_done = self._robot.join_motion(JOIN_S / 10)
            time.sleep(JOIN_S)  # the state is read meanwhile
        reached = float(np.abs(self.state().q - q).max())
        if reached > 0.05:
            raise ArmError(ArmFault.OTHER, f"the motion to the start pose ended {reached:.2f} rad away from it")

    def recover(self) -> None:
        """The robot's automatic error recovery; moves nothing. Raises ArmError when a person must act first."""
        with self._lock, _translated():
            self._join(STOP_JOIN_S)
            self._robot.recover_from_errors()

    def close(self) -> None:
        """Stops and lets go of the connection; safe to call twice."""
        with self._lock:
            if getattr(self, "_robot", None) is not None:
                self.stop()
                del self._robot

    def _join(self, timeout_s: float) -> None:
        """Waits for the running motion and takes, unread, the report of its failure."""
        with suppress(*REFUSALS):
            self._robot.join_motion(timeout_s)


class FrankaGripper:
    """The hand, on a connection of its own. `home`, `open` and `grasp` block; `stop` may come from another thread."""

    def __init__(self, gripper: franky.Gripper, rig: GripperRig, clock_s: Callable[[], float]) -> None:
        self._gripper = gripper
        self._rig = rig
        self._clock_s = clock_s

    def state(self) -> GripperState:
        with _translated():
            state = self._gripper.state
        is_holding = bool(state.is_grasped) and state.width > GRASPED_M
        return GripperState(self._clock_s(), float(state.width), float(state.max_width), is_holding)

    def home(self) -> bool:
        with _translated():
            return bool(self._gripper.homing())

    def open(self) -> bool:
        with _translated():
            return bool(self._gripper.move(self._rig.max_width_m, self._rig.speed_mps))

    def grasp(self) -> bool:
        """Closes on whatever is there; False when there was nothing."""
        widest_m = self._rig.max_width_m
        with _translated():
            self._gripper.grasp(0.0, self._rig.speed_mps, self._rig.force_n, widest_m, widest_m)
        return self.state().width_m > GRASPED_M

    def stop(self) -> None:
        with suppress(*REFUSALS):
            self._gripper.stop()

    def close(self) -> None:
        """Lets go of the connection; safe to call twice."""
        if getattr(self, "_gripper", None) is not None:
            del self._gripper


def connect_arm(rig: Rig, clock_s: Callable[[], float]) -> FrankaArm:
    """Connects and sets every limit. Raises RobotError with the next step: another version, no real time, FCI off."""
    realtime = franky.RealtimeConfig.Enforce if rig.robot.realtime else franky.RealtimeConfig.Ignore
    try:
        robot = franky.Robot(
            rig.robot.host,
            default_torque_threshold=rig.robot.torque_threshold_nm,
            default_force_threshold=rig.robot.force_threshold_n,
            realtime_config=realtime,
        )
    except REFUSALS as error:
        raise RobotError(explain(error, rig.robot)) from error
    try:
        set_limits(robot, rig.limits)
    except REFUSALS as error:
        raise RobotError(f"the arm at {rig.robot.host} refused its limits: {error}") from error
    version = libfranka_version()
    name = ".".join(map(str, version)) if version else "of unknown version"
    server = server_of(version) if version else None
    logger.info("%s at %s with libfranka %s, server %s", rig.robot.model, rig.robot.host, name, server)
    if not rig.robot.realtime:
        logger.warning("no real-time priority is asked for: right in simulation, wrong on an arm")
    return FrankaArm(robot, clock_s)


def connect_gripper(rig: Rig, clock_s: Callable[[], float]) -> FrankaGripper:
    """Raises RobotError when no hand answers."""
    try:
        return FrankaGripper(franky.Gripper(rig.robot.host), rig.gripper, clock_s)
    except REFUSALS as error:
        raise RobotError(f"no hand answers at {rig.robot.host} ({error}); is the end effector set in Desk?") from error


@contextmanager
def _translated() -> Iterator[None]:
    """What franky raises, as ArmError."""
    try:
        yield
    except REFUSALS as error:
        raise arm_error(error) from error


def _flags(errors: Any) -> tuple[str, ...]:
    return tuple(name for name in ERROR_FLAGS if getattr(errors, name))
