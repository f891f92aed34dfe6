"""Arm control while a policy moves the arm, on a fake arm: what stops it, and that it never goes on by itself."""

import numpy as np
import pytest
from runtime_cases import FORWARD, Cell

from world4rl_core.robot.interface import ArmMode
from world4rl_core.runtime.latch import Level

STOPPED_WITHIN_S = 0.3


def driven() -> Cell:
    """A cell whose arm a policy moves."""
    cell = Cell().armed()
    cell.policy = FORWARD
    cell.run(0.5)
    assert cell.last is not None and cell.last.source == "policy" and cell.speed > 0.09
    return cell


def test_a_dead_policy_latches_and_a_finished_one_does_not():
    for last_twist, level in ((FORWARD, Level.LATCHED), (np.zeros(6), Level.ARMED)):
        cell = driven()
        cell.policy = last_twist
        cell.run(0.1)
        cell.policy = None
        cell.run(STOPPED_WITHIN_S)
        assert cell.speed == 0
        assert cell.control.latch.level is level


def push_back(cell: Cell) -> None:
    cell.arm.wrench = np.array([-30.0, 0, 0, 0, 0, 0])


def crowd(cell: Cell) -> None:
    cell.control.note_publishers(human=1, policy=2)


def garble(cell: Cell) -> None:
    cell.policy = np.full(6, np.nan)


def guide(cell: Cell) -> None:
    cell.arm.mode = ArmMode.GUIDING


@pytest.mark.parametrize("fault", [push_back, crowd, garble, guide])
def test_what_holds_a_persons_arm_latches_a_policys_and_it_never_goes_on_by_itself(fault):
    cell = driven()
    fault(cell)
    cell.run(STOPPED_WITHIN_S)
    assert (cell.speed, cell.control.latch.level) == (0, Level.LATCHED)
    cell.arm.wrench, cell.arm.mode, cell.policy = np.zeros(6), ArmMode.IDLE, FORWARD
    cell.control.note_publishers(human=1, policy=1)
    cell.run(2)
    assert cell.speed == 0
    cell.control.reset_latch()
    cell.run(0.5)
    assert cell.speed == 0
    cell.control.enable()
    cell.run(0.5)
    assert cell.speed > 0.09


def test_without_an_operator_device_a_policy_may_move_and_a_device_that_turns_up_is_obeyed():
    cell = Cell(needs_human=False).armed()
    cell.policy = FORWARD
    cell.run(0.5)
    assert cell.speed > 0.09
    cell.human = -FORWARD
    cell.run(0.5)
    assert cell.last is not None and cell.last.source == "human"
    assert cell.arm.state().twist[0] < 0
    cell.human = None
    cell.run(STOPPED_WITHIN_S)
    assert cell.speed == 0  # once there was a person, silence is a fault


def test_a_policy_does_not_go_on_from_home_by_itself():
    cell = driven()
    cell.control.begin_home()
    cell.run(0.5)
    cell.control.end_home(cell.clock.now_s)
    cell.run(2)
    assert (cell.speed, cell.control.latch.level) == (0, Level.DISARMED)
    cell.control.enable()
    cell.run(0.5)
    assert cell.speed > 0.09


def test_a_persons_hold_ends_by_itself_where_a_policy_only_waits_and_latches_once_it_pushes():
    for push, level in ((np.zeros(6), Level.ARMED), (FORWARD, Level.LATCHED)):
        cell = Cell().armed()
        cell.policy, cell.human = np.zeros(6), FORWARD
        cell.run(0.3)
        cell.human = None
        cell.run(0.2)
        assert cell.control.latch.level is Level.HELD
        cell.policy, cell.human = push, np.zeros(6)
        cell.run(0.6)
        assert cell.control.latch.level is level
