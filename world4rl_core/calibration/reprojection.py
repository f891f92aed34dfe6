"""Where views of a board should show its corners, given camera and board poses: the model that calibration fits.

Unknown are X, the camera in its parent (T_hand_cam or T_base_cam), and the board in the other frame (T_base_board or
T_hand_board), which may have been put somewhere else between groups of views. Robot poses are read with an error.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy.optimize import least_squares

from world4rl_core.calibration.board import Board, Detection
from world4rl_core.geometry import inverse, skew
from world4rl_core.hand_eye import Mode
from world4rl_core.optics import Intrinsics

STEP = 1e-6
"""Of the differences that stand for derivatives, in m and rad."""
MOST_STEPS = 15


@dataclass(frozen=True, eq=False)
class View:
    """One picture of the board and where the hand was."""

    detection: Detection
    T_base_hand: np.ndarray  # (4, 4)


@dataclass(frozen=True)
class NoiseModel:
    """Standard deviations: of a corner per axis, and of the robot's pose per axis."""

    corner_px: float
    position_m: float
    angle_rad: float


@dataclass(frozen=True, eq=False)
class Solution:
    """Camera and board poses, and the scale of the printed squares against what was given."""

    X: np.ndarray  # (4, 4)
    boards: np.ndarray  # (groups, 4, 4)
    scale: float = 1.0


class Reprojection:
    """All corners of all views at once. `groups` (views,) says on which board pose a view depends."""

    def __init__(
        self,
        views: Sequence[View],
        board: Board,
        intrinsics: Intrinsics,
        *,
        mode: Mode,
        groups: np.ndarray | None = None,
    ) -> None:
        self.views = tuple(views)
        self.groups = np.zeros(len(views), int) if groups is None else groups
        self.of_view = np.repeat(np.arange(len(views)), [len(view.detection.ids) for view in views])
        self._points = np.concatenate([board.points_m[view.detection.ids] for view in views])
        self._seen = np.concatenate([view.detection.corners_px for view in views])
        self.board, self.intrinsics = board, intrinsics
        self.mode: Mode = mode
        self._hands = np.stack([view.T_base_hand for view in views])

    def T_cam_board(self, solution: Solution, correction: np.ndarray | None = None) -> np.ndarray:
        """(views, 4, 4), the hand corrected by the same small motion (6,) in each view."""
        hands = self._hands if correction is None else self._hands @ exp(correction)
        links = inverses(hands) if self.mode == "eye_in_hand" else hands
        return inverse(solution.X) @ links @ solution.boards[self.groups]

    def residuals(self, solution: Solution, correction: np.ndarray | None = None) -> np.ndarray:
        """Predicted less seen corners (corners, 2) in pixels."""
        T = self.T_cam_board(solution, correction)[self.of_view]
        points = np.einsum("nij,nj->ni", T[:, :3, :3], solution.scale * self._points) + T[:, :3, 3]
        return project(points, self.intrinsics) - self._seen

    def view_rms_px(self, solution: Solution) -> np.ndarray:
        """(views,)"""
        squares = np.sum(self.residuals(solution) ** 2, axis=1)
        return np.sqrt(np.bincount(self.of_view, squares) / np.bincount(self.of_view))

    def hand_jacobian(self, solution: Solution) -> np.ndarray:
        """(2 corners, 6): how each corner moves with an error of its own view's hand pose."""
        columns = []
        for k in range(6):
            step = STEP * np.eye(6)[k]
            columns.append((self.residuals(solution, step) - self.residuals(solution, -step)).ravel() / (2 * STEP))
        return np.stack(columns, axis=1)

    def fit(self, start: Solution, whitener: "Whitener", *, free_scale: bool = False) -> tuple[Solution, np.ndarray]:
        """The solution of least whitened squares near `start`, and the Jacobian (rows, 6 + 6 groups [+ 1]) there."""

        def moved(step: np.ndarray) -> Solution:
            return self._moved(start, step)

        def jac(step: np.ndarray) -> np.ndarray:
            return whitener.columns(self.jacobian(moved(step), free_scale=free_scale))

        size = 6 + 6 * len(start.boards) + int(free_scale)
        result = least_squares(
            lambda step: whitener(self.residuals(moved(step))),
            np.zeros(size),
            jac=cast(Any, jac),  # scipy's types know only its names for differences
            x_scale="jac",
            ftol=1e-8,
            xtol=1e-8,
            max_nfev=MOST_STEPS,
        )
        return moved(result.x), np.asarray(result.jac)

    def jacobian(self, solution: Solution, *, free_scale: bool = False) -> np.ndarray:
        """(2 corners, 6 + 6 groups [+ 1]): how each corner moves with camera, boards and scale."""
        columns = []
        for step in STEP * np.eye(6 + 6 * len(solution.boards) + int(free_scale)):
            ahead, behind = (self.residuals(self._moved(solution, s)) for s in (step, -step))
            columns.append((ahead - behind).ravel() / (2 * STEP))
        return np.stack(columns, axis=1)

    def _moved(self, start: Solution, step: np.ndarray) -> Solution:
        """The solution after small motions of camera and boards, each in its own frame, and a change of scale."""
        count = len(start.boards)
        steps = step[6 : 6 + 6 * count].reshape(count, 6)
        boards = np.stack([B @ exp(s) for B, s in zip(start.boards, steps, strict=True)])
        return Solution(start.X @ exp(step[:6]), boards, start.scale + float(step[6 + 6 * count :].sum()))


