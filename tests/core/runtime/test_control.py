"""Arm control as a whole, on a fake arm: what stops it, how fast, and what it takes to move again."""

import numpy as np
import pytest
from runtime_cases import FORWARD, PERIOD_S, Cell, command

from world4rl_core.errors import RobotError
from world4rl_core.robot.fake import FakeGripper
from world4rl_core.robot.interface import ArmError, ArmFault, ArmMode
from world4rl_core.runtime.latch import Level

STOPPED_WITHIN_S = 0.3


def moving() -> Cell:
    """A cell whose arm follows the operator's push."""
    cell = Cell().armed()
    cell.human = FORWARD
    cell.run(0.3)
    assert cell.speed > 0.09
    return cell


def assert_needs_reset_and_neutral(cell: Cell) -> None:
    """The arm stands, stays where it is under a pushed puck, and moves only after reset, arming and neutral input."""
    cell.human = FORWARD
    cell.run(1.5)
    assert cell.speed == 0
    with pytest.raises(RobotError, match="call reset_latch first"):
        cell.control.enable()
    cell.control.reset_latch()
    cell.run(0.5)
    assert cell.speed == 0
    with pytest.raises(RobotError, match="the operator's input was neutral for 0.0 s"):
        cell.control.enable()
    cell.human = np.zeros(6)
    cell.run(0.2)
    with pytest.raises(RobotError, match="neutral"):
        cell.control.enable()
    cell.run(0.2)
    cell.control.enable()
    cell.run(0.2)
    assert cell.speed == 0
    cell.human = FORWARD
    cell.run(0.2)
    assert cell.speed > 0.05


def test_an_armed_arm_follows_the_operator_and_a_disarmed_one_does_not():
    cell = Cell()
    cell.human = FORWARD
    cell.run(1)
    assert cell.speed == 0
    moving()


def test_arming_is_refused_while_the_puck_is_pushed():
    cell = Cell()
    cell.human = FORWARD
    cell.run(1)
    with pytest.raises(RobotError, match="cannot arm: the operator's input was neutral for 0.0 s"):
        cell.control.enable()


def test_arming_is_refused_outside_the_box_and_with_an_unhomed_gripper():
    cell = Cell()
    cell.arm.q[0] = 1.5
    cell.run(0.5)
    with pytest.raises(RobotError, match=r"outside the box at .* call home"):
        cell.control.enable()
    with pytest.raises(RobotError, match="the gripper is not homed"):
        cell.control.enable(FakeGripper(cell.clock, max_width_m=0.0).state())


def test_arming_is_refused_before_the_arm_was_heard():
    with pytest.raises(RobotError, match="neutral"):
        Cell().control.enable()


def silence(cell: Cell) -> None:
    cell.human = None


def two_publishers(cell: Cell) -> None:
    cell.control.note_publishers(human=2, policy=0)


def frozen(cell: Cell) -> None:
    cell.arm.is_frozen = True


def guiding(cell: Cell) -> None:
    cell.arm.mode = ArmMode.GUIDING


def not_a_number(cell: Cell) -> None:
    cell.human = np.full(6, np.nan)


def wrong_frame(cell: Cell) -> None:
    cell.human = None
    cell.control.receive(command(FORWARD, time_s=cell.clock.now_s, frame="camera"), cell.clock.now_s)


@pytest.mark.parametrize("fault", [silence, two_publishers, guiding, not_a_number, wrong_frame])
def test_a_short_fault_holds_the_arm_until_the_input_was_neutral(fault):
    cell = moving()
    fault(cell)
    cell.run(STOPPED_WITHIN_S)
    assert cell.speed == 0
    cell.human, cell.arm.mode = FORWARD, ArmMode.IDLE
    cell.control.note_publishers(human=1, policy=1)
    cell.run(1)
    assert (cell.speed, cell.control.latch.level) == (0, Level.HELD)
    cell.human = np.zeros(6)
    cell.run(0.2)
    cell.human = FORWARD
    cell.run(0.3)
    assert cell.speed == 0  # neutral for too short a time
    cell.human = np.zeros(6)
    cell.run(0.4)
    cell.human = FORWARD
    cell.run(0.3)
    assert cell.speed > 0.05


@pytest.mark.parametrize("fault", [silence, two_publishers, guiding, not_a_number])
def test_a_fault_that_lasts_latches(fault):
    cell = moving()
    fault(cell)
    cell.run(1.5)
    assert cell.control.latch.level is Level.LATCHED
    cell.arm.mode = ArmMode.IDLE
    cell.control.note_publishers(human=1, policy=1)
    assert_needs_reset_and_neutral(cell)


def test_an_emergency_stop_latches_in_the_next_period():
    cell = moving()
    cell.control.e_stop(cell.clock.now_s)
    decision = cell.tick()
    assert (decision.may_stream, decision.must_stop) == (False, True)
    assert cell.speed == 0
    assert not cell.tick().must_stop  # once is enough
    assert_needs_reset_and_neutral(cell)


