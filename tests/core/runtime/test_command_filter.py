"""The safety filter: whatever is asked for, what comes out is slow enough, smooth enough and leads nowhere outside."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from runtime_cases import CENTRE, DOWN_XYZW, FORWARD, RIG, command, state_at

from world4rl_core.geometry import matrix_of_quat, quat_multiply, quat_of_rotvec, tilt
from world4rl_core.robot.kinematics import condition_number, forward
from world4rl_core.runtime.command_filter import Command, CommandFilter
from world4rl_core.runtime.joint_guard import HARD_MARGIN_RAD, JointGuard
from world4rl_core.runtime.workspace import BEYOND_TILT_RAD, OUTSIDE_M

LIMITS = RIG.limits
LOW, HIGH = np.array(LIMITS.box_low_m), np.array(LIMITS.box_high_m)
ANY_NUMBER = st.floats(allow_nan=True, allow_infinity=True)
TWISTS = hnp.arrays(np.float64, 6, elements=st.floats(-5, 5))
PLACES = hnp.arrays(np.float64, 3, elements=st.floats(-0.2, 1.2))
WRENCHES = hnp.arrays(np.float64, 6, elements=st.floats(-60, 60))
TILTS = hnp.arrays(np.float64, 3, elements=st.floats(-1.2, 1.2))


def after_a_while(twist: np.ndarray, state, steps: int = 10):
    """What the filter lets through once its acceleration limit has nothing more to say."""
    guard = CommandFilter(replace(LIMITS, linear_mps2=13.0, angular_radps2=25.0))
    for _ in range(steps):
        out = guard.step(command(twist), state, 100.0)
    return out


@settings(max_examples=60)
@given(twists=st.lists(TWISTS, min_size=1, max_size=8), place=PLACES, wrench=WRENCHES, turn=TILTS)
def test_whatever_is_asked_the_output_is_slow_smooth_and_leads_nowhere_outside(twists, place, wrench, turn):
    guard = CommandFilter(LIMITS)
    quat = quat_multiply(quat_of_rotvec(turn), DOWN_XYZW)
    before = np.zeros(6)
    for i, twist in enumerate(twists):
        now_s = 100 + 0.02 * i
        state = state_at(place, now_s=now_s, wrench=wrench, quat_xyzw=quat)
        out = guard.step(command(twist, time_s=now_s), state, now_s).twist
        assert np.linalg.norm(out[:3]) <= LIMITS.linear_mps + 1e-9
        assert np.linalg.norm(out[3:]) <= LIMITS.angular_radps + 1e-9
        speeding = np.linalg.norm(out) - np.linalg.norm(before)
        assert speeding <= np.hypot(LIMITS.linear_mps2, LIMITS.angular_radps2) * 0.02 + 1e-9
        assert (out[:3][place >= HIGH] <= 0).all() and (out[:3][place <= LOW] >= 0).all()
        assert_tilts_no_further(out[3:], quat)
        assert_gives_way(out, wrench)
        before = out


def assert_tilts_no_further(angular: np.ndarray, quat: np.ndarray) -> None:
    if tilt(quat) > LIMITS.max_tilt_rad:
        axis = matrix_of_quat(quat)[:, 2]
        assert np.cross(angular, axis)[2] <= 1e-9  # the gripper's axis does not rise


def assert_gives_way(twist: np.ndarray, wrench: np.ndarray) -> None:
    for part, most in ((slice(0, 3), LIMITS.soft_force_n), (slice(3, 6), LIMITS.soft_torque_nm)):
        if np.linalg.norm(wrench[part]) > most:
            assert twist[part] @ wrench[part] >= -1e-6


@settings(max_examples=40)
@given(twist=TWISTS, place=PLACES)
def test_outside_the_box_only_the_way_back_is_open(twist, place):
    out = after_a_while(twist, state_at(place)).twist[:3]
    beyond = np.maximum(LOW - place, place - HIGH)
    if (beyond > OUTSIDE_M).any():
        inward = np.where(place < LOW, 1.0, -1.0)
        assert (out[beyond <= OUTSIDE_M] == 0).all()
        assert (out * inward >= 0)[beyond > OUTSIDE_M].all()


@settings(max_examples=6)
@given(start=st.integers(0, 2**32 - 1))
def test_a_walk_of_any_commands_stays_in_the_box(start):
    rng = np.random.default_rng(start)
    guard = CommandFilter(LIMITS)
    place = rng.uniform(LOW + 0.05, HIGH - 0.05)
    twist = rng.uniform(-3, 3, 6)
    for i in range(150):
        twist = rng.uniform(-3, 3, 6) if rng.random() < 0.05 else twist
        now_s = 100 + 0.02 * i
        seen = place.copy()
        out = guard.step(command(twist, time_s=now_s), state_at(seen, now_s=now_s), now_s)
        place = place + 0.02 * out.twist[:3]
        assert (place >= LOW - 1e-9).all() and (place <= HIGH + 1e-9).all()


@settings(max_examples=60)
@given(twist=hnp.arrays(np.float64, 6, elements=st.floats(-1.7e308, 1.7e308)), frame=st.sampled_from(["base", "ee"]))
@example(twist=np.full(6, 1.7e308), frame="ee")
def test_numbers_that_overflow_are_clipped_and_never_become_nan(twist, frame):
    tilted = quat_multiply(quat_of_rotvec(np.array([0.3, 0.2, 0.1])), DOWN_XYZW)
    out = CommandFilter(LIMITS).step(command(twist, frame=frame), state_at(CENTRE, quat_xyzw=tilted), 100.0)
    assert np.isfinite(out.twist).all()
    assert np.linalg.norm(out.twist[:3]) <= LIMITS.linear_mps + 1e-9


@given(bad=hnp.arrays(np.float64, 6, elements=ANY_NUMBER), at=st.integers(0, 5))
@example(bad=np.full(6, np.nan), at=0)
def test_not_a_number_becomes_zero_at_once(bad, at):
    bad[at] = np.nan if np.isfinite(bad[at]) else bad[at]
    guard = CommandFilter(LIMITS)
    guard.step(command(FORWARD), state_at(CENTRE), 100.0)
    out = guard.step(command(bad), state_at(CENTRE), 100.0)
    assert out.is_stopped and out.reasons == ("not_finite",)
    assert not out.twist.any()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time_s": 99.84}, "stale"),
        ({"time_s": np.nan}, "stale"),
        ({"time_s": 100.03}, "from_the_future"),
        ({"frame": "camera"}, "frame"),
        ({"twist": np.zeros(3)}, "not_finite"),
    ],
)
def test_a_refused_command_is_zero_and_says_why(change, reason):
    sent = {"time_s": 100.0, "frame": "base", "twist": FORWARD, "source": "human"} | change
    out = CommandFilter(LIMITS).step(Command(**sent), state_at(CENTRE), 100.0)
    assert (out.is_stopped, out.reasons) == (True, (reason,))
    assert not out.twist.any()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"now_s": 99.9}, "state_stale"),
        ({"position_m": np.full(3, np.nan)}, "state_not_finite"),
        ({"wrench": np.full(6, np.inf)}, "state_not_finite"),
        ({"quat_xyzw": np.zeros(4)}, "no_orientation"),
    ],
)
def test_without_a_trustworthy_state_nothing_moves(change, reason):
    fields = {"position_m": CENTRE, "now_s": 100.0} | change
    out = CommandFilter(LIMITS).step(command(FORWARD), state_at(**fields), 100.0)
    assert (out.is_stopped, out.reasons) == (True, (reason,))


def test_a_command_that_stands_while_the_ros_clock_stands_is_stale_by_the_wall_clock():
    sent = Command(100.0, "base", FORWARD, "human", wall_time_s=5.0)
    assert CommandFilter(LIMITS).step(sent, state_at(CENTRE), 100.0, wall_s=5.1).twist.any()
    assert CommandFilter(LIMITS).step(sent, state_at(CENTRE), 100.0, wall_s=5.2).reasons == ("stale",)


@settings(max_examples=40)
@given(twist=TWISTS)
def test_clipping_keeps_the_direction(twist):
    out = after_a_while(twist, state_at(CENTRE))
    for part in (slice(0, 3), slice(3, 6)):
        length = np.linalg.norm(twist[part])
        if length > 1e-3 and "tilt" not in out.reasons and not {"singularity", "joint_limit"} & set(out.reasons):
            np.testing.assert_allclose(
                out.twist[part] / np.linalg.norm(out.twist[part]), twist[part] / length, atol=1e-6
            )


def test_over_speed_is_named_and_an_honest_command_passes_unchanged():
    assert "speed" in after_a_while(10 * FORWARD, state_at(CENTRE)).reasons
    out = after_a_while(FORWARD, state_at(CENTRE))
    assert out.reasons == () and not out.is_clipped
    np.testing.assert_allclose(out.twist, FORWARD, atol=1e-12)


def test_a_step_is_slewed_but_a_stop_is_not():
    guard = CommandFilter(LIMITS)
    first = guard.step(command(FORWARD), state_at(CENTRE), 100.0)
    assert first.reasons == ("acceleration",)
    assert np.linalg.norm(first.twist) == pytest.approx(0.02 * LIMITS.linear_mps2)
    for i in range(20):
        guard.step(command(FORWARD, time_s=100 + 0.02 * i), state_at(CENTRE, now_s=100 + 0.02 * i), 100 + 0.02 * i)
    assert not guard.step(None, state_at(CENTRE), 100.42).twist.any()


def test_a_filter_that_was_not_called_for_a_while_does_not_jump():
    guard = CommandFilter(LIMITS)
    guard.step(command(np.zeros(6)), state_at(CENTRE), 100.0)
    out = guard.step(command(10 * FORWARD, time_s=110.0), state_at(CENTRE, now_s=110.0), 110.0)
    assert np.linalg.norm(out.twist[:3]) <= 0.05 * LIMITS.linear_mps2 + 1e-9


def test_commands_along_the_gripper_are_turned_into_base():
    along = np.array([0, 0, 0.1, 0, 0, 0])
    guard = CommandFilter(LIMITS)
    for _ in range(20):
        out = guard.step(command(along, frame="ee"), state_at(CENTRE), 100.0)
    np.testing.assert_allclose(out.twist, [0, 0, -0.1, 0, 0, 0], atol=1e-9)


def test_beyond_the_tilt_cone_only_the_way_back_is_open():
    quat = quat_multiply(quat_of_rotvec(np.array([LIMITS.max_tilt_rad + 2 * BEYOND_TILT_RAD, 0, 0])), DOWN_XYZW)
    state = state_at(CENTRE, quat_xyzw=quat)
    turn = np.array([0, 0, 0, 0.5, 0, 0])
    assert not after_a_while(turn, state).twist.any()
    assert after_a_while(-turn, state).twist[3] < -0.4
    assert not after_a_while(np.array([0, 0, 0, 0, 0, 0.5]), state).twist.any()


def test_a_joint_at_its_limit_moves_only_away_from_it():
    guard = JointGuard("panda")
    q = np.array([0.0, -0.7854, 0.0, -2.3562, 0.0, 1.5708, 2.8973 - 0.5 * HARD_MARGIN_RAD])
    turn = np.array([0, 0, 0, 0, 0, -0.5])  # joint 7 turns about the gripper's axis, which points down
    assert guard.scale(turn, q) == (0.0, ("joint_limit",))
    assert guard.scale(-turn, q)[0] == 1.0


def test_near_a_singularity_the_way_in_is_closed_and_the_way_out_open():
    guard = JointGuard("panda")
    q = np.array([0.0, 0.3, 0.0, -0.35, 0.0, 0.9, 0.7854])
    assert condition_number(q) > 17
    outward = np.concatenate([forward(q)[:3, 3] - [0, 0, 0.333], np.zeros(3)])
    outward *= 0.2 / np.linalg.norm(outward)
    scale, reasons = guard.scale(outward, q)
    assert scale < 1 and "singularity" in reasons
    assert guard.scale(-outward, q) == (1.0, ())
