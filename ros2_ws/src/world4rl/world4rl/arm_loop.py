"""The one place where commands become motion: state, faults, arbiter, latch and filter around an Arm, without ROS.

`tick` runs in the control thread; everything else may be called from another one.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from world4rl_core.errors import RobotError
from world4rl_core.geometry import twist_in_base
from world4rl_core.rig import Rig
from world4rl_core.robot.interface import Arm, ArmError, ArmMode, ArmState
from world4rl_core.runtime.arbiter import Arbiter, Choice, Source
from world4rl_core.runtime.command_filter import Command, CommandFilter, Filtered
from world4rl_core.runtime.faults import StateWatch, trip_of_error
from world4rl_core.runtime.inbox import Inbox
from world4rl_core.runtime.latch import Latch, Level, Reaction, Trip

HOME_SPEED = 0.2
BACKOFF_S = (1.0, 2.0, 4.0, 8.0)
ZERO = np.zeros(6)


@dataclass(frozen=True, eq=False)
class Tick:
    """What one control period did."""

    now_s: float
    state: ArmState | None
    source: Source
    is_intervention: bool
    requested: np.ndarray  # (6,) in base; zero where nobody asked
    applied: np.ndarray  # (6,) in base; what the arm was told
    reasons: tuple[str, ...]
    """Why applied is not requested."""


class ArmLoop:
    """Arms, moves, holds and latches one arm; makes a lost connection anew, but never moves by itself after it."""

    def __init__(self, rig: Rig, connect: Callable[[], Arm], *, needs_human: bool = True) -> None:
        """Raises RobotError when the arm does not answer."""
        self._rig = rig
        self._connect = connect
        self._arm: Arm | None = connect()
        self._lock = threading.RLock()
        self._filter = CommandFilter(rig.limits, model=rig.robot.model)
        self._arbiter = Arbiter(neutral_s=rig.teleop.neutral_s, needs_human=needs_human)
        self._needs_human = needs_human
        self._watch = StateWatch()
        self._state: ArmState | None = None
        self._was_moving = False
        self._tries, self._next_try_s = 0, 0.0
        self.latch = Latch(neutral_s=rig.teleop.neutral_s)
        self.inboxes = {name: Inbox(name, rig.limits) for name in ("human", "policy")}
        self.publishers = (1, 1)
        """How many nodes publish human and policy commands; whoever runs the loop keeps it up to date."""
        self.is_homing = False

    def accept(self, command: Command, now_s: float) -> None:
        """A command arrives; it replaces the one before."""
        with self._lock:
            for trip in self.inboxes[command.source].accept(command, now_s):
                self._trip(trip, now_s)

    def read(self, now_s: float, *, wall_s: float) -> ArmState | None:
        """The newest state; None while there is no connection, which is then looked for again."""
        if self._arm is None and not self._reconnect(now_s, wall_s):
            return None
        assert self._arm is not None
        try:
            self._state = self._arm.state()
        except ArmError as error:
            with self._lock:
                self._trip(trip_of_error(error), now_s)
            return None
        return self._state

    def tick(self, now_s: float, *, wall_s: float) -> Tick:
        """One control period: decides with the state that `read` got, and commands the arm."""
        with self._lock:
            for trip in self._watch.step(self._state, now_s):
                self._trip(trip, now_s)
            boxes = self.inboxes["human"], self.inboxes["policy"]
            for box in boxes:
                box.step(now_s, wall_s=wall_s)
            if not self.latch.is_armed or self.is_homing:
                self._arbiter.release()
            choice = self._arbiter.step(*boxes, now_s, wall_s=wall_s, publishers=self.publishers)
            for trip in choice.trips if not self.is_homing else ():
                self._trip(trip, now_s)
            self.latch.step(now_s, neutral_for_s=self._neutral_for_s(now_s))
            filtered = self._move(choice, now_s, wall_s)
            is_live = self.latch.is_armed
            source = choice.source if is_live else Source.NONE
            requested = self._requested(choice)
            intervenes = is_live and choice.is_intervention
            return Tick(now_s, self._state, source, intervenes, requested, filtered.twist, filtered.reasons)

    def arm(self, now_s: float) -> None:
        """Raises RobotError naming all that stands in the way."""
        with self._lock:
            self.latch.arm(self._obstacles(now_s))
            self._filter.reset()

    def disarm(self) -> None:
        with self._lock:
            self.latch.disarm()
            self._end_motion()

    def e_stop(self, now_s: float, reason: str = "e_stop: somebody called it") -> None:
        """Latches and ends any motion before it returns."""
        with self._lock:
            self._trip(Trip(Reaction.LATCH, reason), now_s)
        self._end_motion()

    def reset(self) -> None:
        """From latched to disarmed. Raises RobotError when the cause is still there."""
        with self._lock:
            mode = None if self._state is None else self._state.mode
            is_reflex = mode in (ArmMode.REFLEX, ArmMode.USER_STOPPED) or bool(self._state and self._state.errors)
            self.latch.reset((f"the robot is in {mode.value}; call recover first",) if mode and is_reflex else ())

    def recover(self) -> None:
        """The robot's own error recovery; moves nothing, and leaves the latch. Raises RobotError."""
        if self._arm is None:
            raise RobotError("no connection to the arm; it is being looked for")
        try:
            self._arm.recover()
        except ArmError as error:
            raise RobotError(f"the robot refuses to recover: {error}") from error
        with self._lock:
            self.latch.cleared(Level.OPERATOR)

    def home(self, clock_s: Callable[[], float]) -> None:
        """Moves to the rig's start pose; blocks. Afterwards an armed arm waits for neutral input. Raises RobotError."""
        with self._lock:
            if self.latch.is_latched:
                raise RobotError(f"cannot move home: latched by {self.latch.reason}; call reset_latch first")
            if self._arm is None or self.is_homing:
                raise RobotError("cannot move home: " + ("already on the way" if self.is_homing else "no connection"))
            self.is_homing = True
            self._end_motion()
            arm = self._arm
        try:
            arm.move_to_joints(np.array(self._rig.robot.home_q), speed=HOME_SPEED)
        except ArmError as error:
            with self._lock:
                self._trip(trip_of_error(error), clock_s())
            raise RobotError(f"the motion home ended early: {error}") from error
        finally:
            with self._lock:
                self.is_homing = False
                self.latch.trip(Reaction.HOLD, "homed: waiting for neutral input", clock_s())

    def close(self) -> None:
        """Stops the arm and lets it go; safe to call twice."""
        with self._lock:
            if self._arm is not None:
                self._arm.close()
            self._arm = None
            self._next_try_s = np.inf

    def report(self, now_s: float) -> dict[str, Any]:
        """What `franka/status` says of arm and latch."""
        with self._lock:
            state = self._state
            found: dict[str, Any] = {
                "level": self.latch.level.value,
                "armed": self.latch.is_armed,
                "latch_reason": self.latch.reason,
                "connected": self._arm is not None,
                "homing": self.is_homing,
                "refused": {name: dict(box.counts) for name, box in self.inboxes.items()},
                "neutral_for_s": self._neutral_for_s(now_s),
                "mode": "none" if state is None else state.mode.value,
            }
            if state is not None:
                found |= {"errors": state.errors, "success_rate": state.success_rate}
                found |= {"robot_time_s": state.robot_time_s, "warnings": self._watch.warnings(state, now_s)}
            return found

    def _move(self, choice: Choice, now_s: float, wall_s: float) -> Filtered:
        """Sends what the filter lets through, or ends what still moves."""
        if not self.latch.is_armed or self.is_homing or self._state is None or self._arm is None:
            self._filter.reset()
            if self._was_moving and not self.is_homing:
                self._send(ZERO, now_s)  # a latched arm is stopped already, a held one slows down
            return Filtered(ZERO, (self.latch.level.value,), is_stopped=True)
        filtered = self._filter.step(choice.command, self._state, now_s, wall_s=wall_s)
        is_sent = self._send(filtered.twist, now_s)
        return filtered if is_sent else Filtered(ZERO, ("fault",), is_stopped=True)

    def _send(self, twist: np.ndarray, now_s: float) -> bool:
        """False when the arm refused, which is then the fault of this or an earlier motion."""
        if self._arm is None:
            return False
        self._was_moving = bool(twist.any())
        try:
            self._arm.command_twist(twist, self._rig.limits.hold_s)
        except ArmError as error:
            self._trip(trip_of_error(error), now_s)
            return False
        return True

    def _trip(self, trip: Trip, now_s: float) -> None:
        if not self.latch.trip(trip.reaction, trip.reason, now_s):
            return
        if trip.reaction >= Reaction.LATCH:
            self._end_motion()
        if trip.reaction is Reaction.RECREATE and self._arm is not None:
            self._arm.close()
            self._arm = None

    def _end_motion(self) -> None:
        self._was_moving = False
        if self._arm is not None:
            self._arm.stop()

    def _reconnect(self, now_s: float, wall_s: float) -> bool:
        """Tries again when it is time, 1, 2, 4, 8 s after the last failure. Success lifts RECREATE to latched."""
        if wall_s < self._next_try_s:
            return False
        try:
            arm = self._connect()
        except RobotError as error:
            self._next_try_s = wall_s + BACKOFF_S[min(self._tries, len(BACKOFF_S) - 1)]
            self._tries += 1
            self.latch.trip(Reaction.RECREATE, f"no connection: {error}", now_s)
            return False
        with self._lock:
            self._arm, self._tries, self._watch = arm, 0, StateWatch()
            self.latch.cleared(Level.RECREATE)
        return True

    def _obstacles(self, now_s: float) -> tuple[str, ...]:
        """What speaks against arming."""
        state, limits = self._state, self._rig.limits
        found = [trip.reason for trip in self._watch.step(state, now_s)]
        if state is not None and not limits.contains(state.position_m):
            where = ", ".join(f"{value:.3f}" for value in state.position_m)
            found.append(f"the hand is outside the box at ({where}) m; call home, or guide it inside")
        if max(self.publishers) > 1:
            found.append("more than one node publishes commands")
        neutral_s = self._rig.teleop.neutral_s
        if self._needs_human and self._neutral_for_s(now_s) < neutral_s:
            found.append(f"the operator's input has not been neutral for {neutral_s:g} s; let go of the SpaceMouse")
        if self.is_homing:
            found.append("the arm is on its way home")
        return tuple(found)

    def _neutral_for_s(self, now_s: float) -> float:
        """Of the operator's input; without an operator device nobody is waited for."""
        human = self.inboxes["human"]
        return human.neutral_for_s(now_s) if self._needs_human or human.newest is not None else np.inf

    def _requested(self, choice: Choice) -> np.ndarray:
        if choice.command is None:
            return ZERO
        if choice.command.frame == "ee" and self._state is not None:
            return twist_in_base(choice.command.twist, self._state.quat_xyzw)
        return choice.command.twist
