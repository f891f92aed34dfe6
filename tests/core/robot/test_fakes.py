"""The fakes implement the Protocols and behave as the devices do; the kinematics are those of the arm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from world4rl_core.geometry import quat_of_matrix, rotvec_of_quat
from world4rl_core.robot.fake import FakeArm, FakeCamera, FakeClock, FakeGripper, FakeTeleop
from world4rl_core.robot.interface import Arm, ArmError, ArmFault, ArmMode, Camera, CameraLost, Gripper, TeleopDevice
from world4rl_core.robot.kinematics import HOME_Q, condition_number, forward, jacobian, joint_speeds
from world4rl_core.robot.step import PROPRIOCEPTION, proprioception


def test_every_fake_is_what_it_stands_for():
    clock = FakeClock()
    assert isinstance(FakeArm(clock), Arm)
    assert isinstance(FakeGripper(clock), Gripper)
    assert isinstance(FakeCamera(clock), Camera)
    assert isinstance(FakeTeleop(clock), TeleopDevice)


def test_the_start_pose_is_where_the_maker_says():
    T = forward(np.array(HOME_Q))
    np.testing.assert_allclose(T[:3, 3], [0.3069, 0, 0.4869], atol=1e-4)
    np.testing.assert_allclose(T[:3, :3], np.diag([1, -1, -1]), atol=1e-9)


@given(q=hnp.arrays(np.float64, 7, elements=st.floats(-1.5, 1.5)))
def test_the_jacobian_is_the_derivative_of_the_pose(q):
    J, T, step = jacobian(q), forward(q), 1e-6
    for joint in range(7):
        moved = forward(q + step * np.eye(7)[joint])
        linear = (moved[:3, 3] - T[:3, 3]) / step
        angular = rotvec_of_quat(quat_of_matrix(moved[:3, :3] @ T[:3, :3].T)) / step
        np.testing.assert_allclose(J[:, joint], [*linear, *angular], atol=1e-4)


def test_a_stretched_arm_is_near_a_singularity_and_the_start_pose_is_not():
    assert condition_number(np.array(HOME_Q)) < 10
    assert condition_number(np.array([0, 0, 0, -0.08, 0, 1.6, 0])) > 30


def test_joint_speeds_bring_about_the_twist():
    twist = np.array([0.1, -0.05, 0.02, 0.1, 0.2, -0.1])
    np.testing.assert_allclose(jacobian(np.array(HOME_Q)) @ joint_speeds(np.array(HOME_Q), twist), twist, atol=1e-4)


def test_the_arm_moves_until_its_hold_ends_and_no_further():
    clock = FakeClock()
    arm = FakeArm(clock)
    start = arm.state().position_m
    arm.command_twist(np.array([0.1, 0, 0, 0, 0, 0]), hold_s=0.15)
    clock.step(0.1)
    assert arm.state().mode is ArmMode.MOVE
    clock.step(5)
    assert arm.state().mode is ArmMode.IDLE
    np.testing.assert_allclose(arm.state().position_m - start, [0.015, 0, 0], atol=1e-4)


def test_a_queued_fault_is_raised_once_and_the_arm_stands():
    clock = FakeClock()
    arm = FakeArm(clock)
    arm.faults.append(ArmError(ArmFault.REFLEX, "contact"))
    with pytest.raises(ArmError, match="contact"):
        arm.command_twist(np.ones(6), hold_s=0.15)
    before = arm.state().position_m
    clock.step(1)
    np.testing.assert_array_equal(arm.state().position_m, before)


def test_a_frozen_arm_repeats_its_robot_time_and_a_lost_one_raises():
    clock = FakeClock()
    arm = FakeArm(clock)
    first = arm.state()
    arm.is_frozen = True
    clock.step(1)
    assert arm.state().robot_time_s == first.robot_time_s
    arm.close()
    with pytest.raises(ArmError, match="connection"):
        arm.state()


def test_a_pressed_user_stop_refuses_to_recover():
    arm = FakeArm(FakeClock())
    arm.mode = ArmMode.USER_STOPPED
    with pytest.raises(ArmError, match="user stop is pressed"):
        arm.recover()


def test_the_camera_counts_and_paces_its_frames():
    clock = FakeClock()
    camera = FakeCamera(clock, fps=30)
    frames = [camera.read(1.0) for _ in range(4)]
    assert [frame.frame_number for frame in frames if frame] == [0, 1, 2, 3]
    assert clock.now_s == pytest.approx(100 + 3 / 30)
    camera.is_stalled = True
    assert camera.read(0.5) is None
    camera.close()
    with pytest.raises(CameraLost):
        camera.read(0.5)


def test_an_unplugged_device_says_so_and_pushes_nothing():
    teleop = FakeTeleop(FakeClock())
    teleop.axes[:] = 1
    assert teleop.read().axes.all()
    teleop.close()
    assert not teleop.read().is_connected
    assert not teleop.read().axes.any()


def test_the_gripper_grasps_what_lies_between_its_fingers():
    gripper = FakeGripper(FakeClock())
    assert not gripper.grasp()
    gripper.open()
    gripper.object_width_m = 0.05
    assert gripper.grasp()
    assert (gripper.state().width_m, gripper.state().is_grasped) == (0.05, True)
    gripper.lose_object()
    assert not gripper.state().is_grasped


@given(angle=st.floats(-0.3, 0.3))
def test_proprioception_has_no_jump_when_the_gripper_points_down(angle):
    """The quaternion of a turn by just under and just over pi changes its sign, the six numbers do not."""
    T = forward(np.array(HOME_Q))
    numbers = proprioception(
        T[:3, 3], np.array([np.cos(angle / 2), np.sin(angle / 2), 0, 0]), width_m=0.04, q=np.zeros(7)
    )
    opposite = proprioception(
        T[:3, 3], -np.array([np.cos(angle / 2), np.sin(angle / 2), 0, 0]), width_m=0.04, q=np.zeros(7)
    )
    assert numbers.shape == (len(PROPRIOCEPTION),)
    np.testing.assert_array_equal(numbers, opposite)
