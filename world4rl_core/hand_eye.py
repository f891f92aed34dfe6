"""Closed-form hand-eye calibration: the X of A X = X B, by five published methods.

Poses are 4x4 and map as their names say: `T_base_hand` hand coordinates into base, `T_cam_board` board coordinates into
the camera. Same methods and pairing of views as OpenCV's `calibrateHandEye`, which its Python package 5.0.0 left out;
the tests hold them to arrays that OpenCV 4.13 computed.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from world4rl_core.errors import CalibrationError
from world4rl_core.geometry import inverse, skew

Mode = Literal["eye_in_hand", "eye_to_hand"]
"""Where the camera is: on the hand and the board fixed, or fixed and the board on the hand."""
MOUNTS: dict[str, Mode] = {"hand": "eye_in_hand", "fixed": "eye_to_hand"}
"""Which mode a camera's `mount` in the rig file means."""

LEAST_SPREAD_DEG = 0.5


def solve(
    T_base_hand: Sequence[np.ndarray], T_cam_board: Sequence[np.ndarray], *, mode: Mode, method: str
) -> np.ndarray:
    """The camera's pose (4, 4): T_hand_cam for `eye_in_hand`, T_base_cam for `eye_to_hand`.

    `method` is a key of `METHODS`. Raises CalibrationError: too_few, degenerate, inconsistent.
    """
    if len(T_base_hand) != len(T_cam_board) or len(T_base_hand) < 3:
        raise CalibrationError(
            "too_few", f"got {len(T_base_hand)} hand poses and {len(T_cam_board)} board poses, wanted 3 pairs or more"
        )
    spread = rotation_spread_deg(T_base_hand)[0]
    if spread[1] < LEAST_SPREAD_DEG:
        raise CalibrationError(
            "degenerate",
            f"the hand turned by {spread[0]:.1f} degrees (RMS) about one axis and {spread[1]:.1f} about a second one; "
            "tilt it about two axes",
        )
    # A camera that is fixed sees the base move around the hand's board: the same equation with the inverse poses.
    hands = list(T_base_hand) if mode == "eye_in_hand" else [inverse(T) for T in T_base_hand]
    A, B = motions(hands, T_cam_board)
    try:
        with np.errstate(divide="raise", invalid="raise"):
            X = METHODS[method](A, B)
    except (np.linalg.LinAlgError, FloatingPointError, ValueError) as error:
        raise CalibrationError(
            "degenerate", f"{method}: {error}; vary the hand's orientation about two axes"
        ) from error
    if not np.isfinite(X).all() or not np.linalg.det(X[:3, :3]) > 0.9:
        raise CalibrationError(
            "inconsistent",
            f"{method}: no rotation turns the camera's motions into the hand's; are pictures and poses of the same "
            "time, and "
            "is the board fixed?",
        )
    return X


def solve_all(
    T_base_hand: Sequence[np.ndarray], T_cam_board: Sequence[np.ndarray], *, mode: Mode
) -> dict[str, np.ndarray]:
    """The solutions of every method that found one. Raises CalibrationError where none did."""
    solutions: dict[str, np.ndarray] = {}
    problem: CalibrationError | None = None
    for method in METHODS:
        try:
            solutions[method] = solve(T_base_hand, T_cam_board, mode=mode, method=method)
        except CalibrationError as error:
            problem = error
    if not solutions and problem is not None:
        raise problem
    return solutions


