"""How far the scene moved in the picture between two pictures of one camera."""

from dataclasses import dataclass

import numpy as np

from world4rl_core.calibration.board import Detection, map_plane
from world4rl_core.calibration.opencv import cv2

FEATURES = 1500
RATIO = 0.75
"""A feature's best match is taken only if it is this much closer than its second best (Lowe 2004)."""
RANSAC_PX = 3.0
LEAST_INLIERS = 20
LEAST_INLIER_SHARE = 0.35
LARGEST_SHIFT = 0.4
"""Of the picture's width; a model that moves things further is a wrong one."""


@dataclass(frozen=True, eq=False)
class Match:
    """Points found in both pictures, and the typical shift."""

    old: np.ndarray  # (n, 2) px
    live: np.ndarray  # (n, 2) px
    shift_px: float
    source: str
    """board | scene"""


def match_board(old: Detection, live: Detection) -> Match | None:
    """By the board's corners; the shift is their RMS distance."""
    _, first, second = np.intersect1d(old.ids, live.ids, return_indices=True)
    if len(first) < 6:
        return None
    before, after = old.corners_px[first], live.corners_px[second]
    return Match(before, after, float(np.sqrt(np.mean(np.sum((after - before) ** 2, axis=1)))), "board")


def match_features(old: np.ndarray, live: np.ndarray) -> Match | None:
    """By SIFT features of the scene that move together; what moves by itself (the arm, objects) is outvoted.

    The shift is the RMS over a grid of the picture under that common motion. None where too few features agree.
    """
    sift = cv2.SIFT_create(nfeatures=FEATURES, contrastThreshold=0.02)
    (old_points, old_marks), (live_points, live_marks) = (
        sift.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None) for image in (old, live)
    )
    if old_marks is None or live_marks is None or min(len(old_marks), len(live_marks)) < LEAST_INLIERS:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(old_marks, live_marks, k=2)
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < RATIO * pair[1].distance]
    if len(good) < LEAST_INLIERS:
        return None
    before = np.array([old_points[match.queryIdx].pt for match in good])
    after = np.array([live_points[match.trainIdx].pt for match in good])
    H, inliers = cv2.findHomography(before, after, cv2.USAC_MAGSAC, RANSAC_PX)
    if H is None:
        return None
    kept = inliers.reshape(-1).astype(bool)
    height, width = old.shape[:2]
    shift = _grid_shift(H, width, height)
    if kept.sum() < max(LEAST_INLIERS, LEAST_INLIER_SHARE * len(good)) or not shift < LARGEST_SHIFT * width:
        return None
    return Match(before[kept], after[kept], shift, "scene")


def _grid_shift(H: np.ndarray, width: int, height: int) -> float:
    x, y = np.meshgrid(np.linspace(0.1, 0.9, 9) * width, np.linspace(0.1, 0.9, 9) * height)
    grid = np.column_stack([x.ravel(), y.ravel()])
    return float(np.sqrt(np.mean(np.sum((map_plane(H, grid) - grid) ** 2, axis=1))))
