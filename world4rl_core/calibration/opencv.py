"""OpenCV, or which package to install."""

from typing import Any

from world4rl_core.errors import ConfigError

cv2: Any
try:
    import cv2 as _cv2
except ModuleNotFoundError as error:
    raise ConfigError(
        'OpenCV is not installed; calibration needs it: pip install "world4rl-core[calibration]"'
    ) from error
if not hasattr(_cv2, "aruco") or not hasattr(_cv2.aruco, "CharucoDetector"):
    raise ConfigError(
        f"OpenCV {_cv2.__version__} has no CharucoDetector, wanted 4.7 or newer: pip install -U opencv-python"
    )
cv2 = _cv2
