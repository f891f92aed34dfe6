"""The door for commands: what is refused, what a refusal means, and what counts as neutral."""

import numpy as np
import pytest
from runtime_cases import FORWARD, RIG, command

from world4rl_core.runtime.command_filter import Command
from world4rl_core.runtime.inbox import Inbox
from world4rl_core.runtime.latch import Reaction

OFF = np.zeros(6)


@pytest.mark.parametrize(
    ("sent", "why", "reaction"),
    [
        (command(np.full(6, np.nan)), "not_finite", Reaction.HOLD),
        (command(FORWARD, time_s=0.0), "no_stamp", Reaction.CLIP),
        (command(FORWARD, time_s=100.03), "from_the_future", Reaction.CLIP),
        (command(FORWARD, frame="tool0"), "frame", Reaction.CLIP),
        (command(FORWARD, time_s=99.8), "stale", Reaction.CLIP),
    ],
)
def test_a_bad_command_is_refused_counted_and_never_kept(sent, why, reaction):
    box = Inbox("human", RIG.limits)
    trips = box.accept(sent, 100.0)
    assert [trip.reaction for trip in trips] == [reaction]
    assert (box.counts[why], box.newest) == (1, None)


def test_a_command_that_overtook_another_wins():
    box = Inbox("human", RIG.limits)
    box.accept(command(FORWARD, time_s=100.0), 100.0)
    box.accept(command(-FORWARD, time_s=99.99), 100.01)
    assert box.newest is not None and box.newest.time_s == 100.0
    assert box.counts["out_of_order"] == 1


def test_a_clock_that_was_set_back_is_accepted():
    box = Inbox("human", RIG.limits)
    box.accept(command(FORWARD, time_s=100.0), 100.0)
    assert box.accept(command(OFF, time_s=5.0), 5.0) == []
    assert box.newest is not None and box.newest.time_s == 5.0


def test_neutral_needs_an_unbroken_stream():
    box = Inbox("human", RIG.limits)
    for i in range(20):
        now_s = 100 + 0.02 * i
        box.accept(command(OFF, time_s=now_s), now_s)
        box.step(now_s)
    assert box.neutral_for_s(now_s) == pytest.approx(0.38)
    box.step(now_s + 0.2)
    assert box.neutral_for_s(now_s + 0.2) == 0
    assert not box.is_fresh(now_s + 0.2)


def test_what_counts_as_neutral_never_creeps():
    box = Inbox("human", RIG.limits)
    box.accept(command(np.full(6, 5e-4)), 100.0)
    assert box.newest is not None and not box.newest.twist.any()


def test_a_push_or_a_refused_command_breaks_neutral():
    for bad in (command(FORWARD, time_s=100.4), command(np.full(6, np.inf), time_s=100.4)):
        box = Inbox("human", RIG.limits)
        for i in range(20):
            box.accept(command(OFF, time_s=100 + 0.02 * i), 100 + 0.02 * i)
        box.accept(bad, 100.4)
        assert box.neutral_for_s(100.4) == 0


def test_a_future_command_that_was_kept_before_the_clock_was_set_back_is_not_fresh():
    box = Inbox("human", RIG.limits)
    box.accept(command(FORWARD, time_s=100.0), 100.0)
    assert not box.is_fresh(5.0)


def test_arrival_counts_where_the_stamp_stands_still():
    box = Inbox("human", RIG.limits)
    box.accept(Command(100.0, "base", FORWARD, "human", wall_time_s=1.0), 100.0)
    assert box.is_fresh(100.0, wall_s=1.1)
    assert not box.is_fresh(100.0, wall_s=1.2)