@pytest.mark.parametrize("fault", [ArmFault.REFLEX, ArmFault.COMMUNICATION, ArmFault.LIMIT, ArmFault.OTHER])
def test_what_the_driver_raises_latches_and_is_never_sent_again(fault):
    cell = moving()
    sent = len(cell.arm.commands)
    cell.control.arm_error(ArmError(fault, "motion aborted"))
    cell.run(STOPPED_WITHIN_S)
    assert len(cell.arm.commands) == sent
    assert_needs_reset_and_neutral(cell)


@pytest.mark.parametrize("mode", [ArmMode.REFLEX, ArmMode.USER_STOPPED])
def test_a_stop_by_the_robot_needs_it_sound_again_before_the_reset(mode):
    cell = moving()
    cell.arm.mode, cell.arm.errors = mode, ("cartesian_reflex",) if mode is ArmMode.REFLEX else ()
    cell.run(STOPPED_WITHIN_S)
    with pytest.raises(RobotError, match="cannot reset: .*call recover first"):
        cell.control.reset_latch()
    cell.arm.mode, cell.arm.errors = ArmMode.IDLE, ()
    cell.run(1)
    assert_needs_reset_and_neutral(cell)


def test_a_lost_connection_needs_a_new_one_before_the_reset():
    cell = moving()
    frozen(cell)
    cell.run(0.1)
    assert cell.last is not None and not cell.last.twist.any()
    cell.run(1.2)
    assert cell.last.must_recreate
    with pytest.raises(RobotError, match="nothing new from the arm"):
        cell.control.reset_latch()
    cell.arm.is_frozen = False
    cell.run(1)
    assert cell.control.latch.level is Level.RECREATE
    cell.control.reconnected()
    cell.run(0.1)
    assert_needs_reset_and_neutral(cell)


def test_ten_commands_from_the_future_in_a_second_latch():
    cell = moving()
    for _ in range(10):
        now_s = cell.clock.now_s
        cell.control.receive(command(FORWARD, time_s=now_s + 0.5), now_s)
        cell.tick()
    assert "synchronise the clocks" in cell.control.latch.reason
    assert_needs_reset_and_neutral(cell)


@pytest.mark.parametrize("time_s", [0.0, -1.0, np.nan])
def test_a_command_without_a_stamp_is_refused_and_counted(time_s):
    cell = moving()
    cell.control.receive(command(-FORWARD, time_s=time_s), cell.clock.now_s)
    assert cell.control.status()["refused"] == {"human_no_stamp": 1}


def test_a_high_wrench_holds_and_afterwards_only_the_way_out_is_open():
    cell = moving()
    cell.arm.wrench = np.array([-30.0, 0, 0, 0, 0, 0])
    cell.run(STOPPED_WITHIN_S)
    assert (cell.speed, cell.control.latch.level) == (0, Level.HELD)
    cell.human = np.zeros(6)
    cell.run(0.5)
    cell.human = FORWARD
    cell.run(0.5)
    assert cell.speed == 0
    cell.human = -FORWARD
    cell.run(0.5)
    assert cell.speed > 0.09


@pytest.mark.parametrize("gap_s, level", [(0.1, Level.ARMED), (0.2, Level.HELD)])
def test_a_control_loop_that_was_away_until_the_arm_stood_waits_for_a_neutral_hand(gap_s, level):
    """Fault 78: within the life of a command nothing has happened, after it the arm has stopped by itself."""
    cell = moving()
    cell.clock.step(gap_s - PERIOD_S)
    cell.tick()
    assert cell.control.latch.level is level
    cell.run(0.5)
    assert (cell.speed > 0.09) == (level is Level.ARMED)
    if level is Level.HELD:
        assert "no decision was made for 200 ms" in cell.control.latch.reason
        cell.human = np.zeros(6)
        cell.run(0.5)
        cell.human = FORWARD
        cell.run(0.3)
        assert cell.speed > 0.09


def test_a_gripper_request_counts_when_pressed_while_armed_and_never_later():
    cell = Cell()
    cell.run(0.5)
    cell.control.receive_gripper(1.0, "human", cell.clock.now_s)
    cell.control.receive_gripper(-1.0, "human", cell.clock.now_s)  # pressed while disarmed
    cell.control.enable()
    assert [decision.gripper for decision in cell.run(0.1)] == [None] * 5
    cell.control.receive_gripper(-1.0, "human", cell.clock.now_s)
    assert cell.tick().gripper is None
    cell.control.receive_gripper(1.0, "human", cell.clock.now_s)
    assert cell.tick().gripper == 1.0
    cell.control.receive_gripper(-1.0, "human", cell.clock.now_s)
    cell.control.e_stop(cell.clock.now_s)
    assert cell.tick().gripper is None


def test_a_restarted_teleop_node_does_not_open_the_hand():
    cell = Cell().armed()
    for state in (1.0, -1.0):
        cell.control.receive_gripper(state, "human", cell.clock.now_s)
        cell.tick()
    assert cell.control.gripper.state == -1.0
    cell.human = None
    cell.run(0.4)
    cell.human = np.zeros(6)
    cell.run(0.6)
    cell.control.receive_gripper(1.0, "human", cell.clock.now_s)
    assert all(decision.gripper is None for decision in cell.run(0.2))
