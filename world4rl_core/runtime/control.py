"""The arm node's mind: inboxes, arbiter, filter and latch put together; one `step` a control period.

The node sends `Decision.twist` to the driver, or stops it, and does nothing else to the arm.
"""

from typing import Any

import numpy as np

from world4rl_core.errors import RobotError
from world4rl_core.geometry import twist_in_base
from world4rl_core.rig import Rig
from world4rl_core.robot.interface import ArmError, ArmMode, ArmState, GripperState
from world4rl_core.runtime.arbiter import Arbiter, Choice, GripperArbiter, Source
from world4rl_core.runtime.command_filter import Command, CommandFilter, Filtered
from world4rl_core.runtime.decision import Decision
from world4rl_core.runtime.faults import GapWatch, StateWatch, trip_of_error
from world4rl_core.runtime.inbox import Inbox, is_neutral
from world4rl_core.runtime.latch import Latch, Level, Reaction, Trip
from world4rl_core.runtime.start_pose import pose_obstacles

REFUSALS = {"not_finite", "frame", "stale", "from_the_future", "state_not_finite", "state_stale", "no_orientation"}
SOUND_S = 0.5
HOME_PATIENCE_S = 0.2
HOMED = "homed: waiting for neutral input"
LARGEST_REQUEST = 1e3


