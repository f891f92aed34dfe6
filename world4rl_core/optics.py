"""What calibration knows about a camera: its intrinsics, and how well its pose was found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera with Brown-Conrady distortion, in pixels; pixel (0, 0) is the centre of the first one."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """k1, k2, p1, p2, k3, in OpenCV's order."""


@dataclass(frozen=True)
class CalibrationRecord:
    """When and how well a camera was calibrated."""

    date: str
    """ISO 8601 in UTC."""
    samples: int
    held_out_px: float
    """Reprojection error (RMS) of the 30 % of samples the solution had not seen."""
    std_mm: float
    std_deg: float
    """Expected error (one standard deviation) of the position and of the orientation."""
