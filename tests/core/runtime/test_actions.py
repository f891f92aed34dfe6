"""Actions as twists and back, the random policy, and pauses between attempts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from runtime_cases import DOWN_XYZW, RIG

from world4rl_core.errors import ConfigError
from world4rl_core.geometry import twist_in_base
from world4rl_core.runtime.action import action_of_twist, twist_of_action
from world4rl_core.runtime.explorer import Explorer
from world4rl_core.runtime.reconnect import Backoff, HomingRecovery

ALONG_EE = replace(RIG, action=replace(RIG.action, frame="ee"))
ACTIONS = hnp.arrays(np.float32, 7, elements=st.floats(-1, 1, width=32))


@given(action=ACTIONS)
def test_an_action_survives_the_way_to_a_twist_and_back(action):
    back = action_of_twist(twist_of_action(action, RIG), float(action[6]), RIG)
    np.testing.assert_allclose(back, action, atol=1e-6)


@given(action=ACTIONS)
def test_an_action_along_the_gripper_survives_too(action):
    in_base = twist_in_base(twist_of_action(action, ALONG_EE), DOWN_XYZW)
    back = action_of_twist(in_base, float(action[6]), ALONG_EE, quat_xyzw=DOWN_XYZW)
    np.testing.assert_allclose(back, action, atol=1e-6)


def test_one_is_the_rigs_step_in_one_period():
    twist = twist_of_action(np.array([1, 0, 0, 0, 0, -1, 1.0]), RIG)
    np.testing.assert_allclose(twist / RIG.action.rate_hz, [0.025, 0, 0, 0, 0, -0.1])


def test_too_large_is_clipped_and_nan_stays_for_the_filter_to_refuse():
    assert action_of_twist(np.full(6, 9.0), 1.0, RIG).tolist() == [1.0] * 7
    assert np.isnan(twist_of_action(np.full(7, np.nan), RIG)).all()


def test_a_wrong_shape_and_a_missing_orientation_are_refused():
    with pytest.raises(ConfigError, match=r"has shape \(7,\), got \(6,\)"):
        twist_of_action(np.zeros(6), RIG)
    with pytest.raises(ConfigError, match="pass its orientation"):
        action_of_twist(np.zeros(6), 1.0, ALONG_EE)


def test_the_random_policy_is_seeded_smooth_and_spreads_out():
    np.testing.assert_array_equal(Explorer(3).action(), Explorer(3).action())
    explorer = Explorer(0)
    walk = np.stack([explorer.action() for _ in range(3000)])
    assert walk.dtype == np.float32 and np.abs(walk).max() <= 1
    assert 0.3 < walk[:, 0].std() < 0.6
    correlation = np.corrcoef(walk[:-1, 0], walk[1:, 0])[0, 1]
    assert 0.7 < correlation < 0.95
    assert set(np.unique(walk[:, 6])) == {-1.0, 1.0}
    assert np.abs(walk[:, 3:6]).mean() < np.abs(walk[:, :3]).mean()


def test_the_pauses_between_attempts_to_connect_grow_to_a_limit():
    backoff, now_s, pauses = Backoff(), 0.0, []
    assert not backoff.is_due(now_s)
    for _ in range(6):
        while not backoff.is_due(now_s):
            now_s += 0.5
        pauses.append(backoff.failed(now_s))
    assert pauses == [2, 4, 8, 16, 16, 16]
    backoff.reset()
    assert not backoff.is_due(now_s) and backoff.is_due(now_s + 1)


def test_a_homing_recovers_three_times_a_second_apart_and_then_never():
    recovery, tried_s = HomingRecovery(), []
    for tick in range(100):
        if recovery.may_try(tick / 10):
            recovery.tried(tick / 10)
            tried_s.append(tick / 10)
    assert tried_s == [0.0, 1.0, 2.0]
