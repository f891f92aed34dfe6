"""Faults 57, 58, 61, 62 and 63 of one deployed episode."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from world4rl_core.errors import ConfigError
from world4rl_core.runtime.inference import InferenceFault
from world4rl_core.runtime.policy_loop import LoopConfig, PolicyLoop

FRESH = {"external": -0.02, "wrist": -0.01, "robot": 0.0}
ACTION = np.array([0.2, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0], np.float32)


class Player:
    """A policy that answers with `action`, or fails, and takes `seconds` for it."""

    def __init__(self) -> None:
        self.action, self.seconds, self.clock_s, self.fault = ACTION, 0.002, 0.0, ""

    def act(self, images) -> np.ndarray:
        self.clock_s += self.seconds
        if self.fault:
            raise InferenceFault(self.fault)
        return self.action

    def loop(self, **options) -> PolicyLoop:
        return PolicyLoop(self.act, 7, LoopConfig(**options), timer=lambda: self.clock_s)


def stamps(now_s: float, **late: float) -> dict[str, float]:
    return {name: now_s + offset - late.get(name, 0.0) for name, offset in FRESH.items()}


def play(loop: PolicyLoop, steps: int, *, from_step: int = 0):
    return [loop.step({}, stamps(0.1 * step), now_s=0.1 * step) for step in range(from_step, from_step + steps)]


def test_an_episode_runs_until_its_time_limit_and_then_stands_still() -> None:
    loop = Player().loop(time_limit_s=0.5)
    loop.begin(0.0)
    steps = play(loop, 8)
    assert [step.ended for step in steps] == [None] * 5 + ["timeout"] * 3
    assert all(np.array_equal(step.action, ACTION) and step.reaction == "none" for step in steps[:5])
    assert all(not step.action[:6].any() and step.action[6] == -1 and step.reaction == "R2" for step in steps[5:])


def test_an_observation_that_stays_unfit_for_a_second_ends_the_episode_and_a_shorter_one_does_not() -> None:
    """The policy goes on by itself after a late picture, and never after a camera was gone."""
    loop = Player().loop()
    loop.begin(0.0)
    late = [loop.step({}, stamps(0.1 * n, wrist=0.3), now_s=0.1 * n) for n in range(9)]
    assert all(step.reaction == "R2" and step.ended is None for step in late)
    assert [step.reaction for step in play(loop, 3, from_step=9)] == ["none"] * 3
    late = [loop.step({}, stamps(0.1 * n, wrist=0.3), now_s=0.1 * n) for n in range(12, 24)]
    assert late[-1].ended is not None and late[-1].ended.startswith("aborted:wrist is 310 ms old")
    assert play(loop, 1, from_step=24)[0].reaction == "R2"


def test_nothing_moves_before_an_episode_begins() -> None:
    (step,) = play(Player().loop(), 1)
    assert step.reaction == "R2" and not step.action[:6].any()


def test_an_answer_that_is_none_aborts_the_episode_until_the_next() -> None:
    player = Player()
    loop = player.loop()
    loop.begin(0.0)
    player.fault = "the policy answered [nan]; wanted finite numbers"
    (broken,) = play(loop, 1)
    assert broken.ended == f"aborted:{player.fault}" and broken.reaction == "R2" and not broken.action[:6].any()
    player.fault = ""
    assert play(loop, 1, from_step=1)[0].ended is not None
    loop.begin(0.2)
    assert play(loop, 1, from_step=2)[0].reaction == "none"


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        ({"wrist": 0.2}, "wrist is 210 ms old, limit 150 ms"),
        ({"wrist": 0.08}, "wrist and robot are 90 ms apart, limit 50 ms"),
        ({"robot": -0.05}, "robot is -50 ms old"),
    ],
)
def test_an_old_or_skewed_observation_holds_the_arm_and_a_fresh_one_goes_on(late, reason) -> None:
    loop = Player().loop()
    loop.begin(0.0)
    play(loop, 1)
    held = loop.step({}, stamps(0.1, **late), now_s=0.1)
    assert held.reaction == "R2" and held.ended is None and held.inference_s is None
    assert reason in "; ".join(held.reasons)
    assert held.action.tolist() == [0, 0, 0, 0, 0, 0, -1]
    assert play(loop, 1, from_step=2)[0].reaction == "none"


def test_no_observation_at_all_holds_the_arm() -> None:
    loop = Player().loop()
    loop.begin(0.0)
    assert loop.step({}, {}, now_s=0.0).reasons == ("there is no observation",)


def test_slow_inference_repeats_once_and_is_held_the_third_time() -> None:
    player = Player()
    loop = player.loop()
    loop.begin(0.0)
    play(loop, 1)
    player.seconds = 0.12
    slow = play(loop, 3, from_step=1)
    assert [step.reaction for step in slow] == ["none", "none", "R2"]
    assert np.array_equal(slow[0].action, ACTION) and not slow[1].action[:6].any()
    assert "inference took 120 ms, the period is 100 ms" in slow[0].events
    player.seconds = 0.002
    assert play(loop, 1, from_step=4)[0].reaction == "none"


def test_a_saturated_action_is_told_once_a_stretch() -> None:
    player = Player()
    player.action = np.array([0, 1, 0, 0, 0, 0, 1], np.float32)
    loop = player.loop(saturation_steps=3)
    loop.begin(0.0)
    assert [len(step.events) for step in play(loop, 6)] == [0, 0, 1, 0, 0, 0]


def test_limits_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="must be positive"):
        LoopConfig(time_limit_s=0.0)


@given(
    st.lists(
        st.tuples(st.floats(-0.05, 0.3), st.floats(0, 0.3), st.sampled_from([0.002, 0.12]), st.booleans()), max_size=30
    )
)
def test_whatever_happens_a_held_arm_never_gets_motion(periods) -> None:
    player = Player()
    loop = player.loop(time_limit_s=2.0)
    loop.begin(0.0)
    for index, (age, skew, seconds, fails) in enumerate(periods):
        now = 0.1 * index
        player.seconds, player.fault = seconds, "broken" if fails and index % 7 == 6 else ""
        step = loop.step({}, {"external": now - age, "robot": now - age - skew}, now_s=now)
        assert np.isfinite(step.action).all() and np.abs(step.action).max() <= 1
        if step.reaction == "R2" or step.ended:
            assert not step.action[:6].any()
        if age > 0.15 or skew > 0.05:
            assert step.reaction == "R2"
