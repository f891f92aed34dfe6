"""Who moves the arm: a touch takes over at once, and only a hand that was off for a while hands back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_cases import FORWARD, RIG, command

from world4rl_core.runtime.arbiter import Arbiter, GripperArbiter, Source
from world4rl_core.runtime.inbox import Inbox
from world4rl_core.runtime.latch import Reaction

PERIOD_S = 0.02
NOBODY = None


class Table:
    """Both sources and the arbiter between them."""

    def __init__(self, *, needs_human: bool = True) -> None:
        self.now_s = 100.0
        self.human, self.policy = Inbox("human", RIG.limits), Inbox("policy", RIG.limits)
        self.arbiter = Arbiter(neutral_s=0.3, needs_human=needs_human)

    def step(self, human, policy, *, publishers=(1, 1)):
        self.now_s += PERIOD_S
        for box, twist in ((self.human, human), (self.policy, policy)):
            if twist is not None:
                box.accept(command(twist, time_s=self.now_s, source=box.source), self.now_s)
            box.step(self.now_s)
        return self.arbiter.step(self.human, self.policy, self.now_s, publishers=publishers)

    def run(self, seconds, human, policy):
        for _ in range(round(seconds / PERIOD_S)):
            choice = self.step(human, policy)
        return choice


OFF = np.zeros(6)


def test_a_policy_waits_until_the_hand_was_seen_to_be_off():
    table = Table()
    assert table.run(0.2, OFF, FORWARD).source is Source.HUMAN
    assert table.run(0.2, OFF, FORWARD).source is Source.POLICY


def test_a_touch_takes_over_in_the_same_period_and_counts_as_an_intervention():
    table = Table()
    table.run(0.5, OFF, FORWARD)
    choice = table.step(-FORWARD, FORWARD)
    assert (choice.source, choice.is_intervention) == (Source.HUMAN, True)
    np.testing.assert_array_equal(choice.command.twist, -FORWARD)


def test_it_hands_back_only_after_an_unbroken_pause():
    table = Table()
    table.run(0.5, OFF, FORWARD)
    table.run(0.1, -FORWARD, FORWARD)
    for _ in range(5):
        assert table.run(0.28, OFF, FORWARD).source is Source.HUMAN
        table.step(-FORWARD, FORWARD)
    assert table.run(0.34, OFF, FORWARD).source is Source.POLICY


def test_a_silent_operator_stops_policy_and_all():
    table = Table()
    table.run(0.5, OFF, FORWARD)
    choice = table.run(0.2, NOBODY, FORWARD)
    assert (choice.source, choice.command) == (Source.NONE, None)
    assert choice.trips[0].reaction is Reaction.HOLD
    assert "the operator's device is silent" in choice.trips[0].reason
    table.step(OFF, FORWARD)
    assert table.run(0.2, OFF, FORWARD).source is Source.HUMAN  # back, and the pause counts anew
    assert table.run(0.2, OFF, FORWARD).source is Source.POLICY


@pytest.mark.parametrize("publishers", [(2, 1), (1, 2), (3, 3)])
def test_of_two_publishers_none_is_obeyed(publishers):
    table = Table()
    table.run(0.5, OFF, FORWARD)
    choice = table.step(-FORWARD, FORWARD, publishers=publishers)
    assert (choice.source, choice.command) == (Source.NONE, None)
    assert "more than one publisher" in choice.trips[0].reason


def test_a_policy_that_falls_silent_while_moving_is_a_fault_until_it_is_back():
    table = Table()
    table.run(0.5, OFF, FORWARD)
    choice = table.run(1.0, OFF, NOBODY)
    assert (choice.source, choice.command) == (Source.NONE, None)
    assert "fell silent" in choice.trips[0].reason
    assert table.step(OFF, FORWARD).trips == ()


def test_after_release_a_policy_does_not_go_on_by_itself_within_the_pause():
    table = Table()
    table.run(0.5, OFF, FORWARD)
    table.arbiter.release()
    table.human.forget()
    assert table.step(OFF, FORWARD).source is Source.HUMAN


ACTS = st.lists(st.tuples(st.sampled_from([0.0, 1.0, None]), st.sampled_from([0.0, 1.0, None])), max_size=80)


@settings(max_examples=100)
@given(acts=ACTS, needs_human=st.booleans())
def test_a_policy_never_moves_the_arm_within_the_pause_after_a_touch(acts, needs_human):
    table = Table(needs_human=needs_human)
    touched_s = None
    for human, policy in acts:
        choice = table.step(*(None if push is None else push * FORWARD for push in (human, policy)))
        if human == 1.0:
            touched_s = table.now_s
            assert choice.source in (Source.HUMAN, Source.NONE)
        if choice.source is Source.POLICY:
            assert touched_s is None or table.now_s - touched_s >= 0.3
            assert choice.command.source == "policy"
        if choice.source is Source.NONE:
            assert choice.command is None


@settings(max_examples=100)
@given(acts=ACTS)
def test_every_command_that_is_chosen_is_fresh(acts):
    table = Table()
    for human, policy in acts:
        choice = table.step(*(None if push is None else push * FORWARD for push in (human, policy)))
        assert choice.command is None or table.now_s - choice.command.time_s <= RIG.limits.stale_stop_s


def test_the_gripper_follows_the_policy_only_while_it_moves_the_arm():
    gripper = GripperArbiter()
    gripper.policy(-1.0)
    assert gripper.step(Source.HUMAN) is None
    assert gripper.step(Source.POLICY) is None  # what was said under the person's hand is forgotten
    gripper.policy(-0.4)
    assert gripper.step(Source.POLICY) == -1.0
    gripper.sent(-1.0, 1.0, by_policy=True)
    gripper.policy(-1.0)
    assert gripper.step(Source.POLICY) is None  # no news


def test_a_persons_button_counts_when_it_changes():
    gripper = GripperArbiter()
    assert gripper.human(1.0, 1.0, is_armed=True) is None  # where it stands
    assert gripper.human(-1.0, 1.1, is_armed=True) == -1.0
    gripper.sent(-1.0, 1.1, by_policy=False)
    assert gripper.human(-1.0, 1.2, is_armed=True) is None
    assert gripper.human(1.0, 1.3, is_armed=False) is None  # disarmed: never queued for later
    assert gripper.human(1.0, 1.4, is_armed=True) is None
    gripper.lose_human()
    assert gripper.human(-1.0, 1.5, is_armed=True) is None  # a restarted node says where it stands
    assert gripper.human(float("nan"), 1.6, is_armed=True) is None


def test_the_echo_of_what_a_policy_did_is_no_press():
    gripper = GripperArbiter(state=1.0)
    gripper.human(1.0, 1.0, is_armed=True)
    gripper.sent(-1.0, 1.0, by_policy=True)
    gripper.sent(1.0, 1.1, by_policy=True)
    assert gripper.human(-1.0, 1.15, is_armed=True) is None  # the person's node followed the first, late
    assert gripper.human(1.0, 1.25, is_armed=True) is None
    assert gripper.human(-1.0, 2.0, is_armed=True) == -1.0  # a press


def test_a_request_that_was_dropped_on_the_way_can_be_made_again():
    gripper = GripperArbiter(state=1.0)
    gripper.human(1.0, 1.0, is_armed=True)
    assert gripper.human(-1.0, 1.1, is_armed=True) == -1.0  # the arm was held in that period: never sent
    gripper.human(1.0, 2.0, is_armed=True)
    assert gripper.human(-1.0, 3.0, is_armed=True) == -1.0
