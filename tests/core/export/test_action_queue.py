"""The queue never lets an old answer through, and stands still when it has none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from world4rl_core.errors import ConfigError
from world4rl_core.runtime.action_queue import ActionQueue, Kind, QueueConfig

PERIOD = 0.1


def action(value: float, gripper: float = 1.0) -> np.ndarray:
    return np.array([value, value, gripper], np.float32)


def queue(**options) -> ActionQueue:
    return ActionQueue(3, QueueConfig(period_s=PERIOD, **options))


def test_an_answer_to_the_last_episode_is_never_executed() -> None:
    one = queue()
    before = one.reset()
    one.put(np.stack([action(0.1), action(0.2)]), episode=before, observed_s=1.0)
    now = one.reset(gripper=-1.0)
    assert not one.put(action(0.9), episode=before, observed_s=1.05)
    taken = one.take(1.05)
    assert taken.kind is Kind.STILL
    assert taken.action.tolist() == [0.0, 0.0, -1.0]
    assert one.put(action(0.5), episode=now, observed_s=1.1)
    assert one.take(1.1).action.tolist() == [0.5, 0.5, 1.0]


def test_a_missing_answer_repeats_once_then_stands_still_and_three_are_too_slow() -> None:
    one = queue()
    one.put(action(0.3, gripper=-1.0), episode=one.reset(), observed_s=0.0)
    taken = [one.take(PERIOD * step) for step in range(5)]
    assert [item.kind for item in taken] == [Kind.NEW, Kind.REPEATED, Kind.STILL, Kind.STILL, Kind.STILL]
    assert [item.is_too_slow for item in taken] == [False, False, False, True, True]
    assert taken[2].action.tolist() == [0.0, 0.0, -1.0]


def test_a_new_answer_replaces_the_rest_of_the_old_and_an_older_one_is_ignored() -> None:
    one = queue()
    episode = one.reset()
    one.put(np.stack([action(0.1), action(0.2), action(0.3)]), episode=episode, observed_s=1.0)
    assert one.take(1.0).action[0] == np.float32(0.1)
    assert one.put(action(0.7), episode=episode, observed_s=1.1)
    assert not one.put(action(0.8), episode=episode, observed_s=1.1)
    assert not one.put(action(0.8), episode=episode, observed_s=1.05)
    assert one.take(1.1).action[0] == np.float32(0.7)


@pytest.mark.parametrize(
    "wrong", [np.array([np.nan, 0, 0]), np.array([0, 0, 1.1]), np.zeros(4), np.zeros((0, 3)), np.array([np.inf, 0, 0])]
)
def test_what_is_no_action_is_refused(wrong: np.ndarray) -> None:
    one = queue()
    with pytest.raises(ConfigError, match="finite numbers in"):
        one.put(wrong, episode=one.reset(), observed_s=0.0)
    assert one.take(0.0).kind is Kind.STILL


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 4), st.floats(0, 0.3)),
        st.tuples(st.just("take"), st.floats(0.01, 0.2), st.just(0.0)),
        st.tuples(st.sampled_from(["reset", "drop"]), st.just(0.0), st.just(0.0)),
    ),
    max_size=40,
)


@given(EVENTS)
def test_a_new_action_is_in_time_of_its_episode_and_executed_once(events) -> None:
    one = queue()
    episode, now, serial, turns, seen = one.reset(), 0.0, 0, {}, set()
    for kind, amount, age in events:
        if kind == "put":
            numbers = [(serial + i + 1) / 1000 for i in range(amount)]
            observed = now - age
            if one.put(np.stack([action(number) for number in numbers]), episode=episode, observed_s=observed):
                turns |= {round(number, 3): (observed + i * PERIOD, episode) for i, number in enumerate(numbers)}
            serial += amount
        elif kind == "take":
            now += amount
            taken = one.take(now)
            number = round(float(taken.action[0]), 3)
            if taken.kind is Kind.NEW:
                turn, owner = turns[number]
                assert owner == episode and now - turn <= 0.15 + 1e-9 and number not in seen
                seen.add(number)
            elif taken.kind is Kind.STILL:
                assert not taken.action[:-1].any()
            assert taken.misses == 0 or taken.kind is not Kind.NEW
        elif kind == "reset":
            episode = one.reset()
        else:
            one.drop()
            assert one.take(now).kind is Kind.STILL
