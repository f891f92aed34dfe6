"""Why a set of hand-eye samples must not be trusted: each check names a cause and a next step."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from world4rl_core.calibration.board import Board
from world4rl_core.calibration.refinement import FIRST_GUESS, Refined, closed_form, fit_with, problem_of, refine
from world4rl_core.calibration.reprojection import Reprojection, Solution, View, Whitener
from world4rl_core.errors import CalibrationError
from world4rl_core.geometry import inverse
from world4rl_core.hand_eye import Mode, rotation_spread_deg
from world4rl_core.optics import Intrinsics

LEAST_SAMPLES = 10
LEAST_SPREAD_DEG = 5.0
"""RMS angle that the hand must turn about a second axis."""
STILL_MM, STILL_DEG = 3.0, 0.5
"""A board whose pose in the picture varies by less, while the hand moves, is not where the mode says."""
LARGEST_ROBOT_MM, LARGEST_ROBOT_DEG = 6.0, 0.8
"""Per axis; no robot is that bad, so something else is wrong."""
OTHER_FITS_PX = 10.0
"""Median error below which the other arrangement is the right one."""
SPLIT_F = 10.0
"""F value above which a second board pose explains the samples better than chance would."""
LEAST_GROUP = 3
LEAST_MOVE_MM, LEAST_MOVE_DEG = 1.0, 0.2
LARGEST_SCALE_ERROR = 0.01
OTHER: dict[Mode, Mode] = {"eye_in_hand": "eye_to_hand", "eye_to_hand": "eye_in_hand"}
AXES = "xyz"


def advise(views: Sequence[View]) -> str:
    """What to do with the hand before the next sample."""
    if len(views) < 3:
        return (
            "tilt the hand by 20 to 30 degrees about its x axis, then about its y axis, the board still in the picture"
        )
    spread, axes = rotation_spread_deg([view.T_base_hand for view in views])
    weakest = axes[:, int(np.argmin(spread))]
    name = AXES[int(np.argmax(np.abs(weakest)))]
    if spread[2] >= 2 * LEAST_SPREAD_DEG:
        return (
            f"go on varying tilt and distance; least varied is the turn about the hand's {name} axis ({spread[2]:.0f} "
            "degrees)"
        )
    return f"turn the hand by 20 to 30 degrees about its {name} axis, to both sides, the board still in the picture"


def refuse_few(views: Sequence[View]) -> None:
    """too_few, or degenerate where the hand turned about one axis only."""
    if len(views) < LEAST_SAMPLES:
        raise CalibrationError(
            "too_few", f"{len(views)} samples, wanted {LEAST_SAMPLES} or more, better 20; next: {advise(views)}"
        )
    spread, _ = rotation_spread_deg([view.T_base_hand for view in views])
    if spread[1] < LEAST_SPREAD_DEG:
        raise CalibrationError(
            "degenerate",
            f"the hand turned by {spread[0]:.0f} degrees (RMS) about one axis, but only by {spread[1]:.1f} about a "
            "second one, "
            f"wanted {LEAST_SPREAD_DEG:.0f}: this does not determine the camera; next: {advise(views)}",
        )


def refuse_still_board(views: Sequence[View], T_cam_board: Sequence[np.ndarray], *, mode: Mode) -> None:
    """swapped_cameras: the hand moved and the board stayed where it was in the picture."""
    moved_mm, turned_deg = _scatter(T_cam_board)
    hand_mm, hand_deg = _scatter([view.T_base_hand for view in views])
    if moved_mm < STILL_MM and turned_deg < STILL_DEG:
        other = (
            "a fixed camera"
            if mode == "eye_in_hand"
            else "the camera on the hand, or by one that does not see the hand"
        )
        raise CalibrationError(
            "swapped_cameras",
            f"the hand moved by {hand_mm:.0f} mm and {hand_deg:.0f} degrees, yet the board did not move in the "
            "pictures: they "
            f"seem to come from {other}; check the serial numbers in the rig file, `world4rl doctor` lists the cameras",
        )


def refuse_moved_board(
    problem: Reprojection, fit: Refined, *, used: tuple[int, ...], rejected: tuple[int, ...], total: int
) -> None:
    """moved_board: a second board pose from some sample on explains the samples far better than one."""
    tail = set(range(total - 2, total))
    if tail <= set(rejected):
        raise CalibrationError(
            "moved_board", f"the last samples, {min(rejected) + 1} and later, show the board elsewhere: {_take_again()}"
        )
    found = _best_split(problem, fit)
    if found is None or found[1] < SPLIT_F:
        return
    after, _ = found
    groups = (np.arange(len(used)) >= after).astype(int)
    split = Reprojection(problem.views, problem.board, problem.intrinsics, mode=problem.mode, groups=groups)
    start = Solution(fit.solution.X, np.repeat(fit.solution.boards, 2, axis=0))
    boards = refine(split, start).solution.boards
    step = inverse(boards[0]) @ boards[1]
    centre = np.append(problem.board.outline_m.mean(axis=0), 1.0)
    move_mm = 1000 * float(np.linalg.norm((step @ centre - centre)[:3]))
    move_deg = float(np.degrees(Rotation.from_matrix(step[:3, :3]).magnitude()))
    if move_mm > LEAST_MOVE_MM or move_deg > LEAST_MOVE_DEG:
        raise CalibrationError(
            "moved_board",
            f"the board moved by {move_mm:.1f} mm and {move_deg:.1f} degrees between samples {used[after - 1] + 1} and "
            f"{used[after] + 1}: {_take_again()}",
        )


def refuse_inconsistent(
    views: Sequence[View],
    T_cam_board: Sequence[np.ndarray],
    fit: Refined,
    board: Board,
    intrinsics: Intrinsics,
    *,
    mode: Mode,
    rejected: tuple[int, ...],
) -> None:
    """wrong_arrangement where the other mode fits; inconsistent where nothing does."""
    robot_mm, robot_deg = 1000 * fit.noise.position_m, np.degrees(fit.noise.angle_rad)
    if robot_mm <= LARGEST_ROBOT_MM and robot_deg <= LARGEST_ROBOT_DEG:
        return
    problem = problem_of(views, board, intrinsics, mode=OTHER[mode])
    start, _ = closed_form(problem, T_cam_board, mode=OTHER[mode])
    other = fit_with(problem, start, FIRST_GUESS)
    if np.median(other.view_px) < min(OTHER_FITS_PX, np.median(fit.view_px) / 3):
        raise CalibrationError(
            "wrong_arrangement",
            f"the samples fit {OTHER[mode]} ({np.median(other.view_px):.1f} px) far better than {mode} "
            f"({np.median(fit.view_px):.1f} px); give that mode, or check which camera took the pictures",
        )
    raise CalibrationError(
        "inconsistent",
        f"board and hand disagree by {robot_mm:.0f} mm and {robot_deg:.1f} degrees per axis ({len(rejected)} samples "
        "left out); "
        "was the board fixed, did the arm stand still at each sample, and are pictures and poses of the same time?",
    )


def refuse_wrong_squares(problem: Reprojection, fit: Refined) -> None:
    """square_size: the robot's motion says that the printed squares, or the focal length, are not what was given."""
    free = fit_with(problem, fit.solution, fit.noise, free_scale=True)
    error, std = free.solution.scale - 1, free.scale_std or 0.0
    if abs(error) > LARGEST_SCALE_ERROR + 3 * std:
        measured = 1000 * problem.board.square_m * free.solution.scale
        raise CalibrationError(
            "square_size",
            f"by the robot's motion the squares measure {measured:.2f} mm, given were "
            f"{1000 * problem.board.square_m:.2f} mm; "
            "measure the print with a ruler (print at 100 %), or calibrate the intrinsics again",
        )


