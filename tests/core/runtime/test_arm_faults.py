"""What the robot says, as reactions: the texts are those of libfranka and franky."""

from dataclasses import replace

import numpy as np
import pytest
from runtime_cases import CENTRE, state_at

from world4rl_core.robot.interface import ArmError, ArmFault, ArmMode
from world4rl_core.runtime.faults import REACTION_TO, StateWatch, fault_of, may_recover_by_itself, trip_of_error
from world4rl_core.runtime.latch import Reaction

ABORTED = 'libfranka: Move command aborted: motion aborted by reflex! ["{}"]'


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        ("ControlException", ABORTED.format("cartesian_reflex"), ArmFault.REFLEX),
        ("ControlException", ABORTED.format("joint_reflex"), ArmFault.REFLEX),
        ("ControlException", ABORTED.format("communication_constraints_violation"), ArmFault.COMMUNICATION),
        ("ControlException", ABORTED.format("cartesian_motion_generator_velocity_discontinuity"), ArmFault.LIMIT),
        ("ControlException", ABORTED.format("joint_velocity_violation"), ArmFault.LIMIT),
        ("ControlException", ABORTED.format("cartesian_velocity_limits_violation"), ArmFault.LIMIT),
        (
            "CommandException",
            "libfranka: Automatic Error Recovery command aborted: User Stop pressed!",
            ArmFault.USER_STOP,
        ),
        (
            "CommandException",
            "Automatic error recovery failed: manual error recovery required!",
            ArmFault.MANUAL_RECOVERY,
        ),
        ("NetworkException", "libfranka: UDP receive: Timeout", ArmFault.CONNECTION_LOST),
        ("NetworkException", "libfranka: Connection to FCI refused. Please enable FCI mode in Desk.", ArmFault.FCI_OFF),
        ("RuntimeError", "Net Exception", ArmFault.CONNECTION_LOST),
        ("Exception", "Attempted to start multiple motions!", ArmFault.CONNECTION_LOST),
        ("IncompatibleVersionException", "libfranka: Incompatible library version (server 5)", ArmFault.WRONG_VERSION),
        ("RealtimeException", "libfranka: unable to set realtime scheduling", ArmFault.NO_REALTIME),
        ("RuntimeError", "Waypoint velocity 3 exceeds maximum velocity 1.7", ArmFault.LIMIT),
        ("ControlException", "something new", ArmFault.OTHER),
    ],
)
def test_an_exception_is_classified_by_its_text(kind, text, fault):
    assert fault_of(kind, text) is fault


def test_every_fault_has_a_reaction_that_stops_the_arm():
    assert set(REACTION_TO) == set(ArmFault)
    assert min(REACTION_TO.values()) >= Reaction.LATCH
    assert trip_of_error(ArmError(ArmFault.USER_STOP, "pressed")).reaction is Reaction.OPERATOR
    assert trip_of_error(ArmError(ArmFault.CONNECTION_LOST, "gone")).reaction is Reaction.RECREATE


def test_contact_may_be_recovered_on_the_way_home_and_a_self_collision_may_not():
    assert may_recover_by_itself(("cartesian_reflex",))
    for error in ("self_collision_avoidance_violation", "power_limit_violation", "instability_detected"):
        assert not may_recover_by_itself((error,))


@pytest.mark.parametrize(
    ("mode", "errors", "reaction"),
    [
        (ArmMode.IDLE, (), None),
        (ArmMode.MOVE, (), None),
        (ArmMode.MOVE, ("power_limit_violation",), Reaction.LATCH),
        (ArmMode.REFLEX, ("cartesian_reflex",), Reaction.LATCH),
        (ArmMode.USER_STOPPED, (), Reaction.OPERATOR),
        (ArmMode.GUIDING, (), Reaction.HOLD),
        (ArmMode.RECOVERY, (), Reaction.HOLD),
        (ArmMode.OTHER, (), Reaction.HOLD),
    ],
)
def test_a_mode_has_a_reaction(mode, errors, reaction):
    trips = StateWatch().step(state_at(CENTRE, mode=mode, errors=errors), 100.0)
    assert [trip.reaction for trip in trips] == ([reaction] if reaction else [])


def reactions(watch: StateWatch, state, now_s: float, **clock) -> list[Reaction]:
    return [trip.reaction for trip in watch.step(state, now_s, **clock)]


def test_a_state_that_stands_still_holds_and_after_a_second_the_connection_is_given_up():
    watch, state = StateWatch(), state_at(CENTRE)
    assert reactions(watch, state, 100.0) == []
    assert reactions(watch, replace(state, time_s=100.04), 100.04) == []
    assert reactions(watch, replace(state, time_s=100.06), 100.06) == [Reaction.HOLD]  # read anew, and the same
    assert reactions(watch, replace(state, time_s=101.1), 101.1) == [Reaction.RECREATE]
    assert reactions(watch, replace(state, time_s=101.2, robot_time_s=7.0), 101.2) == []


def test_a_state_that_stands_still_with_the_ros_clock_is_noticed_by_the_wall_clock():
    watch, state = StateWatch(), state_at(CENTRE)
    assert reactions(watch, state, 100.0, wall_s=1.0) == []
    assert reactions(watch, state, 100.0, wall_s=1.2) == []
    assert reactions(watch, state, 100.0, wall_s=1.4) == [Reaction.HOLD]
    assert reactions(watch, state, 100.0, wall_s=2.1) == [Reaction.RECREATE]


def test_no_state_and_a_state_that_is_no_number_never_pass():
    assert reactions(StateWatch(), None, 100.0) == [Reaction.HOLD]
    assert reactions(StateWatch(), state_at(np.full(3, np.nan)), 100.0) == [Reaction.LATCH]


def test_a_poor_network_is_warned_of_and_forgiven():
    watch, said = StateWatch(), []
    for i in range(120):
        now_s = 100 + 0.01 * i
        state = state_at(CENTRE, now_s=now_s, mode=ArmMode.MOVE, success_rate=0.85)
        assert reactions(watch, state, now_s) == []  # it informs, it does not stop
        said = watch.warnings(state, now_s)
    assert watch.is_network_poor(now_s)
    assert any("success rate 0.85" in line for line in said) and any("episodes are refused" in line for line in said)
    watch.step(state_at(CENTRE, now_s=102.0, mode=ArmMode.MOVE, success_rate=1.0), 102.0)
    assert not watch.is_network_poor(102.0)
