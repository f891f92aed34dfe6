"""The motion home: not streamed over, ended by a latch, by disabling and by a fault."""

import pytest
from runtime_cases import FORWARD, Cell

from world4rl_core.errors import RobotError
from world4rl_core.robot.interface import ArmMode
from world4rl_core.runtime.latch import Level

STOPPED_WITHIN_S = 0.3


def moving() -> Cell:
    """A cell whose arm follows the operator's push."""
    cell = Cell().armed()
    cell.human = FORWARD
    cell.run(0.3)
    return cell


def frozen(cell: Cell) -> None:
    cell.arm.is_frozen = True


def test_the_motion_home_is_not_streamed_over_and_is_stopped_by_a_latch_only():
    cell = moving()
    cell.control.begin_home()
    decisions = cell.run(0.5)
    assert not any(decision.may_stream or decision.must_stop for decision in decisions)
    with pytest.raises(RobotError, match="on its way already"):
        cell.control.begin_home()
    cell.control.e_stop(cell.clock.now_s)
    assert all(decision.must_stop for decision in cell.run(0.1))
    cell.control.end_home(cell.clock.now_s)
    with pytest.raises(RobotError, match="cannot move home: latched by e_stop"):
        cell.control.begin_home()


def end_by_disabling(cell: Cell) -> None:
    cell.control.disable()


def end_by_guiding(cell: Cell) -> None:
    cell.arm.mode = ArmMode.GUIDING


@pytest.mark.parametrize("end", [end_by_disabling, end_by_guiding, frozen])
def test_the_motion_home_is_ended_by_disabling_and_by_a_fault_within_the_time(end):
    cell = Cell()
    cell.run(0.5)
    cell.control.begin_home()
    cell.run(0.5)
    end(cell)
    assert cell.run(STOPPED_WITHIN_S)[-1].must_stop
    assert all(decision.must_stop for decision in cell.run(0.2))  # also if the driver starts it only now
    cell.control.end_home(cell.clock.now_s)
    cell.run(0.1)
    assert not cell.tick().must_stop


def test_after_the_motion_home_a_pushed_puck_moves_nothing():
    cell = moving()
    cell.control.begin_home()
    cell.run(0.5)
    cell.control.end_home(cell.clock.now_s)
    cell.run(1)
    assert (cell.speed, cell.control.latch.level) == (0, Level.HELD)
