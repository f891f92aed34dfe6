"""Keeps a twist from leaving the box and the tilt cone: what leads outward is taken away, the way back stays free."""

import numpy as np

from world4rl_core.geometry import DOWN, matrix_of_quat, tilt
from world4rl_core.rig import LimitsRig

OUTSIDE_M = 0.005  # further out than this somebody pushed the arm, and only inward motion is let through
SOFT_TILT_RAD = 0.1
BEYOND_TILT_RAD = 0.03


def inside_box(linear: np.ndarray, position_m: np.ndarray, limits: LimitsRig) -> tuple[np.ndarray, str | None]:
    """Linear velocity (3,) whose outward components fall to zero over the margin before each face.

    Further than OUTSIDE_M outside, only the components that lead back in remain. The reason is box_margin, outside_box
    or None when nothing was taken away.
    """
    low, high = np.array(limits.box_low_m), np.array(limits.box_high_m)
    left = np.where(linear > 0, high - position_m, position_m - low)  # to the face that each component leads to
    kept = np.where(linear == 0, 0.0, linear * np.clip(left / limits.margin_m, 0, 1))
    beyond = np.maximum(low - position_m, position_m - high)
    if (beyond > OUTSIDE_M).any():
        inward = np.where(position_m < low, np.maximum(linear, 0), np.minimum(linear, 0))
        return np.where(beyond > OUTSIDE_M, inward, 0.0), "outside_box"
    return kept, "box_margin" if (kept != linear).any() else None


def inside_cone(angular: np.ndarray, quat_xyzw: np.ndarray, max_tilt_rad: float) -> tuple[np.ndarray, str | None]:
    """Angular velocity (3,) whose tilting part falls to zero over the last SOFT_TILT_RAD before `max_tilt_rad`."""
    axis = matrix_of_quat(quat_xyzw)[:, 2]
    tilting = np.cross(axis, -DOWN)  # turning about this axis increases the tilt
    sine = np.linalg.norm(tilting)
    if sine < 1e-6:
        return angular, None
    tilting = tilting / sine
    rate = float(angular @ tilting)
    angle = tilt(quat_xyzw)
    if angle > max_tilt_rad + BEYOND_TILT_RAD:
        return min(rate, 0.0) * tilting, "tilt"
    share = float(np.clip((max_tilt_rad - angle) / SOFT_TILT_RAD, 0, 1))
    if rate <= 0 or share == 1:
        return angular, None
    return angular - (1 - share) * rate * tilting, "tilt"
