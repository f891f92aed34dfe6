"""Faults of robot, network and gripper: 18, 20, 25, 30, 31, 33, 35, 38, 40, 42 and 43 of the fault list.

The rule for all: the hand stands within 0.3 s and moves again only after an explicit reset and a neutral input.
"""

import pytest

pytestmark = pytest.mark.slow


def recover_and_reset(client):
    assert client.call("arm/recover") == (True, "done")
    client.sleep(0.2)
    client.assert_needs_reset_and_neutral()


@pytest.mark.parametrize("flag", ["cartesian_reflex", "joint_reflex", "communication_constraints_violation"])
def test_an_abort_by_the_robot_latches_until_it_is_recovered_and_reset(client, flag):
    client.get_moving()
    began_s = client.inject("abort", status=8, errors=[flag], mode="kReflex")
    client.assert_stopped(began_s)
    assert client.status["level"] == "latched"
    assert flag in client.status["reason"]
    is_reset, why = client.call("arm/reset_latch")
    assert not is_reset and "recover" in why
    recover_and_reset(client)


def test_the_fault_of_an_earlier_motion_is_not_answered_by_another_motion(client):
    """franky raises it at the next command; the robot itself already says that it is idle."""
    client.get_moving()
    began_s = client.inject("abort", status=11)
    client.assert_stopped(began_s)
    assert client.status["level"] == "latched"
    client.assert_needs_reset_and_neutral()


def test_a_user_stop_needs_a_person_at_the_robot(client):
    client.get_moving()
    client.inject("refuse_recovery", status=5)
    began_s = client.inject("abort", status=9, mode="kUserStopped")
    client.assert_stopped(began_s)
    assert client.status["level"] == "operator"
    is_recovered, why = client.call("arm/recover")
    assert not is_recovered and "User Stop" in why
    assert not client.call("arm/reset_latch")[0]
    client.inject("clear")
    client.wait(lambda: client.status["level"] == "latched", "the release of the user stop")
    client.assert_needs_reset_and_neutral()


def test_a_recovery_that_needs_hands_says_so(client):
    client.inject("refuse_recovery", status=3)
    is_recovered, why = client.call("arm/recover")
    assert not is_recovered and "manual" in why.lower()


@pytest.mark.parametrize("fault", [{"kind": "drop_connection"}, {"kind": "stall", "seconds": 1.6}])
def test_a_lost_connection_is_made_anew_but_nothing_resumes(client, fault):
    client.get_moving()
    began_s = client.inject(**fault)
    client.wait(lambda: client.status["level"] in ("recreate", "latched"), "the loss being noticed")
    client.assert_stopped(max(began_s, client.now_s() - 0.3) if fault["kind"] == "stall" else began_s)
    client.wait(lambda: client.status["connected"] and client.status["level"] == "latched", "the new connection")
    client.sleep(0.2)
    client.assert_needs_reset_and_neutral()


def test_a_state_that_stands_still_holds_the_arm(client):
    """Without packets nobody can tell this arm anything: a real one stops after 20 of them, franky-sim's goes on."""
    silence_s = 0.4
    client.get_moving()
    began_s = client.inject("mute", seconds=silence_s)
    client.wait(lambda: client.status["level"] == "held", "the hold")
    client.assert_stopped(began_s + silence_s)
    client.let_go()
    client.wait(lambda: client.status["level"] == "armed", "the end of the hold after neutral input")


def test_a_strong_external_force_holds_the_arm(client):
    client.get_moving()
    began_s = client.inject("state", O_F_ext_hat_K=[0.0, -25.0, 0.0, 0.0, 0.0, 0.0])
    client.assert_stopped(began_s)
    assert "wrench" in client.status["reason"]


def test_a_poor_success_rate_is_a_warning(client):
    client.get_moving()
    client.inject("state", control_command_success_rate=0.8)
    client.wait(lambda: any("success rate" in line for line in client.status["warnings"]), "the warning")
    client.let_go()


def test_a_guided_arm_is_not_moved(client):
    client.get_moving()
    began_s = client.inject("abort", status=11, mode="kGuiding")
    client.assert_stopped(began_s)
    assert not client.call("arm/enable", data=True)[0]


def press(client, state):
    """A person's button: only a change of the streamed state is a request."""
    client.grip(-state)
    client.sleep(0.1)
    client.grip(state)


def test_a_missed_grasp_is_an_event_and_no_fault(client):
    press(client, -1.0)
    client.wait(lambda: "grasped_nothing" in client.status["hand_event"], "the event")
    assert client.status["level"] == "armed" and not client.status["hand_faulty"]
    press(client, 1.0)
    client.wait(lambda: not client.status["hand_busy"] and client.status["hand_wanted"] == 1.0, "opening")


def test_quick_presses_end_in_the_newest_state(client):
    client.grip(1.0)
    for state in (-1.0, 1.0, -1.0, 1.0, -1.0):
        client.grip(state)
        client.sleep(0.05)
    client.wait(lambda: client.status["hand_wanted"] == -1.0 and not client.status["hand_busy"], "closing")
    press(client, 1.0)
    client.wait(lambda: client.status["hand_wanted"] == 1.0 and not client.status["hand_busy"], "opening")


def test_a_refused_grasp_is_tried_once_more_and_then_a_fault_of_the_hand_alone(client):
    client.inject("gripper", how="refuse")
    press(client, -1.0)
    client.wait(lambda: client.status["hand_faulty"], "the hand's fault")
    client.get_moving()
    client.let_go()


def test_an_unhomed_hand_is_homed_by_home_before_arming(client):
    client.call("arm/enable", data=False)
    client.inject("gripper", how="unhomed")
    client.wait(lambda: not client.status["hand_homed"], "the unhomed hand")
    is_armed, why = client.call("arm/enable", data=True)
    assert not is_armed and "home" in why
    assert client.call("arm/home") == (True, "done")
    client.arm()
