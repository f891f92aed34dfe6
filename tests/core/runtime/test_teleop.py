"""From the hand to commands: dead zones, unplugging, drift, and buttons that chatter."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from world4rl_core.rig import TeleopRig
from world4rl_core.robot.fake import FakeClock, FakeTeleop
from world4rl_core.runtime.teleop import ButtonEvent, Teleop, deadband

CONFIG = TeleopRig()
PERIOD_S = 0.02
PUSH = np.array([1.0, 0, 0, 0, 0, 0])


class Hand:
    """An operator with a device, read at the publishing rate."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.device = FakeTeleop(self.clock)
        self.teleop = Teleop(CONFIG)
        self.run(0.5)

    def run(self, seconds: float):
        """Every output; `events` collects the buttons'."""
        outputs = []
        for _ in range(round(seconds / PERIOD_S)):
            self.clock.step(PERIOD_S)
            outputs.append(self.teleop.step(self.device.read(), self.clock.now_s))
        return outputs

    def press(self, left: float = 0.0, right: float = 0.0, *, right_after: float = 0.0) -> list[ButtonEvent]:
        """Buttons held for so many seconds, then let go; the events until all is quiet."""
        events = []
        for i in range(150):
            now_s = i * PERIOD_S
            self.device.buttons = (now_s < left, right_after <= now_s < right_after + right)
            events += self.run(PERIOD_S)[0].events
        return events


@given(axes=hnp.arrays(np.float64, 6, elements=st.floats(-2, 2)), width=st.floats(0.01, 0.5))
def test_the_deadband_is_zero_inside_continuous_at_its_edge_and_one_at_full_push(axes, width):
    out = deadband(axes, width)
    assert (out[np.abs(axes) <= width] == 0).all()
    assert (np.abs(out) <= 1).all()
    assert (out * axes >= 0).all()
    np.testing.assert_allclose(deadband(np.array([width + 1e-9, 1.0, -1.0]), width), [0, 1, -1], atol=1e-6)


def test_a_full_push_is_the_rigs_speed_in_the_rigs_axes():
    hand = Hand()
    hand.device.axes = np.array([1.0, 0, 0, 0, 0, -1.0])
    out = hand.run(0.02)[0]
    np.testing.assert_allclose(out.twist, [CONFIG.linear_mps, 0, 0, 0, 0, -CONFIG.angular_radps])
    assert (out.frame, out.should_publish, out.problem) == (CONFIG.frame, True, "")


def test_a_puck_that_is_pushed_at_the_start_moves_nothing_until_it_was_let_go():
    clock = FakeClock()
    device, teleop = FakeTeleop(clock), Teleop(CONFIG)
    device.axes = PUSH
    for _ in range(100):
        clock.step(PERIOD_S)
        out = teleop.step(device.read(), clock.now_s)
        assert not out.twist.any()
    assert not out.should_publish  # the arm cannot be armed either


def test_unplugging_is_zero_at_once_then_silence_and_needs_neutral_after():
    hand = Hand()
    hand.device.axes = PUSH
    assert hand.run(0.1)[-1].twist.any()
    hand.device.is_plugged = False
    outputs = hand.run(0.5)
    assert not any(out.twist.any() for out in outputs)
    assert outputs[0].should_publish and not outputs[-1].should_publish
    assert outputs[-1].problem == "the device is unplugged"
    hand.device.is_plugged = True
    assert not any(out.twist.any() or out.should_publish for out in hand.run(1))
    hand.device.axes = np.zeros(6)
    hand.run(0.4)
    hand.device.axes = PUSH
    assert hand.run(0.02)[0].twist.any()


def test_a_reader_that_hangs_is_as_good_as_unplugged():
    hand = Hand()
    hand.device.axes = PUSH
    stale = hand.device.read()
    hand.clock.step(0.12)
    out = hand.teleop.step(stale, hand.clock.now_s)
    assert not out.twist.any() and "was not read for 100 ms" in out.problem


@pytest.mark.parametrize("axes", [np.full(6, np.nan), np.full(3, 0.5)])
def test_numbers_that_are_none_are_zero(axes):
    hand = Hand()
    out = hand.teleop.step(replace(hand.device.read(), axes=axes), hand.clock.now_s)
    assert not out.twist.any() and out.problem


def test_a_held_puck_is_no_drift_and_a_puck_that_does_not_return_is():
    hand = Hand()
    hand.device.axes = PUSH
    assert all(out.twist.any() for out in hand.run(12))
    hand.device.axes = 0.15 * PUSH
    outputs = hand.run(12)
    assert outputs[100].twist.any()
    assert not outputs[-1].twist.any() and not outputs[-1].should_publish
    assert any("re-zero it" in out.problem for out in outputs)


def test_a_slow_deliberate_push_is_no_drift():
    hand = Hand()
    for i in range(600):
        hand.device.axes = (0.2 + 0.05 * np.sin(0.1 * i)) * PUSH
        assert hand.run(PERIOD_S)[0].twist.any()


@pytest.mark.parametrize(
    ("press", "events"),
    [
        ({"left": 0.16}, [ButtonEvent.TOGGLE_GRIPPER]),
        ({"left": 1.3}, [ButtonEvent.HOME]),
        ({"right": 0.16}, [ButtonEvent.START_OR_SUCCESS]),
        ({"right": 1.3}, [ButtonEvent.FAILURE]),
        ({"left": 0.3, "right": 0.3}, [ButtonEvent.DISCARD]),
        ({"left": 0.5, "right": 0.4, "right_after": 0.1}, [ButtonEvent.DISCARD]),
        ({"left": 2.0, "right": 2.0}, [ButtonEvent.DISCARD]),
        ({"left": 0.04}, []),
        ({}, []),
    ],
)
def test_a_press_is_one_event(press, events):
    assert Hand().press(**press) == events


def test_chatter_is_no_press_and_does_not_split_one():
    hand = Hand()
    events = []
    for i in range(100):
        hand.device.buttons = (False, 20 <= i < 40 and i not in (25, 31))  # 20 ms drop-outs within a press
        events += hand.run(PERIOD_S)[0].events
    assert events == [ButtonEvent.START_OR_SUCCESS]


def test_the_gripper_is_a_state_that_a_press_toggles_from_where_it_is():
    hand = Hand()
    assert hand.run(0.02)[0].gripper == 1.0
    hand.press(left=0.16)
    assert hand.run(0.02)[0].gripper == -1.0
    hand.teleop.follow_gripper(1.0)  # a policy opened it
    hand.press(left=0.16)
    assert hand.run(0.02)[0].gripper == -1.0


def test_a_button_that_was_held_when_the_device_went_is_no_press():
    hand = Hand()
    hand.device.buttons = (True, False)
    hand.run(0.1)
    hand.device.is_plugged = False
    hand.run(0.1)
    hand.device.is_plugged, hand.device.buttons = True, (False, False)
    assert [event for out in hand.run(1) for event in out.events] == []
