"""Arm control under any order of events: the arm never moves by itself after a stop."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from runtime_cases import FORWARD, PERIOD_S, Cell

from world4rl_core.errors import RobotError
from world4rl_core.robot.interface import ArmError, ArmFault, ArmMode
from world4rl_core.runtime.latch import Level


class AnythingHappens(RuleBasedStateMachine):
    """Any order of events. The arm may move only if it is armed by somebody, and after a stop never by itself."""

    @initialize(is_armed=st.booleans())
    def begin(self, is_armed) -> None:
        self.cell = Cell()
        self.is_permitted = False  # somebody armed it, and no latch happened since
        self.has_policy_to_wait = False  # it pushed when the arm was stopped, and nobody has armed since
        self.heard_s = self.neutral_since_s = None
        if is_armed:
            self.run(0.4)
            self.somebody_arms_it()
            assert self.is_permitted

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / PERIOD_S)):
            was_held = self.cell.control.latch.level is Level.HELD
            self.listen(self.cell.clock.now_s + PERIOD_S)
            decision = self.cell.tick()
            if self.cell.control.latch.is_latched or self.cell.control.latch.level is Level.DISARMED:
                self.is_permitted = False
            if decision.twist.any():
                assert self.is_permitted
                assert decision.may_stream
            if decision.source == "policy" and decision.twist.any():
                assert not self.has_policy_to_wait
            self.watch_policy()
            if was_held and self.cell.control.latch.is_armed:
                assert self.neutral_s >= 0.3 - 1e-9

    def watch_policy(self) -> None:
        latch = self.cell.control.latch
        is_pushing = self.cell.policy is not None and self.cell.policy.any()
        if is_pushing and not latch.is_armed:
            self.has_policy_to_wait = True

    def listen(self, now_s: float) -> None:
        """Neutral: everything heard since then was zero, and the device was never silent for longer than it may be."""
        stale_s = self.cell.rig.limits.stale_stop_s
        if self.cell.human is not None:
            is_zero = not np.nan_to_num(self.cell.human, nan=1.0).any()
            was_silent = self.heard_s is None or now_s - self.heard_s > stale_s + PERIOD_S
            if not is_zero:
                self.neutral_since_s = None
            elif self.neutral_since_s is None or was_silent:
                self.neutral_since_s = now_s
            self.heard_s = now_s
        elif self.heard_s is None or now_s - self.heard_s > stale_s:
            self.neutral_since_s = None

    @property
    def neutral_s(self) -> float:
        return 0.0 if self.neutral_since_s is None else self.cell.clock.now_s - self.neutral_since_s

    @rule(seconds=st.sampled_from([0.02, 0.1, 0.2, 0.4, 1.2]))
    def time_passes(self, seconds):
        self.run(seconds)

    @rule(push=st.sampled_from([0.0, 0.0, 1.0, -1.0, np.nan, None]))
    def the_operator_does(self, push):
        self.cell.human = None if push is None else push * FORWARD if push == push else np.full(6, np.nan)
        self.run(0.02)

    @rule(push=st.sampled_from([0.0, 1.0, 5.0, np.inf, None]))
    def the_policy_does(self, push):
        self.cell.policy = None if push is None else np.array([1.0, 0, 0, 0, 0, 0]) * (push if push < 9 else np.nan)
        self.run(0.02)

    @rule(count=st.integers(0, 3))
    def publishers_come_and_go(self, count):
        self.cell.control.note_publishers(human=count, policy=1)

    @rule(fault=st.sampled_from(list(ArmFault)))
    def the_driver_raises(self, fault):
        self.cell.control.arm_error(ArmError(fault, "something"))
        self.run(0.02)
        assert not self.is_permitted

    @rule(mode=st.sampled_from(list(ArmMode)), errors=st.sampled_from([(), (), ("joint_reflex",)]))
    def the_robot_reports(self, mode, errors):
        self.cell.arm.mode, self.cell.arm.errors = mode, errors

    @rule(is_frozen=st.booleans())
    def the_connection_stalls(self, is_frozen):
        self.cell.arm.is_frozen = is_frozen

    @rule(size=st.sampled_from([0.0, 0.0, 40.0]))
    def something_pushes(self, size):
        self.cell.arm.wrench = np.array([-size, 0, 0, 0, 0, 0])

    @rule()
    def somebody_stops_it(self):
        self.cell.control.e_stop(self.cell.clock.now_s)
        self.run(0.02)
        assert not self.is_permitted and self.cell.speed == 0

    @rule()
    def somebody_disables_it(self):
        self.cell.control.disable()
        self.run(0.02)
        assert self.cell.speed == 0

    @rule()
    def somebody_arms_it(self):
        try:
            self.cell.control.enable()
        except RobotError:
            return
        assert self.neutral_s >= 0.3 - 1e-9
        if self.cell.control.latch.is_armed:
            self.has_policy_to_wait = False
        self.is_permitted = True

    @rule()
    def somebody_resets_it(self):
        try:
            self.cell.control.reset_latch()
        except RobotError:
            return
        assert not self.cell.control.latch.is_armed or self.is_permitted

    @rule()
    def somebody_recovers_it(self):
        self.cell.arm.errors, self.cell.arm.mode = (), ArmMode.IDLE
        self.cell.control.recovered(self.cell.clock.now_s)

    @rule()
    def the_connection_is_made_anew(self):
        self.cell.control.reconnected()

    @precondition(lambda self: not self.cell.control.status()["homing"])
    @rule(seconds=st.sampled_from([0.1, 0.5]))
    def it_goes_home(self, seconds):
        try:
            self.cell.control.begin_home()
        except RobotError:
            return
        self.run(seconds)
        self.cell.control.end_home(self.cell.clock.now_s)
        self.watch_policy()

    @invariant()
    def it_moves_only_as_fast_as_it_may(self):
        limits = self.cell.rig.limits
        assert np.linalg.norm(self.cell.arm.true_twist[:3]) <= limits.linear_mps + 1e-9


TestAnythingHappens = AnythingHappens.TestCase
TestAnythingHappens.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
