"""Forward kinematics and Jacobian of the Panda and the FR3 (they share their link lengths), hand included.

Modified Denavit-Hartenberg parameters (Craig) from the maker's documentation; the end effector is the point between the
fingertips, which franky calls the end effector too.
"""

from itertools import accumulate

import numpy as np

A_M = (0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088)
D_M = (0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0)
ALPHA_RAD = (0.0, -np.pi / 2, np.pi / 2, np.pi / 2, -np.pi / 2, np.pi / 2, np.pi / 2)
FLANGE_TO_EE_M = 0.107 + 0.1034
HAND_TURN_RAD = -np.pi / 4
DAMPING = 1e-3
HOME_Q = (0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4)


_COS, _SIN = np.cos(ALPHA_RAD), np.sin(ALPHA_RAD)
_TO_EE = np.array(
    [
        [np.cos(HAND_TURN_RAD), -np.sin(HAND_TURN_RAD), 0, 0],
        [np.sin(HAND_TURN_RAD), np.cos(HAND_TURN_RAD), 0, 0],
        [0, 0, 1, FLANGE_TO_EE_M],
        [0, 0, 0, 1],
    ]
)


def joint_frames(q: np.ndarray) -> list[np.ndarray]:
    """T_base_joint of each joint, then T_base_ee: eight 4x4 matrices for q (7,) in rad."""
    ct, st = np.cos(q), np.sin(q)
    links = np.zeros((7, 4, 4))
    links[:, 0, 0], links[:, 0, 1], links[:, 0, 3] = ct, -st, A_M
    links[:, 1, 0], links[:, 1, 1], links[:, 1, 2], links[:, 1, 3] = st * _COS, ct * _COS, -_SIN, -_SIN * D_M
    links[:, 2, 0], links[:, 2, 1], links[:, 2, 2], links[:, 2, 3] = st * _SIN, ct * _SIN, _COS, _COS * D_M
    links[:, 3, 3] = 1
    frames = list(accumulate(links, np.matmul))
    return [*frames, frames[-1] @ _TO_EE]


def forward(q: np.ndarray) -> np.ndarray:
    """T_base_ee (4, 4)."""
    return joint_frames(q)[-1]


def jacobian(q: np.ndarray) -> np.ndarray:
    """(6, 7): joint speeds in rad/s to the end effector's twist (linear, angular) in base."""
    frames = np.stack(joint_frames(q))
    axes, levers = frames[:7, :3, 2], frames[7, :3, 3] - frames[:7, :3, 3]
    return np.concatenate([np.cross(axes, levers), axes], axis=1).T


def condition_number(q: np.ndarray) -> float:
    """Largest over smallest singular value of the Jacobian in m and rad; infinite at a singularity."""
    return float(np.linalg.cond(jacobian(q)))


def joint_speeds(q: np.ndarray, twist: np.ndarray, *, J: np.ndarray | None = None) -> np.ndarray:
    """Joint speeds (7,) of least norm that give the twist in base, damped so that they stay finite anywhere.

    `J`: the Jacobian at q where it is known already.
    """
    J = jacobian(q) if J is None else J
    return J.T @ np.linalg.solve(J @ J.T + DAMPING**2 * np.eye(6), twist)
