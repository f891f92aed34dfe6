"""Hand-eye calibration of one camera from its views: the pose and how well it is known, or a named refusal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from world4rl_core.calibration.board import Board, board_pose
from world4rl_core.calibration.causes import (
    refuse_few,
    refuse_inconsistent,
    refuse_moved_board,
    refuse_still_board,
    refuse_wrong_squares,
)
from world4rl_core.calibration.refinement import Refined, closed_form, fit_with, problem_of, refine
from world4rl_core.calibration.reprojection import View
from world4rl_core.errors import CalibrationError
from world4rl_core.geometry import inverse
from world4rl_core.hand_eye import Mode
from world4rl_core.optics import Intrinsics

HELD_OUT_SHARE = 0.3
SPLITS = 5
OUTLIER_FACTOR = 3.5
"""A view is an outlier when its hand pose would have to be corrected by so many times the median view's correction."""
OUTLIER_FLOOR = (0.001, np.radians(0.15))
LARGEST_OUTLIER_SHARE = 0.2
HOPELESS_M = 0.05
"""Disagreement per axis that no few outliers explain."""
LARGEST_STD_MM = 3.0
LARGEST_STD_DEG = 0.4


@dataclass(frozen=True, eq=False)
class PoseResult:
    """A camera's pose and what speaks for it."""

    mode: Mode
    T_parent_cam: np.ndarray  # (4, 4) T_hand_cam or T_base_cam
    T_board: np.ndarray  # (4, 4) T_base_board or T_hand_board
    std_mm: float
    std_deg: float
    """Expected length and angle of the error, from the views' own scatter."""
    rms_px: float
    held_out_px: float
    held_out_mm: float
    held_out_deg: float
    """RMS over views that the solution had not seen: 30 % of them, five times."""
    robot_mm: float
    robot_deg: float
    """RMS error of one robot pose, as the views show it."""
    used: tuple[int, ...]
    rejected: tuple[int, ...]
    closed_forms: dict[str, np.ndarray]
    """What each of the five closed-form methods alone would have said."""


def calibrate_pose(
    views: Sequence[View], board: Board, intrinsics: Intrinsics, *, mode: Mode, seed: int = 0
) -> PoseResult:
    """The camera's pose of least reprojection error over all views that fit together.

    Raises CalibrationError: too_few, degenerate, resolution, blurred, swapped_cameras, moved_board, wrong_arrangement,
    inconsistent, square_size, uncertain.
    """
    refuse_few(views)
    T_cam_board = _board_poses(views, board, intrinsics)
    refuse_still_board(views, T_cam_board, mode=mode)
    fit, used, closed = _fit_inliers(views, T_cam_board, board, intrinsics, mode=mode)
    rejected = tuple(i for i in range(len(views)) if i not in used)
    kept = [views[i] for i in used]
    problem = problem_of(kept, board, intrinsics, mode=mode)
    refuse_moved_board(problem, fit, used=used, rejected=rejected, total=len(views))
    refuse_inconsistent(views, T_cam_board, fit, board, intrinsics, mode=mode, rejected=rejected)
    refuse_wrong_squares(problem, fit)
    if fit.std_mm > LARGEST_STD_MM or fit.std_deg > LARGEST_STD_DEG:
        raise CalibrationError(
            "uncertain",
            f"the pose is only known to {fit.std_mm:.1f} mm and {fit.std_deg:.2f} degrees (one standard deviation), "
            "limits "
            f"{LARGEST_STD_MM} mm and {LARGEST_STD_DEG} degrees; add samples with other tilts of the hand",
        )
    px, mm, deg = held_out_error(kept, board, intrinsics, mode=mode, fit=fit, seed=seed)
    return PoseResult(
        mode=mode,
        T_parent_cam=fit.solution.X,
        T_board=fit.solution.boards[0],
        std_mm=fit.std_mm,
        std_deg=fit.std_deg,
        rms_px=fit.rms_px,
        held_out_px=px,
        held_out_mm=mm,
        held_out_deg=deg,
        robot_mm=1000 * np.sqrt(3) * fit.noise.position_m,
        robot_deg=float(np.degrees(np.sqrt(3) * fit.noise.angle_rad)),
        used=used,
        rejected=rejected,
        closed_forms=closed,
    )


def held_out_error(
    views: Sequence[View], board: Board, intrinsics: Intrinsics, *, mode: Mode, fit: Refined, seed: int
) -> tuple[float, float, float]:
    """Error (RMS) in px, mm and degrees of the board's place in views left out: 30 %, in five random splits."""
    rng = np.random.default_rng(seed)
    count = max(1, round(HELD_OUT_SHARE * len(views)))
    poses = [board_pose(view.detection, board, intrinsics)[0] for view in views]
    pixels, distances, angles = [], [], []
    for _ in range(SPLITS):
        order = rng.permutation(len(views))
        left_out, learned = order[:count], order[count:]
        problem = problem_of([views[i] for i in learned], board, intrinsics, mode=mode)
        start, _ = closed_form(problem, [poses[i] for i in learned], mode=mode)
        solution = fit_with(problem, start, fit.noise).solution
        judge = problem_of([views[i] for i in left_out], board, intrinsics, mode=mode)
        pixels.append(judge.view_rms_px(solution))
        for T, i in zip(judge.T_cam_board(solution), left_out, strict=True):
            error = inverse(T) @ poses[i]
            centre = np.array([board.width_m / 2, board.height_m / 2, 0, 1])
            distances.append(1000 * float(np.linalg.norm((error @ centre - centre)[:3])))
            angles.append(float(np.degrees(Rotation.from_matrix(error[:3, :3]).magnitude())))
    return _rms(np.concatenate(pixels)), _rms(np.array(distances)), _rms(np.array(angles))


def _board_poses(views: Sequence[View], board: Board, intrinsics: Intrinsics) -> list[np.ndarray]:
    poses = []
    for number, view in enumerate(views, start=1):
        try:
            poses.append(board_pose(view.detection, board, intrinsics)[0])
        except CalibrationError as error:
            raise CalibrationError(error.reason, f"sample {number}: {error}") from error
    return poses


def _fit_inliers(
    views: Sequence[View], T_cam_board: Sequence[np.ndarray], board: Board, intrinsics: Intrinsics, *, mode: Mode
) -> tuple[Refined, tuple[int, ...], dict[str, np.ndarray]]:
    """The fit of the views that agree, which these are, and the closed forms. Never drops more than a fifth."""
    used = list(range(len(views)))
    most = int(LARGEST_OUTLIER_SHARE * len(views))
    while True:
        problem = problem_of([views[i] for i in used], board, intrinsics, mode=mode)
        start, closed = closed_form(problem, [T_cam_board[i] for i in used], mode=mode)
        fit = refine(problem, start)
        sizes = np.stack(
            [np.linalg.norm(fit.corrections[:, :3], axis=1), np.linalg.norm(fit.corrections[:, 3:], axis=1)]
        )
        limits = np.maximum(OUTLIER_FACTOR * np.median(sizes, axis=1), OUTLIER_FLOOR)
        excess = np.max(sizes / limits[:, None], axis=0)
        worst = int(np.argmax(excess))
        if excess[worst] <= 1 or len(views) - len(used) >= most or fit.noise.position_m > HOPELESS_M:
            return fit, tuple(used), closed
        used.pop(worst)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
