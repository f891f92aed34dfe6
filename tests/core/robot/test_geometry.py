"""Rotations and twists: both ways round, and against the definition by finite differences."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from world4rl_core.geometry import (
    adjoint,
    angle_between,
    inverse,
    matrix_of_quat,
    pose,
    quat_multiply,
    quat_of_matrix,
    quat_of_rotvec,
    rotvec_of_quat,
    tilt,
    twist_in_base,
    twist_in_ee,
)

VECTORS = hnp.arrays(np.float64, 3, elements=st.floats(-1.5, 1.5))
TWISTS = hnp.arrays(np.float64, 6, elements=st.floats(-2, 2))
QUATS = VECTORS.map(quat_of_rotvec)


@given(rotvec=VECTORS)
def test_rotation_vector_quaternion_and_matrix_agree(rotvec):
    quat = quat_of_rotvec(rotvec)
    np.testing.assert_allclose(rotvec_of_quat(quat), rotvec, atol=1e-9)
    assert angle_between(quat, quat_of_matrix(matrix_of_quat(quat))) < 1e-7
    assert abs(angle_between(quat, np.array([0.0, 0, 0, 1])) - np.linalg.norm(rotvec)) < 1e-7


@given(first=QUATS, second=QUATS)
def test_quaternions_multiply_as_their_matrices_do(first, second):
    product = matrix_of_quat(quat_multiply(first, second))
    np.testing.assert_allclose(product, matrix_of_quat(first) @ matrix_of_quat(second), atol=1e-9)


@given(twist=TWISTS, quat=QUATS)
def test_a_twist_survives_the_way_to_the_other_axes_and_back(twist, quat):
    np.testing.assert_allclose(twist_in_ee(twist_in_base(twist, quat), quat), twist, atol=1e-9)
    np.testing.assert_allclose(twist_in_base(twist_in_ee(twist, quat), quat), twist, atol=1e-9)


@given(twist=TWISTS, position=VECTORS, quat=QUATS)
def test_the_adjoint_of_the_inverse_pose_is_the_inverse_adjoint(twist, position, quat):
    T = pose(position, quat)
    np.testing.assert_allclose(adjoint(inverse(T)) @ adjoint(T) @ twist, twist, atol=1e-9)


@given(twist=TWISTS, position=VECTORS, quat=QUATS, point=VECTORS)
def test_the_adjoint_keeps_the_velocity_of_every_point_of_the_body(twist, position, quat, point):
    """A point of the body moves with v + w x p in either frame."""
    T = pose(position, quat)
    moved = adjoint(T) @ twist
    in_b = twist[:3] + np.cross(twist[3:], point)
    at_a = (T @ np.append(point, 1))[:3]
    np.testing.assert_allclose(moved[:3] + np.cross(moved[3:], at_a), T[:3, :3] @ in_b, atol=1e-9)


def test_along_the_gripper_is_down_when_it_points_down():
    pointing_down = np.array([1.0, 0, 0, 0])
    np.testing.assert_allclose(twist_in_base(np.array([0, 0, 1.0, 0, 0, 0]), pointing_down), [0, 0, -1, 0, 0, 0])
    np.testing.assert_allclose(twist_in_base(np.array([0, 1.0, 0, 0, 0, 1]), pointing_down), [0, -1, 0, 0, 0, -1])


@given(angle=st.floats(0, 3.1), heading=st.floats(-3, 3))
def test_tilt_is_the_angle_to_straight_down_whatever_the_heading(angle, heading):
    down = quat_of_rotvec(np.array([np.pi, 0, 0]))
    tilted = quat_multiply(quat_of_rotvec(np.array([angle, 0, 0])), down)
    assert abs(tilt(quat_multiply(quat_of_rotvec(np.array([0, 0, heading])), tilted)) - angle) < 1e-7
