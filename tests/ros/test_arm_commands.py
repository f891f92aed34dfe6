"""Bad commands, sources and places: faults 1-8, 10-13, 17 and 76 of the fault list, on the real client."""

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import TwistStamped

from world4rl import convert, qos
from world4rl.arm_command import arm
from world4rl_core.errors import RobotError

pytestmark = pytest.mark.slow
OUTSIDE_Q = (1.05, -0.119936, 0.0, -2.485277, 0.0, 2.365341, 0.785398)
"""The start pose turned about the vertical: the hand is 2 cm nearer to the base than the box allows."""


def test_a_silent_operator_stops_the_arm_and_neutral_input_gives_it_back(client):
    client.get_moving()
    client.is_streaming = False
    silent_s = client.now_s()
    client.assert_stopped(silent_s)
    assert client.status["level"] in ("held", "latched")
    client.is_streaming = True
    stood_s = client.now_s()
    client.sleep(0.4)
    assert client.travelled_m(stood_s) < 1e-3, "the push that was interrupted must not go on by itself"


def test_a_long_silence_latches(client):
    client.get_moving()
    client.is_streaming = False
    client.sleep(1.5)
    assert client.status["level"] == "latched"
    client.is_streaming = True
    client.assert_needs_reset_and_neutral()


@pytest.mark.parametrize("frame", ["", "camera"])
def test_commands_in_another_frame_are_refused_and_counted(client, frame):
    client.get_moving()
    client.frame = frame
    began_s = client.now_s()
    client.assert_stopped(began_s)
    assert client.status["refused"]["human_frame"] > 5


def test_a_command_without_a_stamp_is_refused_and_counted(client):
    client.get_moving()
    client.stamp_offset_s = -client.now_s() - 1e9
    client.is_streaming = False
    began_s = client.now_s()
    unstamped = convert.twist_message(client.twist, time_s=0.0)
    publisher = client._twists
    for _ in range(20):
        publisher.publish(unstamped)
        client.sleep(0.02)
    client.assert_stopped(began_s)
    assert client.status["refused"]["human_no_stamp"] > 5


def test_ten_commands_from_the_future_latch(client):
    client.get_moving()
    client.stamp_offset_s = 0.5
    began_s = client.now_s()
    client.assert_stopped(began_s)
    client.wait(lambda: client.status["level"] == "latched", "the latch")
    assert "clock" in client.status["reason"]
    client.stamp_offset_s = 0.0
    client.assert_needs_reset_and_neutral()


def test_a_command_that_is_not_a_number_stops_the_arm_until_neutral(client):
    client.get_moving()
    client.twist[0] = np.nan
    client.assert_stopped(client.now_s())
    client.push(0.0, 0.1, 0.0)
    stood_s = client.now_s()
    client.sleep(0.5)
    assert client.travelled_m(stood_s) < 1e-3
    assert np.isfinite(client.applied).all()


def test_too_fast_is_clipped_along_its_direction_and_smoothly(client, shared_cell):
    client.applied.clear()
    client.push(0.0, 3.0, 4.0)
    client.sleep(0.4)
    client.let_go()
    sent = np.array(client.applied)[:, :3]
    speeds = np.linalg.norm(sent, axis=1)
    assert speeds.max() <= shared_cell.limits["linear_mps"] + 1e-9
    assert speeds.max() > 0.9 * shared_cell.limits["linear_mps"]
    fast = sent[speeds > 0.2]
    np.testing.assert_allclose(fast[:, 1] / fast[:, 2], 0.75, rtol=1e-6)
    rising = np.diff(speeds).max()
    assert rising <= shared_cell.limits["linear_mps2"] * 0.05 + 1e-6


def test_two_publishers_are_both_ignored(client, shared_cell):
    client.get_moving()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=shared_cell.domain)
    intruder = rclpy.create_node("intruder", context=context, namespace="w4rl")
    intruder.create_publisher(TwistStamped, "cmd/twist", qos.COMMAND)
    try:
        client.wait(lambda: client.status["level"] != "armed", "the hold")
        client.assert_stopped(client.now_s())
        client.call("arm/enable", data=False)
        is_armed, why = client.call("arm/enable", data=True)
        assert not is_armed and "more than one publisher" in why
    finally:
        intruder.destroy_node()
        context.try_shutdown()


def test_commands_while_disarmed_do_nothing_now_or_later(client):
    client.call("arm/enable", data=False)
    client.push(0.0, 0.1, 0.0)
    stood_s = client.now_s()
    client.sleep(0.5)
    client.let_go()
    client.arm()
    client.sleep(0.5)
    assert client.travelled_m(stood_s) < 1e-3


def test_arming_waits_for_neutral_input(client):
    client.call("arm/enable", data=False)
    client.push(0.0, 0.05, 0.0)
    client.sleep(0.3)
    is_armed, why = client.call("arm/enable", data=True)
    assert not is_armed and "neutral" in why


def test_the_hand_does_not_leave_the_box(client, shared_cell):
    side_m, margin_m = shared_cell.limits["box_high_m"][1], shared_cell.limits["margin_m"]
    client.move(side_m - margin_m, 0.0, 0.3, 0.0)
    client.sleep(1.0)
    furthest_m = max(position[1] for _, position in client.hand[-100:])
    assert side_m - margin_m < furthest_m < side_m + 0.005


def test_outside_the_box_arming_is_refused_and_only_the_way_in_is_open(client, shared_cell):
    client.inject("push_arm", q=OUTSIDE_Q)
    client.sleep(0.3)
    near_m = shared_cell.limits["box_low_m"][0]
    assert client.position()[0] < near_m - 0.01
    client.push(-0.1, 0.0, 0.0)
    outward_s = client.now_s()
    client.sleep(0.5)
    assert client.travelled_m(outward_s) < 3e-3
    client.move(0.03, 0.1, 0.0, 0.0)
    assert client.position()[0] > near_m
    client.let_go()
    client.call("arm/enable", data=False)
    client.wait(lambda: client.status["mode"] == "idle", "the end of the motion")
    client.inject("push_arm", q=OUTSIDE_Q)
    client.sleep(0.5)
    is_armed, why = client.call("arm/enable", data=True)
    assert not is_armed and "outside the box" in why


def test_an_emergency_stop_latches_at_once(client):
    client.get_moving()
    began_s = client.now_s()
    assert client.call("arm/e_stop") == (True, "done")
    client.assert_stopped(began_s)
    assert client.status["level"] == "latched" and "e_stop" in client.status["reason"]
    client.assert_needs_reset_and_neutral()


def test_the_terminal_stops_the_arm_and_brings_it_back(client, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(client.domain))
    client.get_moving()
    assert arm("stop") == "stop: done"
    client.assert_stopped(client.now_s())
    with pytest.raises(RobotError, match="call reset_latch first"):
        arm("enable")
    assert arm("reset") == "reset: done"
    with pytest.raises(RobotError, match="neutral"):
        arm("enable")
    client.let_go()
    client.sleep(0.5)
    assert arm("enable") == "enable: done"
    client.move(0.01, 0.0, 0.1, 0.0)
    assert arm("disable") == "disable: done"
