"""Practice cells without a renderer: corners are projected, so that a set of views costs milliseconds."""

from collections.abc import Callable

import numpy as np
import pytest

from world4rl_core.calibration.board import Board, Detection
from world4rl_core.calibration.practice import Cell, hand_poses, random_cell
from world4rl_core.calibration.reprojection import View, project
from world4rl_core.calibration.simulated import disturb
from world4rl_core.geometry import inverse
from world4rl_core.hand_eye import Mode

Take = Callable[..., tuple[Cell, list[View]]]


def seen(cell: Cell, T_base_hand: np.ndarray, *, rng: np.random.Generator, corner_px: float = 0.1) -> Detection:
    """What a camera with perfect corner detection but for `corner_px` sees."""
    T_base_cam, T_base_board = cell.place(T_base_hand)
    T = inverse(T_base_cam) @ T_base_board
    pixels = project(cell.board.points_m @ T[:3, :3].T + T[:3, 3], cell.intrinsics)
    noise = rng.normal(scale=corner_px, size=pixels.shape) if corner_px else 0.0
    size = (cell.intrinsics.width, cell.intrinsics.height)
    return Detection(pixels + noise, np.arange(len(pixels)), *size)


@pytest.fixture(scope="session")
def take() -> Take:
    """`take(mode, seed=0, count=20, robot_mm=1.5, robot_deg=0.2)`: a cell and noisy views of it."""

    def _take(
        mode: Mode, *, seed: int = 0, count: int = 20, robot_mm: float = 1.5, robot_deg: float = 0.2
    ) -> tuple[Cell, list[View]]:
        rng = np.random.default_rng(seed)
        cell = random_cell(mode, rng)
        views = []
        for T in hand_poses(cell, count, rng):
            read = disturb(T, position_m=robot_mm / 1000, angle_rad=np.radians(robot_deg), rng=rng)
            views.append(View(seen(cell, T, rng=rng), read))
        return cell, views

    return _take


@pytest.fixture(scope="session")
def board() -> Board:
    return Board()
