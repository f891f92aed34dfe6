"""How well a set of views covers the picture, and which view to take next."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from world4rl_core.calibration.board import Board, Detection, map_plane
from world4rl_core.calibration.opencv import cv2

WANTED = {"x": 0.7, "y": 0.7, "size": 0.4, "skew": 0.5}
"""Range that the views must span, of a possible 1 each (the measures of ROS's image_pipeline)."""
ADVICE = {
    "x": "move the board to the {} of the picture",
    "y": "move the board to the {} of the picture",
    "size": "bring the board {}",
    "skew": "tilt the board {}",
}
SIDES = {"x": ("left", "right"), "y": ("top", "bottom"), "size": ("further away", "nearer")}
SIDES["skew"] = ("so that it faces the camera", "away from the camera by 30 to 45 degrees")


@dataclass(frozen=True)
class Placement:
    """Where one view shows the board, each 0 to 1."""

    x: float
    y: float
    size: float
    """Square root of the share of the picture the board covers."""
    skew: float
    """0 for a board that faces the camera, 1 where a right angle looks 30 degrees off."""


@dataclass(frozen=True)
class Coverage:
    """Range of the views in each measure over the wanted one; 1 is enough."""

    x: float
    y: float
    size: float
    skew: float
    advice: str

    @property
    def is_enough(self) -> bool:
        return min(self.x, self.y, self.size, self.skew) >= 1


def placement(detection: Detection, board: Board) -> Placement:
    """Where the whole board would lie, also where a part of it is hidden."""
    flat = board.points_m[detection.ids][:, :2]
    H, _ = cv2.findHomography(flat, detection.corners_px)
    outline = map_plane(H, board.outline_m[:, :2])
    area = 0.5 * abs(np.sum(_cross(outline, np.roll(outline, -1, axis=0))))
    border = np.sqrt(area)
    centre = outline.mean(axis=0)
    span = np.maximum([detection.width - border, detection.height - border], 1)
    x, y = np.clip((centre - border / 2) / span, 0, 1)
    before, after = outline[0] - outline[1], outline[2] - outline[1]
    cosine = before @ after / (np.linalg.norm(before) * np.linalg.norm(after))
    skew = min(1.0, 2 * abs(np.pi / 2 - np.arccos(np.clip(cosine, -1, 1))))
    return Placement(float(x), float(y), float(np.sqrt(area / (detection.width * detection.height))), float(skew))


def coverage(detections: Sequence[Detection], board: Board) -> Coverage:
    """Progress in the four measures and what to show the camera next."""
    places = [placement(detection, board) for detection in detections]
    progress: dict[str, float] = {}
    hints: dict[str, str] = {}
    for key, wanted in WANTED.items():
        values = [getattr(place, key) for place in places] or [0.5]
        low, high = min(values), max(values)
        if key in ("size", "skew"):
            low = 0.0 if key == "skew" else min(low, 0.1)  # as far away as detection works is nothing to ask for
        progress[key] = min(1.0, (high - low) / wanted)
        side = SIDES[key][0] if key in ("x", "y") and low > 1 - high else SIDES[key][1]
        hints[key] = ADVICE[key].format(side)
    worst = min(progress, key=lambda key: progress[key])
    advice = "enough views" if progress[worst] >= 1 else hints[worst]
    return Coverage(**progress, advice=advice)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
