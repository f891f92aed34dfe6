"""Calibration without hardware: cells with a known truth, and the samples that a careful person would take in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from world4rl_core.calibration.board import Board
from world4rl_core.calibration.poses import Guess, plan_poses
from world4rl_core.calibration.reprojection import project
from world4rl_core.calibration.simulated import SimulatedCamera, disturb
from world4rl_core.hand_eye import Mode
from world4rl_core.optics import Intrinsics
from world4rl_core.rig import LimitsRig

TRIES = 50
GUESS_ERROR_M, GUESS_ERROR_RAD = 0.02, np.radians(5)
LIMITS = LimitsRig(
    linear_mps=0.25,
    angular_radps=1.0,
    linear_mps2=2.0,
    angular_radps2=8.0,
    box_low_m=(0.30, -0.30, 0.01),
    box_high_m=(0.70, 0.30, 0.60),
)


@dataclass(frozen=True, eq=False)
class Cell:
    """One camera, one board, and where they really are."""

    mode: Mode
    board: Board
    intrinsics: Intrinsics
    T_parent_cam: np.ndarray  # (4, 4)
    T_board: np.ndarray  # (4, 4) T_base_board or T_hand_board

    def place(self, T_base_hand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """T_base_cam and T_base_board while the hand is there."""
        if self.mode == "eye_in_hand":
            return T_base_hand @ self.T_parent_cam, self.T_board
        return self.T_parent_cam, T_base_hand @ self.T_board


def random_cell(mode: Mode, rng: np.random.Generator, *, board: Board | None = None) -> Cell:
    """A camera like a RealSense's colour camera at 640x480, mounted as people mount them, nowhere twice the same."""
    board = board or Board()
    focal = rng.uniform(580, 650)
    centre = rng.uniform(-12, 12, 2) + (319.5, 239.5)
    k1, k2 = rng.uniform(-0.08, 0.12), rng.uniform(-0.15, 0.05)
    p1, p2 = (float(v) for v in rng.uniform(-0.001, 0.001, 2))
    fy = focal * rng.uniform(0.995, 1.005)
    intrinsics = Intrinsics(640, 480, focal, fy, float(centre[0]), float(centre[1]), (k1, k2, p1, p2, 0.0))
    turn = Rotation.from_rotvec(rng.normal(size=3) * np.radians(8)).as_matrix()
    X, T_board = np.eye(4), np.eye(4)
    if mode == "eye_in_hand":
        X[:3, :3] = Rotation.from_euler("z", rng.uniform(-np.pi, np.pi)).as_matrix() @ turn
        X[:3, 3] = [*(rng.uniform(0.04, 0.08) * X[:2, 1]), rng.uniform(-0.10, -0.04)]
        T_board[:3, :3] = Rotation.from_euler("z", rng.uniform(-0.5, 0.5)).as_matrix() @ np.diag([1, -1, -1])
        centre_m = np.array([rng.uniform(0.45, 0.55), rng.uniform(-0.08, 0.08), 0.0])
    else:
        bearing = rng.uniform(-0.7, 0.7)
        eye = np.array([0.5 + 0.75 * np.cos(bearing), 0.75 * np.sin(bearing), rng.uniform(0.35, 0.65)])
        X = looking_at(eye, np.array([0.5, 0.0, 0.25]))
        X[:3, :3] = X[:3, :3] @ Rotation.from_rotvec(rng.normal(size=3) * np.radians(3)).as_matrix()
        # With the gripper down, its z axis points down and its x axis forward: the board hangs, turned to the camera.
        facing = Rotation.from_euler("z", -bearing).as_matrix()
        T_board[:3, :3] = facing @ np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]]) @ turn
        centre_m = np.array([0.02, 0.0, rng.uniform(0.03, 0.08)])
    T_board[:3, 3] = centre_m - T_board[:3, :3] @ [board.width_m / 2, board.height_m / 2, 0]
    return Cell(mode, board, intrinsics, X, T_board)


def looking_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """T_base_cam (4, 4) of an upright camera at `eye` whose middle pixel shows `target`."""
    z = (target - eye) / np.linalg.norm(target - eye)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = np.column_stack([x, np.cross(z, x), z]), eye
    return T


def hand_poses(cell: Cell, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Hand poses planned from a guess that is centimetres and degrees off, as a ruler's would be."""
    X, T_board = (
        disturb(T, position_m=GUESS_ERROR_M, angle_rad=GUESS_ERROR_RAD, rng=rng)
        for T in (cell.T_parent_cam, cell.T_board)
    )
    nominal = Intrinsics(640, 480, 615.0, 615.0, 319.5, 239.5)
    seed = int(rng.integers(2**31))
    return plan_poses(
        count,
        mode=cell.mode,
        limits=LIMITS,
        board=cell.board,
        intrinsics=nominal,
        guess=Guess(X, T_board),
        seed=seed,
    )


def hand_pictures(
    cell: Cell, camera: SimulatedCamera, T_base_hand: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Hand poses and clean pictures, uint8 RGB."""
    for T in T_base_hand:
        yield T, camera.picture(*cell.place(T))


def board_in_front(board: Board, intrinsics: Intrinsics, count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """T_cam_board (4, 4) of a board held all over the picture, near and far, tilted by up to 45 degrees."""
    outline = board.outline_m
    middle = outline.mean(axis=0)
    right_bottom = (intrinsics.width - 5.0, intrinsics.height - 5.0)
    while count:
        depth = intrinsics.fx * board.width_m / (rng.uniform(0.3, 0.9) * intrinsics.width)
        for _ in range(TRIES):
            tilt, direction = np.radians(rng.uniform(5, 45)), rng.uniform(-np.pi, np.pi)
            turned = Rotation.from_rotvec(tilt * np.array([np.cos(direction), np.sin(direction), 0]))
            pixel = rng.uniform(0.1, 0.9, 2) * (intrinsics.width, intrinsics.height)
            ray = (pixel - (intrinsics.cx, intrinsics.cy)) / (intrinsics.fx, intrinsics.fy)
            T = np.eye(4)
            T[:3, :3] = (turned * Rotation.from_euler("z", rng.normal(scale=0.3))).as_matrix()
            T[:3, 3] = depth * np.append(ray, 1.0) - T[:3, :3] @ middle
            points = outline @ T[:3, :3].T + T[:3, 3]
            pixels = project(points, intrinsics)
            if (points[:, 2] > 0.05).all() and (pixels > 4).all() and (pixels < right_bottom).all():
                count -= 1
                yield T
                break
