"""Forward kinematics and Jacobian of the Panda and the FR3 (they share their link lengths), hand included.

Modified Denavit-Hartenberg parameters (Craig) from the maker's documentation; the end effector is the point between the
fingertips, which franky calls the end effector too.
"""

import numpy as np

A_M = (0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088)
D_M = (0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0)
ALPHA_RAD = (0.0, -np.pi / 2, np.pi / 2, np.pi / 2, -np.pi / 2, np.pi / 2, np.pi / 2)
FLANGE_TO_EE_M = 0.107 + 0.1034
HAND_TURN_RAD = -np.pi / 4
DAMPING = 1e-3
HOME_Q = (0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4)


def _link(a: float, d: float, alpha: float, theta: float) -> np.ndarray:
    ca, sa, ct, st = np.cos(alpha), np.sin(alpha), np.cos(theta), np.sin(theta)
    return np.array(
        [[ct, -st, 0, a], [st * ca, ct * ca, -sa, -d * sa], [st * sa, ct * sa, ca, d * ca], [0, 0, 0, 1]], dtype=float
    )


def joint_frames(q: np.ndarray) -> list[np.ndarray]:
    """T_base_joint of each joint, then T_base_ee: eight 4x4 matrices for q (7,) in rad."""
    T = np.eye(4)
    frames = []
    for a, d, alpha, theta in zip(A_M, D_M, ALPHA_RAD, q, strict=True):
        T = T @ _link(a, d, alpha, float(theta))
        frames.append(T)
    return [*frames, T @ _link(0.0, FLANGE_TO_EE_M, 0.0, HAND_TURN_RAD)]


def forward(q: np.ndarray) -> np.ndarray:
    """T_base_ee (4, 4)."""
    return joint_frames(q)[-1]


def jacobian(q: np.ndarray) -> np.ndarray:
    """(6, 7): joint speeds in rad/s to the end effector's twist (linear, angular) in base."""
    *joints, T_base_ee = joint_frames(q)
    columns = []
    for T in joints:
        axis = T[:3, 2]
        columns.append(np.concatenate([np.cross(axis, T_base_ee[:3, 3] - T[:3, 3]), axis]))
    return np.stack(columns, axis=1)


def condition_number(q: np.ndarray) -> float:
    """Largest over smallest singular value of the Jacobian in m and rad; infinite at a singularity."""
    return float(np.linalg.cond(jacobian(q)))


def joint_speeds(q: np.ndarray, twist: np.ndarray) -> np.ndarray:
    """Joint speeds (7,) of least norm that give the twist in base, damped so that they stay finite anywhere."""
    J = jacobian(q)
    return J.T @ np.linalg.solve(J @ J.T + DAMPING**2 * np.eye(6), twist)