class Whitener:
    """Weighs residuals by what noise of corners and of robot poses explains: least squares then are likeliest.

    An error of one robot pose moves all corners of its view together, along six directions per view; these count for
    less the larger that error is, the others only by the corners' own noise.
    """

    def __init__(self, problem: Reprojection, solution: Solution, noise: NoiseModel) -> None:
        self._sigma = noise.corner_px
        scale = np.repeat([noise.position_m, noise.angle_rad], 3)
        J = problem.hand_jacobian(solution).reshape(-1, 2, 6)
        self._blocks = []
        for view in range(len(problem.views)):
            rows = np.flatnonzero(problem.of_view == view)
            U, S, Vt = np.linalg.svd(J[rows].reshape(-1, 6) * scale, full_matrices=False)
            self._blocks.append((rows, U, S, Vt.T * scale[:, None]))

    def __call__(self, residuals: np.ndarray) -> np.ndarray:
        """Whitened residuals, flat."""
        white = residuals / self._sigma
        for rows, U, S, _ in self._blocks:
            flat = white[rows].ravel()
            shrink = 1 - self._sigma / np.sqrt(self._sigma**2 + S**2)
            white[rows] = (flat - U @ (shrink * (U.T @ flat))).reshape(-1, 2)
        return white.ravel()

    def columns(self, jacobian: np.ndarray) -> np.ndarray:
        """A Jacobian (2 corners, k), whitened like the residuals."""
        white = jacobian.reshape(-1, 2, jacobian.shape[1]) / self._sigma
        for rows, U, S, _ in self._blocks:
            block = white[rows].reshape(2 * len(rows), -1)
            shrink = 1 - self._sigma / np.sqrt(self._sigma**2 + S**2)
            white[rows] = (block - U @ (shrink[:, None] * (U.T @ block))).reshape(len(rows), 2, -1)
        return white.reshape(jacobian.shape)

    def pose_rows(self, residuals: np.ndarray, jacobian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whitened residuals (6 views,) and their Jacobian (6 views, k) in the directions that speak about poses."""
        e, J = [], []
        derivatives = jacobian.reshape(len(residuals), 2, -1)
        for rows, U, S, _ in self._blocks:
            weighted = (U / np.sqrt(self._sigma**2 + S**2)).T
            e.append(weighted @ residuals[rows].ravel())
            J.append(weighted @ derivatives[rows].reshape(2 * len(rows), -1))
        return np.concatenate(e), np.concatenate(J)

    def corrections(self, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """The likeliest errors of the hand poses (views, 6), their remaining variances, and the corners' noise."""
        means, variances, rest, freedom = [], [], 0.0, 0
        for rows, U, S, scaled in self._blocks:
            flat = residuals[rows].ravel()
            total = self._sigma**2 + S**2
            means.append(-scaled @ (S / total * (U.T @ flat)))
            variances.append(np.sum(scaled**2 * (self._sigma**2 / total), axis=1))
            rest += float(flat @ flat - np.sum((U.T @ flat) ** 2))
            freedom += len(flat) - 6
        return np.stack(means), np.stack(variances), float(np.sqrt(rest / freedom))


def project(points: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """Points (n, 3) in the optical frame to pixels (n, 2). Points behind the camera land wherever; mind them."""
    k1, k2, p1, p2, k3 = intrinsics.distortion
    x, y = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.column_stack([intrinsics.fx * u + intrinsics.cx, intrinsics.fy * v + intrinsics.cy])


def exp(step: np.ndarray) -> np.ndarray:
    """The pose (4, 4) of a small motion (translation, rotation vector) (6,)."""
    T = np.eye(4)
    K = skew(step[3:])
    angle = math.sqrt(step[3:] @ step[3:])
    if angle < 1e-4:  # the series, exact to 1e-13 here
        T[:3, :3] += K + K @ K / 2
    else:
        T[:3, :3] += math.sin(angle) / angle * K + (1 - math.cos(angle)) / angle**2 * (K @ K)
    T[:3, 3] = step[:3]
    return T


def inverses(poses: np.ndarray) -> np.ndarray:
    """Inverse of each rigid pose (n, 4, 4)."""
    inverted = np.zeros_like(poses)
    turned = poses[:, :3, :3].transpose(0, 2, 1)
    inverted[:, :3, :3] = turned
    inverted[:, :3, 3] = -np.einsum("nij,nj->ni", turned, poses[:, :3, 3])
    inverted[:, 3, 3] = 1
    return inverted