class ArmControl:
    """Everything that decides about the arm of one rig. Not thread-safe: call it under one lock."""

    def __init__(self, rig: Rig, *, needs_human: bool = True) -> None:
        self._rig = rig
        self.latch = Latch(neutral_s=rig.teleop.neutral_s)
        self.human = Inbox("human", rig.limits)
        self.policy = Inbox("policy", rig.limits)
        self.arbiter = Arbiter(neutral_s=rig.teleop.neutral_s, needs_human=needs_human)
        self.gripper = GripperArbiter()
        self._needs_human = needs_human
        self._filter = CommandFilter(rig.limits, model=rig.robot.model)
        self._watch, self._gaps = StateWatch(), GapWatch(rig.limits.hold_s)
        self._pending: list[Trip] = []
        self._state: ArmState | None = None
        self._state_trips: list[Trip] = []
        self._publishers = (1, 1)
        self._gripper_request: float | None = None
        self._wrench_is_high = False
        self._homing = False
        self._home_ends = False
        self._unsound_since_s: float | None = None
        self._is_stopped = False
        self._sound_since_s: float | None = None
        self._last: Decision | None = None
        self._now_s = 0.0

    def receive(self, command: Command, now_s: float) -> None:
        """A twist from a topic; a bad one is refused here and takes effect on the arm at the next `step`."""
        box = self.human if command.source == "human" else self.policy
        self._pending += box.accept(command, now_s)

    def receive_gripper(self, state: float, source: str, now_s: float) -> None:
        """A gripper state from a topic. A person's node streams it beside the twist; only a change is a request."""
        if source == "policy":
            self.gripper.policy(state)
            return
        request = self.gripper.human(state, now_s, is_armed=self.latch.is_armed)
        if request is not None:
            self._gripper_request = request
            self.arbiter.touched(now_s)

    def note_publishers(self, *, human: int, policy: int) -> None:
        """How many publishers each command topic has; more than one are all ignored."""
        self._publishers = (human, policy)

    def peer_lost(self, source: str) -> None:
        """ROS says that a command's publisher is gone or incompatible."""
        self._pending.append(Trip(Reaction.HOLD, f"{source}: the publisher is gone or its QoS does not match"))

    def arm_error(self, error: ArmError) -> None:
        """The driver raised. Never send the command again: the error may belong to the motion before."""
        self._pending.append(trip_of_error(error))

    def e_stop(self, now_s: float) -> None:
        """Latches at once; call the driver's `stop` as well, without waiting for the next `step`."""
        self.latch.trip(Reaction.LATCH, "e_stop", now_s)
        self._let_go()

    def step(self, state: ArmState | None, now_s: float, *, wall_s: float | None = None) -> Decision:
        """Decides for this control period. Never raises, whatever arrived."""
        self._now_s, self._state = now_s, state
        for box in (self.human, self.policy):
            box.step(now_s, wall_s=wall_s)
        if not self.human.is_fresh(now_s, wall_s=wall_s):
            self.gripper.lose_human()
        self._state_trips = self._watch.step(state, now_s, wall_s=wall_s)
        trips = [*self._pending, *self._state_trips, *self._gaps.step(now_s if wall_s is None else wall_s)]
        self._pending = []
        choice = Choice(Source.NONE, None)
        is_live = self.latch.level in (Level.ARMED, Level.HELD) and not self._homing
        is_by_policy = is_live and self._is_by_policy(now_s, wall_s)
        if is_live:
            choice = self.arbiter.step(self.human, self.policy, now_s, wall_s=wall_s, publishers=self._publishers)
            trips += choice.trips
        filtered, from_filter = self._filtered(choice, state, now_s, wall_s)
        trips += from_filter
        for trip in trips:
            is_hold = trip.reaction is Reaction.HOLD
            self.latch.trip(Reaction.LATCH if is_hold and is_by_policy else trip.reaction, trip.reason, now_s)
        if is_by_policy and self.latch.level is Level.HELD:
            self._end_hold_under_policy(now_s)
        self.latch.step(now_s, neutral_for_s=self._neutral_for_s(now_s))
        self._watch_operator(trips, now_s)
        return self._decide(choice, filtered, trips)

    def _end_hold_under_policy(self, now_s: float) -> None:
        """A hold does not end by itself where a policy would go on; after a motion home there is no fault to reset."""
        if self.latch.reason == HOMED:
            self.latch.disarm()
        else:
            self.latch.trip(Reaction.LATCH, self.latch.reason, now_s)

    def _is_by_policy(self, now_s: float, wall_s: float | None) -> bool:
        """A policy moves the arm or would after a hold: nobody's hand says then that it may go on, so holds latch."""
        if self.policy.newest is None or is_neutral(self.policy.newest.twist):
            return False
        moved_last = self._last is not None and self._last.source == Source.POLICY.value
        return moved_last or self.policy.is_fresh(now_s, wall_s=wall_s)

    def _filtered(
        self, choice: Choice, state: ArmState | None, now_s: float, wall_s: float | None
    ) -> tuple[Filtered, list[Trip]]:
        if state is None or not self.latch.is_armed or self._homing:
            self._filter.reset()
            return Filtered(np.zeros(6), (), is_stopped=True), []
        filtered = self._filter.step(choice.command, state, now_s, wall_s=wall_s)
        trips = [Trip(Reaction.HOLD, f"command: {reason}") for reason in filtered.reasons if reason in REFUSALS]
        if self._wrench_rises(state):
            trips.append(Trip(Reaction.HOLD, "wrench: the external force or torque is above its soft limit"))
        return filtered, trips

    def _wrench_rises(self, state: ArmState) -> bool:
        """True once when the wrench passes its limit; afterwards the filter lets only relieving motion through."""
        limits = self._rig.limits
        force, torque = np.linalg.norm(state.wrench[:3]), np.linalg.norm(state.wrench[3:])
        share = max(force / limits.soft_force_n, torque / limits.soft_torque_nm)
        was_high, self._wrench_is_high = self._wrench_is_high, bool(share > (0.8 if self._wrench_is_high else 1.0))
        return self._wrench_is_high and not was_high

    def _watch_operator(self, trips: list[Trip], now_s: float) -> None:
        """Sound for a while: the person has acted at the robot, the reset is left. Unsound for a while: no homing."""
        if any(trip.reaction >= Reaction.HOLD for trip in trips):
            self._sound_since_s = None
            self._unsound_since_s = now_s if self._unsound_since_s is None else self._unsound_since_s
            self._home_ends = self._home_ends or now_s - self._unsound_since_s >= HOME_PATIENCE_S
            return
        self._unsound_since_s = None
        if self._sound_since_s is None:
            self._sound_since_s = now_s
        elif now_s - self._sound_since_s >= SOUND_S:
            self.latch.cleared(Level.OPERATOR)

    def _neutral_for_s(self, now_s: float) -> float:
        """How long the person's input has been neutral; endless where no operator device is needed or ever seen."""
        if not self._needs_human and self.human.newest is None:
            return float("inf")
        return self.human.neutral_for_s(now_s)

    def _decide(self, choice: Choice, filtered: Filtered, trips: list[Trip]) -> Decision:
        level = self.latch.level
        is_live = level in (Level.ARMED, Level.HELD) and not self._homing
        is_moving = is_live and level is Level.ARMED and not any(trip.reaction >= Reaction.HOLD for trip in trips)
        if not is_live:
            self._let_go()
        if not is_moving:
            self._filter.reset()
        command = choice.command
        requested = self._in_base(command) if command is not None else np.zeros(6)
        latched = (f"{level.value}: {self.latch.reason}",) if self.latch.reason else ()
        gripper, self._gripper_request = self._gripper_request, None
        if is_moving:
            by_policy = self.gripper.step(choice.source)
            gripper = by_policy if gripper is None else gripper
            if gripper is not None:
                self.gripper.sent(gripper, self._now_s, by_policy=gripper == by_policy)
        self._last = Decision(
            twist=filtered.twist if is_moving else np.zeros(6),
            requested=requested,
            requested_time_s=-1.0 if command is None else command.time_s,
            source=choice.source.value,
            may_stream=is_live,
            must_stop=self._must_stop(is_live),
            must_recreate=level is Level.RECREATE,
            gripper=gripper if is_moving else None,
            reasons=(*latched, *filtered.reasons),
            is_intervention=choice.is_intervention,
        )
        return self._last

    def _must_stop(self, is_live: bool) -> bool:
        """The arm should stand and was not told yet; a motion home goes on until a latch, `disable` or a fault."""
        if is_live or (self._homing and not self.latch.is_latched and not self._home_ends):
            self._is_stopped = False
            return False
        was_stopped, self._is_stopped = self._is_stopped, not self._homing
        return not was_stopped

    def _in_base(self, command: Command) -> np.ndarray:
        twist = np.clip(command.twist, -LARGEST_REQUEST, LARGEST_REQUEST)
        if command.frame == "ee" and self._state is not None:
            return twist_in_base(twist, self._state.quat_xyzw)
        return twist

    def _let_go(self) -> None:
        """Disarmed or latched: whatever was asked for until now never counts again."""
        self.arbiter.release()
        self.policy.forget()
        self.gripper.step(Source.NONE)
        self._gripper_request = None

    def obstacles(self, gripper: GripperState | None, now_s: float) -> tuple[str, ...]:
        """What stands in the way of arming now, each with the next step; empty when nothing does."""
        found = [trip.reason for trip in self._state_trips if trip.reaction >= Reaction.HOLD]
        state = self._state
        if state is not None and not found:
            found += pose_obstacles(state, self._rig)
        if self._homing:
            found.append("the arm is moving home; wait until it is there")
        if gripper is not None and gripper.max_width_m <= 0:
            found.append("the gripper is not homed; home it first")
        if max(self._publishers) > 1:
            found.append("a command topic has more than one publisher; stop one of them")
        neutral_s = self._neutral_for_s(now_s)
        if neutral_s < self._rig.teleop.neutral_s:
            found.append(f"the operator's input was neutral for {neutral_s:.1f} s; let go for longer, or re-zero it")
        return tuple(found)

    def enable(self, gripper: GripperState | None = None) -> None:
        """Arms. Raises RobotError with everything that stands in the way. Uses the state of the last `step`."""
        self.latch.arm(self.obstacles(gripper, self._now_s))
        self._let_go()

    def disable(self) -> None:
        """Disarms, and ends a motion home."""
        self.latch.disarm()
        self._home_ends = True
        self._let_go()

    def reset_latch(self) -> None:
        """Latched to disarmed; arming comes after it. Raises RobotError while the fault is still there."""
        found = [trip.reason for trip in self._state_trips if trip.reaction >= Reaction.HOLD]
        self.latch.reset(tuple(f"{reason}; call recover first" for reason in found))
        self._let_go()

    def recovered(self, now_s: float) -> None:
        """The driver's `recover` returned without an error: what needed a person now only needs the reset."""
        self.latch.trip(Reaction.LATCH, "recovered from an error", now_s)
        self.latch.cleared(Level.OPERATOR)

    def reconnected(self) -> None:
        """A new driver object is connected: motion does not resume, the latch still needs its reset."""
        self._watch = StateWatch()
        self.latch.cleared(Level.RECREATE)

    def begin_home(self) -> None:
        """Before a motion to the start pose, armed or not. Raises RobotError when latched or unsound."""
        if self.latch.is_latched:
            raise RobotError(f"cannot move home: latched by {self.latch.reason}; call reset_latch first")
        found = [trip.reason for trip in self._state_trips if trip.reaction >= Reaction.HOLD]
        if found or self._homing:
            raise RobotError(f"cannot move home: {'; '.join(found) or 'it is on its way already'}")
        self._homing, self._home_ends = True, False
        self._let_go()

    def end_home(self, now_s: float) -> None:
        """After the motion, whether it got there or not; an armed arm then waits for neutral input."""
        self._homing = False
        self.latch.trip(Reaction.HOLD, HOMED, now_s)

    def status(self) -> dict[str, Any]:
        """What `franka/status` says, ready for JSON."""
        state, last = self._state, self._last
        mode = state.mode if state is not None else ArmMode.OTHER
        return {
            "level": self.latch.level.value,
            "reason": self.latch.reason,
            "armed": self.latch.is_armed,
            "source": last.source if last is not None else "none",
            "intervention": last.is_intervention if last is not None else False,
            "mode": mode.value,
            "errors": list(state.errors) if state is not None else [],
            "robot_time_s": state.robot_time_s if state is not None else -1.0,
            "success_rate": state.success_rate if state is not None else 0.0,
            "gripper": self.gripper.state,
            "homing": self._homing,
            "filter": list(last.reasons) if last is not None else [],
            "refused": {f"{box.source}_{why}": n for box in (self.human, self.policy) for why, n in box.counts.items()},
            "network_poor": self._watch.is_network_poor(self._now_s),
            "warnings": self._watch.warnings(state, self._now_s) if state is not None else [],
        }
