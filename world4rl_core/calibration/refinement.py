"""Joint refinement: the camera pose of least reprojection error over all views, with the noise estimated on the way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from world4rl_core.calibration.board import Board
from world4rl_core.calibration.reprojection import NoiseModel, Reprojection, Solution, View, Whitener
from world4rl_core.geometry import inverse
from world4rl_core.hand_eye import Mode, solve_all
from world4rl_core.optics import Intrinsics

FIRST_GUESS = NoiseModel(corner_px=0.2, position_m=0.001, angle_rad=0.002)
LEAST_NOISE = NoiseModel(corner_px=0.03, position_m=3e-5, angle_rad=3e-5)
ROUNDS = 6
CLOSE_ENOUGH = 0.02
"""Relative change of the noise that ends the rounds."""


@dataclass(frozen=True, eq=False)
class Refined:
    """A fit of all views it was given."""

    solution: Solution
    noise: NoiseModel
    """Standard deviations per axis, estimated from the views themselves."""
    corrections: np.ndarray  # (views, 6): likeliest error of each hand pose, m and rad
    view_px: np.ndarray  # (views,) reprojection error (RMS)
    covariance: np.ndarray  # (6, 6) of X's translation (m) and rotation (rad), in the camera's frame
    scale_std: float | None = None
    """Standard deviation of the scale, where it was free."""

    @property
    def rms_px(self) -> float:
        return float(np.sqrt(np.mean(self.view_px**2)))

    @property
    def std_mm(self) -> float:
        """Expected length of the position's error."""
        return 1000 * float(np.sqrt(np.trace(self.covariance[:3, :3])))

    @property
    def std_deg(self) -> float:
        """Expected angle of the orientation's error."""
        return float(np.degrees(np.sqrt(np.trace(self.covariance[3:, 3:]))))


def closed_form(
    problem: Reprojection, T_cam_board: Sequence[np.ndarray], *, mode: Mode
) -> tuple[Solution, dict[str, np.ndarray]]:
    """The best of the five closed-form solutions by reprojection error, and all of them by name."""
    hands = [view.T_base_hand for view in problem.views]
    solutions = solve_all(hands, T_cam_board, mode=mode)
    candidates = [Solution(X, mean_board(problem, X, T_cam_board, mode=mode)) for X in solutions.values()]
    errors = [float(np.median(problem.view_rms_px(candidate))) for candidate in candidates]
    return candidates[int(np.argmin(errors))], solutions


def mean_board(problem: Reprojection, X: np.ndarray, T_cam_board: Sequence[np.ndarray], *, mode: Mode) -> np.ndarray:
    """Where the board is in the frame it is fixed to, averaged over the views of each group: (groups, 4, 4)."""
    hands = [view.T_base_hand for view in problem.views]
    links = hands if mode == "eye_in_hand" else [inverse(T) for T in hands]
    poses = np.stack([link @ X @ T for link, T in zip(links, T_cam_board, strict=True)])
    boards = []
    for group in range(problem.groups.max() + 1):
        members = poses[problem.groups == group]
        T = np.eye(4)
        T[:3, :3] = Rotation.from_matrix(members[:, :3, :3]).mean().as_matrix()
        T[:3, 3] = np.median(members[:, :3, 3], axis=0)
        boards.append(T)
    return np.stack(boards)


def refine(problem: Reprojection, start: Solution, *, free_scale: bool = False) -> Refined:
    """Alternates between fitting the poses and estimating the noise that their residuals show."""
    solution, noise = start, FIRST_GUESS
    freedom = 1 + (1 + len(start.boards)) / max(1, len(problem.views) - 1 - len(start.boards))
    for _ in range(ROUNDS):
        whitener = Whitener(problem, solution, noise)
        solution, _ = problem.fit(solution, whitener, free_scale=free_scale)
        means, variances, corner_px = Whitener(problem, solution, noise).corrections(problem.residuals(solution))
        spread = np.mean(means**2 * freedom + variances, axis=0)
        found = NoiseModel(
            max(corner_px, LEAST_NOISE.corner_px),
            max(float(np.sqrt(spread[:3].mean())), LEAST_NOISE.position_m),
            max(float(np.sqrt(spread[3:].mean())), LEAST_NOISE.angle_rad),
        )
        is_settled = abs(np.log(found.position_m / noise.position_m)) + abs(np.log(found.angle_rad / noise.angle_rad))
        noise = found
        if is_settled < CLOSE_ENOUGH:
            break
    return fit_with(problem, solution, noise, free_scale=free_scale)


def fit_with(problem: Reprojection, start: Solution, noise: NoiseModel, *, free_scale: bool = False) -> Refined:
    """One fit with the noise given."""
    whitener = Whitener(problem, start, noise)
    solution, jacobian = problem.fit(start, whitener, free_scale=free_scale)
    covariance = np.linalg.pinv(jacobian.T @ jacobian)
    corrections = Whitener(problem, solution, noise).corrections(problem.residuals(solution))[0]
    scale_std = float(np.sqrt(covariance[-1, -1])) if free_scale else None
    view_px = problem.view_rms_px(solution)
    return Refined(solution, noise, corrections, view_px, covariance[:6, :6], scale_std)


def problem_of(views: Sequence[View], board: Board, intrinsics: Intrinsics, *, mode: Mode) -> Reprojection:
    """All views with one board pose."""
    return Reprojection(views, board, intrinsics, mode=mode)
