"""The core's ArmControl around a driver, without ROS: reads, decides and commands in one thread, answers others.

A lost connection is made anew, and nothing moves by itself after it.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from world4rl_core.errors import RobotError
from world4rl_core.rig import Rig
from world4rl_core.robot.interface import Arm, ArmError, ArmState, GripperState
from world4rl_core.runtime.command_filter import Command
from world4rl_core.runtime.control import ArmControl, Decision
from world4rl_core.runtime.reconnect import Backoff

HOME_SPEED = 0.2


class ArmLoop:
    """`read` and `step` belong to the control thread; everything else may be called from another one."""

    def __init__(
        self, rig: Rig, connect: Callable[[], Arm], *, clock_s: Callable[[], float], needs_human: bool = True
    ) -> None:
        """`clock_s` is the ROS clock, which stamps commands. Raises RobotError when the arm does not answer."""
        self._rig = rig
        self._connect = connect
        self._clock_s = clock_s
        self._arm: Arm | None = connect()
        self._control = ArmControl(rig, needs_human=needs_human)
        self._lock = threading.RLock()
        self._backoff = Backoff()
        self._state: ArmState | None = None
        self._is_open = True
        self.last_connect_error = ""

    def receive(self, command: Command) -> None:
        with self._lock:
            self._control.receive(command, self._clock_s())

    def receive_gripper(self, state: float, source: str) -> None:
        with self._lock:
            self._control.receive_gripper(state, source, self._clock_s())

    def note_publishers(self, *, human: int, policy: int) -> None:
        with self._lock:
            self._control.note_publishers(human=human, policy=policy)

    def read(self) -> ArmState | None:
        """The newest state; None where there is none, and no connection then."""
        if self._arm is None and not self._reconnect():
            return None
        arm = self._arm
        assert arm is not None
        try:
            self._state = arm.state()
        except ArmError as error:
            with self._lock:
                self._control.arm_error(error)
            return None
        return self._state

    def step(self) -> Decision:
        """One control period, with the state of the last `read`. The lock is held until the arm has its command."""
        with self._lock:
            decision = self._control.step(self._state, self._clock_s(), wall_s=time.monotonic())
            arm = self._arm
            if arm is None:
                return decision
            if decision.must_recreate:
                self._arm = None
                arm.close()
            elif decision.must_stop:
                arm.stop()
            elif decision.may_stream:
                try:
                    arm.command_twist(decision.twist, self._rig.limits.hold_s)
                except ArmError as error:
                    self._control.arm_error(error)
            return decision

    def enable(self, gripper: GripperState | None) -> None:
        """Raises RobotError naming all that stands in the way."""
        with self._lock:
            self._control.enable(gripper)

    def disable(self) -> None:
        with self._lock:
            self._control.disable()

    def e_stop(self) -> None:
        """Latches, and ends any motion before it returns."""
        with self._lock:
            self._control.e_stop(self._clock_s())
            if self._arm is not None:
                self._arm.stop()

    def reset_latch(self) -> None:
        """From latched to disarmed. Raises RobotError while the cause is there."""
        with self._lock:
            self._control.reset_latch()

    def recover(self) -> None:
        """The robot's own error recovery: moves nothing, and leaves the latch. Raises RobotError."""
        arm = self._connected()
        try:
            arm.recover()
        except ArmError as error:
            raise RobotError(f"the robot refuses to recover: {error}") from error
        with self._lock:
            self._control.recovered(self._clock_s())

    def home(self) -> None:
        """Moves to the rig's start pose; blocks. An armed arm then waits for neutral input. Raises RobotError."""
        arm = self._connected()
        with self._lock:
            self._control.begin_home()
        try:
            arm.move_to_joints(np.array(self._rig.robot.home_q), speed=HOME_SPEED)
        except ArmError as error:
            with self._lock:
                self._control.arm_error(error)
            raise RobotError(f"the motion home ended early: {error}") from error
        finally:
            with self._lock:
                self._control.end_home(self._clock_s())

    def close(self) -> None:
        """Stops the arm and lets it go; safe to call twice."""
        self._is_open = False
        with self._lock:
            if self._arm is not None:
                self._arm.close()
            self._arm = None

    def status(self) -> dict[str, Any]:
        """What `franka/status` says of arm and latch."""
        with self._lock:
            return self._control.status() | {"connected": self._arm is not None}

    def _connected(self) -> Arm:
        if self._arm is None:
            raise RobotError(f"no connection to the arm; it is being looked for ({self.last_connect_error})")
        return self._arm

    def _reconnect(self) -> bool:
        if not self._is_open or not self._backoff.is_due(time.monotonic()):
            return False
        try:
            arm = self._connect()
        except RobotError as error:
            self.last_connect_error = str(error)
            self._backoff.failed(time.monotonic())
            return False
        with self._lock:
            self._arm, self._state = arm, None
            self._backoff.reset()
            self._control.reconnected()
        return True
