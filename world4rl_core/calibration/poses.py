"""Which hand poses to visit: inside the workspace box, the whole board in the picture, and the more told the better.

Needs only a rough guess of where camera and board are: a few centimetres and ten degrees will do. Whoever moves the arm
passes `is_reachable` to keep out what joints or obstacles forbid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from world4rl_core.calibration.board import Board, Detection
from world4rl_core.calibration.refinement import FIRST_GUESS
from world4rl_core.calibration.reprojection import Reprojection, Solution, View, Whitener, inverses, project
from world4rl_core.errors import CalibrationError
from world4rl_core.geometry import DOWN, inverse
from world4rl_core.hand_eye import Mode
from world4rl_core.optics import Intrinsics
from world4rl_core.rig import LimitsRig

CANDIDATES = 300
TRIES, BATCH = 60_000, 2_000
LARGEST_YAW_RAD = 1.2
"""Turn about the gripper's axis, to both sides of the middle."""
LARGEST_VIEW_ANGLE_RAD = np.radians(50)
"""Between the board's normal and the line of sight; flatter views blur its far edge."""
EDGE_PX = 10
LEAST_CELL_PX = 2.2
"""Side of a marker's smallest square in the picture; smaller ones are misread."""


@dataclass(frozen=True, eq=False)
class Guess:
    """Roughly where things are, by eye or ruler."""

    T_parent_cam: np.ndarray  # (4, 4) T_hand_cam or T_base_cam
    T_board: np.ndarray  # (4, 4) T_base_board or T_hand_board


def plan_poses(
    count: int,
    *,
    mode: Mode,
    limits: LimitsRig,
    board: Board,
    intrinsics: Intrinsics,
    guess: Guess,
    seed: int = 0,
    taken: Sequence[np.ndarray] = (),
    is_reachable: Callable[[np.ndarray], bool] = lambda T_base_hand: True,
) -> list[np.ndarray]:
    """`count` hand poses T_base_hand (4, 4) that together tell most about camera and board, ordered as a short way.

    `taken` are poses of samples that exist already: the new ones complete them, so that with `count` = 1 the answer is
    the best next pose. Raises CalibrationError ("no_pose") where box, tilt and picture leave too few.
    """
    rng = np.random.default_rng(seed)
    candidates = _candidates(max(CANDIDATES, 4 * count), mode, limits, board, intrinsics, guess, rng, is_reachable)
    if len(candidates) < count:
        raise CalibrationError(
            "no_pose",
            f"{len(candidates)} poses inside the workspace box show the whole board, wanted {count}; move the board "
            "nearer "
            "to the middle of what the camera sees, or check the guess of where camera and board are",
        )
    told = information([*taken, *candidates], mode=mode, board=board, intrinsics=intrinsics, guess=guess)
    chosen = _most_told(told[len(taken) :], count, base=told[: len(taken)].sum(axis=0))
    return _short_way([candidates[i] for i in chosen])


def information(
    T_base_hand: Sequence[np.ndarray], *, mode: Mode, board: Board, intrinsics: Intrinsics, guess: Guess
) -> np.ndarray:
    """Fisher information (poses, 12, 12) of each hand pose about camera and board, at the expected noise."""
    corners = Detection(np.zeros((board.corner_count, 2)), np.arange(board.corner_count), 1, 1)
    views = [View(corners, T) for T in T_base_hand]
    problem = Reprojection(views, board, intrinsics, mode=mode)
    solution = Solution(guess.T_parent_cam, guess.T_board[None])
    white = Whitener(problem, solution, FIRST_GUESS)
    J = white.pose_rows(problem.residuals(solution), problem.jacobian(solution))[1].reshape(len(views), 6, 12)
    return J.transpose(0, 2, 1) @ J