def _best_split(problem: Reprojection, fit: Refined) -> tuple[int, float] | None:
    """The sample from which on a second board pose helps most, and its F value; linearised about the fit."""
    count = len(problem.views)
    white = Whitener(problem, fit.solution, fit.noise)
    e, J = white.pose_rows(problem.residuals(fit.solution), problem.jacobian(fit.solution))
    views = np.repeat(np.arange(count), 6)
    base = _unexplained(e, J)
    best: tuple[int, float] | None = None
    for after in range(LEAST_GROUP, count - LEAST_GROUP + 1):
        late = J[:, 6:] * (views >= after)[:, None]
        left = _unexplained(e, np.hstack([J, late]))
        F = (base - left) / 6 / max(left / (6 * count - 18), 1e-12)
        if best is None or best[1] < F:
            best = (after, F)
    return best


def _unexplained(e: np.ndarray, J: np.ndarray) -> float:
    step = np.linalg.lstsq(J, -e, rcond=None)[0]
    return float(np.sum((e + J @ step) ** 2))


def _scatter(poses: Sequence[np.ndarray]) -> tuple[float, float]:
    """RMS distance in mm and angle in degrees of poses from their mean."""
    positions = np.stack([T[:3, 3] for T in poses])
    rotations = Rotation.from_matrix(np.stack([T[:3, :3] for T in poses]))
    angles = (rotations.mean().inv() * rotations).magnitude()
    distance = np.sqrt(np.mean(np.sum((positions - positions.mean(axis=0)) ** 2, axis=1)))
    return 1000 * float(distance), float(np.degrees(np.sqrt(np.mean(angles**2))))


def _take_again() -> str:
    return "fasten it, then undo the samples on one side of that and take them again"
