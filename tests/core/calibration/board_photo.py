"""A board as a camera would see it, without a renderer."""

import cv2
import numpy as np

from world4rl_core.calibration.board import Board
from world4rl_core.optics import Intrinsics

INTRINSICS = Intrinsics(640, 480, 600.0, 600.0, 319.5, 239.5)


def photo(board: Board, *, depth_m: float = 0.45, tilt: float = 0.3) -> np.ndarray:
    """The board on grey, through a pinhole, uint8 RGB (480, 640, 3)."""
    pixels = 60
    flat = board.picture(pixels, margin_px=30)
    scale = board.square_m / pixels
    c, s = np.cos(tilt), np.sin(tilt)
    R = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    middle = np.array([board.width_m / 2, board.height_m / 2, 0])
    t = np.array([0.0, 0.0, depth_m]) - R @ middle
    K = np.array([[INTRINSICS.fx, 0, INTRINSICS.cx], [0, INTRINSICS.fy, INTRINSICS.cy], [0, 0, 1]])
    plane = K @ np.column_stack([R[:, 0], R[:, 1], t])
    shift = np.array([[scale, 0, (0.5 - 30) * scale], [0, scale, (0.5 - 30) * scale], [0, 0, 1]])
    image = cv2.warpPerspective(flat, plane @ shift, (640, 480), flags=cv2.INTER_AREA, borderValue=128)
    return cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 0.6), cv2.COLOR_GRAY2RGB)