def motions(T_base_hand: Sequence[np.ndarray], T_cam_board: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Relative motions of hand and camera between every two views, (pairs, 4, 4) each, with A X = X B."""
    pairs = list(combinations(range(len(T_base_hand)), 2))
    A = np.stack([inverse(T_base_hand[j]) @ T_base_hand[i] for i, j in pairs])
    B = np.stack([T_cam_board[j] @ inverse(T_cam_board[i]) for i, j in pairs])
    return A, B


def translation(A: np.ndarray, B: np.ndarray, R: np.ndarray) -> np.ndarray:
    """Least squares of (R_A - I) t = R t_B - t_A over all motions."""
    left = (A[:, :3, :3] - np.eye(3)).reshape(-1, 3)
    right = (B[:, :3, 3] @ R.T - A[:, :3, 3]).reshape(-1)
    return np.linalg.lstsq(left, right, rcond=None)[0]


def tsai(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Tsai and Lenz 1989: rotation by a linear system in modified Rodrigues parameters, then translation."""
    P_A, P_B = 2 * _half_axes(A), 2 * _half_axes(B)
    left = _skews(P_A + P_B).reshape(-1, 3)
    p = np.linalg.lstsq(left, (P_B - P_A).reshape(-1), rcond=None)[0]
    P = 2 * p / np.sqrt(1 + p @ p)
    s = P @ P
    R = (1 - s / 2) * np.eye(3) + 0.5 * (np.outer(P, P) + np.sqrt(4 - s) * skew(P))
    return _pose(R, translation(A, B, R))


def park(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Park and Martin 1994: rotation by least squares over the logarithms, then translation."""
    M = _logs(B).T @ _logs(A)
    values, vectors = np.linalg.eigh(M.T @ M)
    R = vectors @ np.diag(1 / np.sqrt(values)) @ vectors.T @ M.T
    return _pose(R, translation(A, B, R))


def horaud(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Horaud and Dornaika 1995: rotation as the quaternion of least squares, then translation."""
    difference = _quats_left(_quats(A)) - _quats_right(_quats(B))
    M = np.einsum("nki,nkj->ij", difference, difference)
    w, x, y, z = np.linalg.eigh(M)[1][:, 0]
    R = Rotation.from_quat([x, y, z, w]).as_matrix()
    return _pose(R, translation(A, B, R))


def andreff(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Andreff et al. 1999: rotation and translation at once, linear in the rotation matrix's nine numbers."""
    R_A, R_B, rows = A[:, :3, :3], B[:, :3, :3], np.zeros((len(A), 12, 12))
    rows[:, :9, :9] = np.eye(9) - np.einsum("nij,nkl->nikjl", R_A, R_B).reshape(-1, 9, 9)
    rows[:, 9:, :9] = np.einsum("ij,nk->nijk", np.eye(3), B[:, :3, 3]).reshape(-1, 3, 9)
    rows[:, 9:, 9:] = np.eye(3) - R_A
    right = np.concatenate([np.zeros((len(A), 9)), A[:, :3, 3]], axis=1)
    x = np.linalg.lstsq(rows.reshape(-1, 12), right.ravel(), rcond=None)[0]
    R = x[:9].reshape(3, 3)
    determinant = np.linalg.det(R)
    U, _, Vt = np.linalg.svd(np.sign(determinant) * np.abs(determinant) ** (-1 / 3) * R)
    return _pose(U @ np.diag([1, 1, np.linalg.det(U @ Vt)]) @ Vt, x[9:])


def daniilidis(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Daniilidis 1999: rotation and translation at once, as a dual quaternion."""
    (q_A, dual_A), (q_B, dual_B) = _dual_quats(A), _dual_quats(B)
    rows = np.zeros((len(A), 6, 8))
    rows[:, :3, 0], rows[:, :3, 1:4] = (q_A - q_B)[:, 1:], _skews((q_A + q_B)[:, 1:])
    rows[:, 3:, 0], rows[:, 3:, 1:4] = (dual_A - dual_B)[:, 1:], _skews((dual_A + dual_B)[:, 1:])
    rows[:, 3:, 4:] = rows[:, :3, :4]
    Vt = np.linalg.svd(rows.reshape(-1, 8), full_matrices=False)[2]
    (u1, v1), (u2, v2) = (Vt[6, :4], Vt[6, 4:]), (Vt[7, :4], Vt[7, 4:])
    ratios = np.roots([u1 @ v1, u1 @ v2 + u2 @ v1, u2 @ v2])
    norms = [(s.real**2 * (u1 @ u1) + 2 * s.real * (u1 @ u2) + u2 @ u2, s.real) for s in ratios]
    norm, s = max(norms)
    scale = np.sqrt(1 / norm)
    q, dual = scale * (s * u1 + u2), scale * (s * v1 + v2)
    R = Rotation.from_quat([*q[1:], q[0]]).as_matrix()
    conjugate = q * np.array([1, -1, -1, -1])
    return _pose(R, 2 * (_quats_right(conjugate[None])[0] @ dual)[1:])


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "tsai": tsai,
    "park": park,
    "horaud": horaud,
    "andreff": andreff,
    "daniilidis": daniilidis,
}


def rotation_spread_deg(T_base_hand: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """How much the orientations vary: (3,) RMS angles in degrees, largest first, and their axes (3, 3) in the hand.

    The axes are the columns. A set determines a hand-eye pose only if the second angle is well above zero.
    """
    rotations = Rotation.from_matrix(np.stack([T[:3, :3] for T in T_base_hand]))
    vectors = (rotations.mean().inv() * rotations).as_rotvec()
    values, axes = np.linalg.eigh(vectors.T @ vectors / len(vectors))
    return np.degrees(np.sqrt(np.maximum(values[::-1], 0))), axes[:, ::-1]


def _pose(R: np.ndarray, t: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, t
    return T


def _logs(poses: np.ndarray) -> np.ndarray:
    return Rotation.from_matrix(poses[:, :3, :3]).as_rotvec()


def _quats(poses: np.ndarray) -> np.ndarray:
    """wxyz with w >= 0, so that a motion and its image have the same sign."""
    xyzw = Rotation.from_matrix(poses[:, :3, :3]).as_quat(canonical=True)
    return xyzw[:, [3, 0, 1, 2]]


def _half_axes(poses: np.ndarray) -> np.ndarray:
    return _quats(poses)[:, 1:]


def _dual_quats(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Real and dual parts (n, 4) each."""
    q = _quats(poses)
    t = np.column_stack([np.zeros(len(poses)), poses[:, :3, 3]])
    return q, 0.5 * np.einsum("nij,nj->ni", _quats_left(t), q)


def _skews(v: np.ndarray) -> np.ndarray:
    """The matrices (n, 3, 3) with `_skews(v) @ u` the cross products, for v (n, 3)."""
    matrices = np.zeros((len(v), 3, 3))
    matrices[:, [2, 0, 1], [1, 2, 0]] = v
    return matrices - matrices.transpose(0, 2, 1)


def _quats_left(q: np.ndarray) -> np.ndarray:
    """The matrices (n, 4, 4) with `_quats_left(q) @ p` the product q p, for wxyz (n, 4)."""
    return _products(q) + np.pad(_skews(q[:, 1:]), ((0, 0), (1, 0), (1, 0)))


def _quats_right(q: np.ndarray) -> np.ndarray:
    """The matrices (n, 4, 4) with `_quats_right(q) @ p` the product p q, for wxyz (n, 4)."""
    return _products(q) - np.pad(_skews(q[:, 1:]), ((0, 0), (1, 0), (1, 0)))


def _products(q: np.ndarray) -> np.ndarray:
    """What a quaternion's matrices share: w on the diagonal, -v in the first row, v in the first column."""
    matrices = q[:, :1, None] * np.eye(4)
    matrices[:, 0, 1:] = -q[:, 1:]
    matrices[:, 1:, 0] = q[:, 1:]
    return matrices