def shows_board(
    T_base_hand: np.ndarray, *, mode: Mode, board: Board, intrinsics: Intrinsics, guess: Guess
) -> np.ndarray:
    """For each hand pose (n, 4, 4) whether the camera would see the whole board, near enough and not too flat: (n,)."""
    links = inverses(T_base_hand) if mode == "eye_in_hand" else T_base_hand
    T = inverse(guess.T_parent_cam) @ links @ guess.T_board
    points = np.einsum("nij,kj->nki", T[:, :3, :3], board.outline_m) + T[:, None, :3, 3]
    is_in_front = (points[..., 2] > 0.1).all(axis=1)
    centre = points.mean(axis=1)
    # The board's z axis points into the paper: seen from the front, it points away from the camera.
    cosine = np.einsum("ni,ni->n", T[:, :3, 2], centre) / np.linalg.norm(centre, axis=1)
    safe = np.where(is_in_front[:, None, None], points, [0.0, 0.0, 1.0])
    pixels = project(safe.reshape(-1, 3), intrinsics).reshape(-1, 4, 2)
    limits = (intrinsics.width - EDGE_PX, intrinsics.height - EDGE_PX)
    is_inside = ((pixels > EDGE_PX) & (pixels < limits)).all(axis=(1, 2))
    lengths_m = np.array([board.width_m, board.height_m, board.width_m, board.height_m])
    sides = np.linalg.norm(pixels - np.roll(pixels, -1, axis=1), axis=2) / lengths_m
    is_readable = sides.min(axis=1) * board.cell_m > LEAST_CELL_PX
    return is_in_front & (cosine > np.cos(LARGEST_VIEW_ANGLE_RAD)) & is_inside & is_readable


def _candidates(
    count: int,
    mode: Mode,
    limits: LimitsRig,
    board: Board,
    intrinsics: Intrinsics,
    guess: Guess,
    rng: np.random.Generator,
    is_reachable: Callable[[np.ndarray], bool],
) -> list[np.ndarray]:
    low = np.add(limits.box_low_m, limits.margin_m)
    high = np.subtract(limits.box_high_m, limits.margin_m)
    found: list[np.ndarray] = []
    for _ in range(TRIES // BATCH):
        poses = np.tile(np.eye(4), (BATCH, 1, 1))
        poses[:, :3, 3] = rng.uniform(low, high, (BATCH, 3))
        poses[:, :3, :3] = _tilted_down(rng, limits.max_tilt_rad)
        shown = poses[shows_board(poses, mode=mode, board=board, intrinsics=intrinsics, guess=guess)]
        found += [T for T in shown if is_reachable(T)]
        if len(found) >= count:
            return found[:count]
    return found


def _tilted_down(rng: np.random.Generator, max_tilt_rad: float) -> np.ndarray:
    """Rotations (BATCH, 3, 3): down, turned about the own axis, tilted by up to 95 % of the limit."""
    tilt = 0.95 * max_tilt_rad * np.sqrt(rng.uniform(size=BATCH))
    direction = rng.uniform(-np.pi, np.pi, BATCH)
    yaw = rng.uniform(-LARGEST_YAW_RAD, LARGEST_YAW_RAD, BATCH)
    down = np.column_stack([[1, 0, 0], [0, -1, 0], DOWN])
    level = np.column_stack([np.cos(direction), np.sin(direction), np.zeros(BATCH)])
    turned = Rotation.from_rotvec(tilt[:, None] * level) * Rotation.from_rotvec(yaw[:, None] * [0, 0, 1])
    return turned.as_matrix() @ down


def _most_told(told: np.ndarray, count: int, *, base: np.ndarray) -> list[int]:
    """Greedy choice: each next pose is the one that shrinks the uncertainty's volume most."""
    total = np.eye(12) + base
    chosen: list[int] = []
    for _ in range(count):
        gains = np.linalg.slogdet(total + told)[1]
        gains[chosen] = -np.inf
        chosen.append(int(np.argmax(gains)))
        total = total + told[chosen[-1]]
    return chosen


def _short_way(poses: list[np.ndarray]) -> list[np.ndarray]:
    """Always on to the nearest pose that is left, starting from the highest."""
    left = sorted(poses, key=lambda T: T[2, 3])
    way = [left.pop()]
    while left:
        distances = [np.linalg.norm(T[:3, 3] - way[-1][:3, 3]) for T in left]
        way.append(left.pop(int(np.argmin(distances))))
    return way
