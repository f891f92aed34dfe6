"""Focal lengths, principal point and distortion from pictures of a board, or a refusal that says what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from world4rl_core.calibration.board import Board, Detection, board_pose
from world4rl_core.calibration.coverage import Coverage, coverage
from world4rl_core.calibration.opencv import cv2
from world4rl_core.errors import CalibrationError
from world4rl_core.optics import Intrinsics

LEAST_VIEWS = 12
LARGEST_RMS_PX = 0.8
LARGEST_STD = 0.003
"""Standard deviation of a focal length that is still good enough, as a share of it."""
OUTLIER_FACTOR = 2.5
"""A view is an outlier when its error exceeds this many times the median view's (and OUTLIER_FLOOR_PX)."""
OUTLIER_FLOOR_PX = 0.3
LARGEST_OUTLIER_SHARE = 0.3
HELD_OUT_SHARE = 0.3


@dataclass(frozen=True)
class IntrinsicsResult:
    """What the views determined, and how well."""

    intrinsics: Intrinsics
    rms_px: float
    held_out_px: float
    """RMS over views that a second estimate, from the other 70 %, had not seen."""
    std_focal: float
    """Larger of the two focal lengths' standard deviations, as a share of it."""
    used: tuple[int, ...]
    rejected: tuple[int, ...]
    coverage: Coverage


def estimate_intrinsics(detections: Sequence[Detection], board: Board, *, seed: int = 0) -> IntrinsicsResult:
    """Intrinsics from detections of one camera.

    Raises CalibrationError: too_few, resolution (several sizes), coverage, outliers, reprojection, uncertain.
    """
    _check_views(detections, board)
    used = list(range(len(detections)))
    while True:
        fit = _fit([detections[i] for i in used], board)
        limit = max(OUTLIER_FACTOR * float(np.median(fit.view_px)), OUTLIER_FLOOR_PX)
        outliers = [i for i, error in zip(used, fit.view_px, strict=True) if error > limit]
        if not outliers:
            break
        used = [i for i in used if i not in outliers]
        if len(used) < max(LEAST_VIEWS, (1 - LARGEST_OUTLIER_SHARE) * len(detections)):
            raise CalibrationError(
                "outliers",
                f"{len(detections) - len(used)} of {len(detections)} views do not fit the others; take them again with "
                "the "
                "board flat, whole and still",
            )
    covered = coverage([detections[i] for i in used], board)
    if not covered.is_enough:
        raise CalibrationError(
            "coverage", f"the views do not cover the picture ({_progress(covered)}); {covered.advice}"
        )
    if fit.rms_px > LARGEST_RMS_PX:
        raise CalibrationError(
            "reprojection",
            f"reprojection error {fit.rms_px:.2f} px (RMS), limit {LARGEST_RMS_PX} px; is the board flat, the light "
            "even "
            "and the square size right?",
        )
    if fit.std_focal > LARGEST_STD:
        raise CalibrationError(
            "uncertain",
            f"the focal length is only known to {fit.std_focal:.2%}, limit {LARGEST_STD:.2%}; add views of a tilted "
            "board, "
            "near and in the corners of the picture",
        )
    held_out = _held_out([detections[i] for i in used], board, seed=seed)
    rejected = tuple(i for i in range(len(detections)) if i not in used)
    return IntrinsicsResult(fit.intrinsics, fit.rms_px, held_out, fit.std_focal, tuple(used), rejected, covered)


@dataclass(frozen=True, eq=False)
class _Fit:
    intrinsics: Intrinsics
    rms_px: float
    std_focal: float
    view_px: np.ndarray


def _check_views(detections: Sequence[Detection], board: Board) -> None:
    sizes = sorted({(d.width, d.height) for d in detections})
    if len(sizes) > 1:
        names = ", ".join(f"{w}x{h}" for w, h in sizes)
        raise CalibrationError(
            "resolution", f"the pictures have several sizes ({names}); take all views at one of them"
        )
    if len(detections) < LEAST_VIEWS:
        advice = coverage(detections, board).advice
        advice = "vary position and tilt" if advice == "enough views" else advice
        raise CalibrationError("too_few", f"{len(detections)} views, wanted {LEAST_VIEWS} or more; next: {advice}")


def _fit(detections: Sequence[Detection], board: Board) -> _Fit:
    size = (detections[0].width, detections[0].height)
    points = [board.points_m[d.ids].astype(np.float32) for d in detections]
    corners = [d.corners_px.astype(np.float32) for d in detections]
    # k3 only pays for wide lenses; free, it takes the place of k2 and spoils the picture's edge.
    try:
        rms, K, distortion, _, _, std, _, view_px = cv2.calibrateCameraExtended(
            points, corners, size, np.eye(3), np.zeros(5), flags=cv2.CALIB_FIX_K3
        )
    except cv2.error as error:
        raise CalibrationError(
            "uncertain", f"the views do not determine a camera ({error.err}); vary their tilt"
        ) from error
    fx, fy, cx, cy = (float(v) for v in (K[0, 0], K[1, 1], K[0, 2], K[1, 2]))
    k1, k2, p1, p2, k3 = (float(v) for v in np.asarray(distortion).reshape(-1)[:5])
    std_focal = float(max(np.asarray(std).reshape(-1)[:2] / (fx, fy)))
    intrinsics = Intrinsics(*size, fx, fy, cx, cy, (k1, k2, p1, p2, k3))
    return _Fit(intrinsics, float(rms), std_focal, np.asarray(view_px).reshape(-1))


def _held_out(detections: Sequence[Detection], board: Board, *, seed: int) -> float:
    order = np.random.default_rng(seed).permutation(len(detections))
    count = max(1, round(HELD_OUT_SHARE * len(detections)))
    learned = _fit([detections[i] for i in order[count:]], board).intrinsics
    errors = [board_pose(detections[i], board, learned)[1] for i in order[:count]]
    return float(np.sqrt(np.mean(np.square(errors))))


def _progress(covered: Coverage) -> str:
    measures = ("x", "y", "size", "skew")
    return ", ".join(f"{key} {getattr(covered, key):.0%}" for key in measures)
