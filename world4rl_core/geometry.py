"""Rotations, poses and twists in numpy. Quaternions are xyzw, angles rad, twists (linear, angular), poses 4x4.

`T_a_b` maps coordinates in b into a; `R_a_b` is its rotation.
"""

import numpy as np
from scipy.spatial.transform import Rotation

DOWN = np.array([0.0, 0.0, -1.0])


def quat_of_rotvec(rotvec: np.ndarray) -> np.ndarray:
    """Unit quaternion (4,) of the rotation vector (3,) in rad."""
    return Rotation.from_rotvec(rotvec).as_quat()


def rotvec_of_quat(quat_xyzw: np.ndarray) -> np.ndarray:
    """Rotation vector (3,) of length at most pi. The quaternion need not have unit length."""
    return Rotation.from_quat(quat_xyzw).as_rotvec()


def matrix_of_quat(quat_xyzw: np.ndarray) -> np.ndarray:
    return Rotation.from_quat(quat_xyzw).as_matrix()


def quat_of_matrix(R: np.ndarray) -> np.ndarray:
    """Unit quaternion (4,) of a rotation matrix (3, 3)."""
    return Rotation.from_matrix(R).as_quat()


def quat_multiply(left_xyzw: np.ndarray, right_xyzw: np.ndarray) -> np.ndarray:
    """The rotation that first does `right`, then `left`."""
    return (Rotation.from_quat(left_xyzw) * Rotation.from_quat(right_xyzw)).as_quat()


def angle_between(first_xyzw: np.ndarray, second_xyzw: np.ndarray) -> float:
    """Angle in rad, 0 to pi, of the rotation from one orientation to the other."""
    return float((Rotation.from_quat(first_xyzw).inv() * Rotation.from_quat(second_xyzw)).magnitude())


def pose(position_m: np.ndarray, quat_xyzw: np.ndarray) -> np.ndarray:
    """T_a_b (4, 4) of a frame b whose origin and orientation are given in a."""
    T = np.eye(4)
    T[:3, :3] = matrix_of_quat(quat_xyzw)
    T[:3, 3] = position_m
    return T


def inverse(T_a_b: np.ndarray) -> np.ndarray:
    """T_b_a."""
    T = np.eye(4)
    T[:3, :3] = T_a_b[:3, :3].T
    T[:3, 3] = -T_a_b[:3, :3].T @ T_a_b[:3, 3]
    return T


def skew(vector: np.ndarray) -> np.ndarray:
    """The matrix (3, 3) with `skew(a) @ b == np.cross(a, b)`."""
    x, y, z = (float(v) for v in vector)
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def adjoint(T_a_b: np.ndarray) -> np.ndarray:
    """Maps a twist (linear, angular) of a rigid body from b to a: (6, 6).

    The linear part is the velocity of the body's point at the frame's origin, so it changes with the lever arm too;
    `adjoint(inverse(T))` is the way back. With a pose without translation only the axes turn.
    """
    R, p = T_a_b[:3, :3], T_a_b[:3, 3]
    matrix = np.zeros((6, 6))
    matrix[:3, :3] = matrix[3:, 3:] = R
    matrix[:3, 3:] = skew(p) @ R
    return matrix


def twist_in_base(twist_ee: np.ndarray, quat_xyzw: np.ndarray) -> np.ndarray:
    """The end effector's own twist, given along its axes, along the base's axes; its point stays the end effector."""
    return adjoint(pose(np.zeros(3), quat_xyzw)) @ twist_ee


def twist_in_ee(twist_base: np.ndarray, quat_xyzw: np.ndarray) -> np.ndarray:
    """The way back from `twist_in_base`."""
    return adjoint(inverse(pose(np.zeros(3), quat_xyzw))) @ twist_base


def tilt(quat_xyzw: np.ndarray) -> float:
    """Angle in rad between the gripper's axis (z of the end effector) and straight down."""
    axis = matrix_of_quat(quat_xyzw)[:, 2]
    return float(np.arctan2(np.linalg.norm(np.cross(axis, DOWN)), axis @ DOWN))


def pose_distance(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Distance in mm and angle in degrees between two poses of one frame."""
    angle = Rotation.from_matrix(first[:3, :3].T @ second[:3, :3]).magnitude()
    return 1000 * float(np.linalg.norm(second[:3, 3] - first[:3, 3])), float(np.degrees(angle))
