"""The latch: what stops the arm, and what it takes to move again."""

import pytest

from world4rl_core.errors import RobotError
from world4rl_core.runtime.latch import Latch, Level, Reaction


def armed() -> Latch:
    latch = Latch(neutral_s=0.3)
    latch.arm()
    return latch


def test_it_starts_disarmed_and_arms_only_without_obstacles():
    latch = Latch(neutral_s=0.3)
    assert not latch.is_armed
    with pytest.raises(RobotError, match="cannot arm: the puck is pushed; the arm is outside"):
        latch.arm(("the puck is pushed", "the arm is outside"))
    latch.arm()
    assert latch.is_armed


@pytest.mark.parametrize("reaction", [Reaction.LOG, Reaction.CLIP])
def test_small_matters_leave_it_armed(reaction):
    latch = armed()
    assert not latch.trip(reaction, "noise", 1.0)
    assert latch.is_armed


def test_a_hold_ends_after_the_fault_and_neutral_input():
    latch = armed()
    assert latch.trip(Reaction.HOLD, "stale", 1.0)
    latch.step(1.0, neutral_for_s=9)
    assert latch.level is Level.HELD
    latch.step(1.2, neutral_for_s=9)
    assert latch.level is Level.HELD  # the fault is over for less than neutral_s
    latch.step(1.4, neutral_for_s=0.1)
    assert latch.level is Level.HELD  # the input is not neutral for long enough
    latch.step(1.5, neutral_for_s=0.35)
    assert latch.is_armed


def test_a_fault_that_lasts_a_second_latches():
    latch = armed()
    for i in range(51):
        latch.trip(Reaction.HOLD, "stale", 1 + 0.02 * i)
        latch.step(1 + 0.02 * i, neutral_for_s=9)
    assert latch.level is Level.LATCHED
    assert latch.reason == "stale for 1 s"


def test_a_hold_whose_input_stays_pushed_waits_without_latching():
    latch = armed()
    latch.trip(Reaction.HOLD, "stale", 1.0)
    for i in range(500):
        latch.step(1 + 0.02 * i, neutral_for_s=0)
    assert latch.level is Level.HELD


def test_latched_needs_a_reset_and_then_arming():
    latch = armed()
    assert latch.trip(Reaction.LATCH, "e_stop", 1.0)
    latch.step(9.0, neutral_for_s=9)
    with pytest.raises(RobotError, match="latched by e_stop; call reset_latch first"):
        latch.arm()
    latch.disarm()
    assert latch.is_latched  # switching off is no reset
    with pytest.raises(RobotError, match="cannot reset: the robot is in reflex"):
        latch.reset(("the robot is in reflex",))
    latch.reset()
    assert latch.level is Level.DISARMED
    latch.arm()
    assert latch.is_armed


@pytest.mark.parametrize(
    ("reaction", "level", "message"),
    [
        (Reaction.OPERATOR, Level.OPERATOR, "act at the robot"),
        (Reaction.RECREATE, Level.RECREATE, "the connection is not back yet"),
    ],
)
def test_a_worse_latch_cannot_be_reset_before_its_cause_is_cleared(reaction, level, message):
    latch = armed()
    latch.trip(Reaction.LATCH, "first", 1.0)
    assert latch.trip(reaction, "worse", 1.1)
    assert not latch.trip(Reaction.LATCH, "milder", 1.2)
    assert (latch.level, latch.reason) == (level, "worse")
    with pytest.raises(RobotError, match=message):
        latch.reset()
    latch.cleared(level)
    assert latch.level is Level.LATCHED
    latch.reset()


def test_clearing_never_helps_at_another_level():
    latch = armed()
    latch.trip(Reaction.RECREATE, "gone", 1.0)
    latch.cleared(Level.OPERATOR)
    latch.cleared(Level.LATCHED)
    assert latch.level is Level.RECREATE


def test_a_fault_while_disarmed_is_remembered_when_it_latches():
    latch = Latch(neutral_s=0.3)
    latch.trip(Reaction.HOLD, "stale", 1.0)
    assert latch.level is Level.DISARMED
    latch.trip(Reaction.LATCH, "reflex", 1.0)
    with pytest.raises(RobotError, match="latched by reflex"):
        latch.arm()


def test_a_clock_that_is_set_back_does_not_hold_for_ever():
    latch = armed()
    latch.trip(Reaction.HOLD, "stale", 1000.0)
    for i in range(40):
        latch.step(1 + 0.02 * i, neutral_for_s=0.02 * i)
    assert latch.is_armed
