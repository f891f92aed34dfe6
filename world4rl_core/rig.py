"""The rig file: physical facts of one robot cell, read strictly from `calibration/rigs/<name>.yaml`."""

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from world4rl_core.errors import RigError

RIGS = Path(__file__).parents[1] / "calibration" / "rigs"
PANDA_MAX_LINEAR_MPS = 1.7
PANDA_MAX_ANGULAR_RADPS = 2.5
PANDA_HOME_Q = (0.0, -0.7854, 0.0, -2.3562, 0.0, 1.5708, 0.7854)


@dataclass(frozen=True)
class RobotRig:
    """Where the arm is and what it is told at start."""

    model: str  # panda | fr3
    host: str
    realtime: bool = True
    """Refuse to run without a real-time kernel; false only in simulation or with a person's consent."""
    home_q: tuple[float, ...] = PANDA_HOME_Q
    """Joint positions (7) in rad of the start pose."""
    force_threshold_n: float = 20.0
    torque_threshold_nm: float = 20.0


@dataclass(frozen=True)
class LimitsRig:
    """What the safety filter and franky hold; never above the Panda's own."""

    linear_mps: float
    angular_radps: float
    linear_mps2: float
    angular_radps2: float
    box_low_m: tuple[float, float, float]
    box_high_m: tuple[float, float, float]
    margin_m: float = 0.03
    max_tilt_rad: float = 0.6
    """Largest angle between the gripper's axis and straight down."""
    soft_force_n: float = 20.0
    soft_torque_nm: float = 5.0
    stale_warn_s: float = 0.10
    stale_stop_s: float = 0.15
    hold_s: float = 0.15
    """How long franky itself keeps a velocity without a new command."""


@dataclass(frozen=True)
class ActionRig:
    """What an action of ±1 means; one action lasts 1 / rate_hz."""

    rate_hz: int = 10
    translation_m: float = 0.025
    """Displacement of the end effector during one action."""
    rotation_rad: float = 0.1
    frame: str = "base"  # base | ee

    @property
    def dim(self) -> int:
        """Delta translation, delta rotation, gripper state (-1 closed, +1 open)."""
        return 7


@dataclass(frozen=True)
class GripperRig:
    max_width_m: float = 0.08
    speed_mps: float = 0.05
    force_n: float = 20.0
    epsilon_m: float = 0.02


@dataclass(frozen=True)
class CameraRig:
    """One camera, chosen by serial number."""

    name: str
    serial: str
    mount: str = "fixed"  # fixed | hand
    width: int = 640
    height: int = 480
    fps: int = 30
    exposure_us: float | None = None
    """Fixed exposure; automatic where left out."""
    crop: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
    """(top, bottom, left, right) shares of the picture that are kept."""
    size: int = 128
    """Height and width of the recorded picture."""
    depth: bool = False
    T_parent_cam: tuple[float, ...] | None = None
    """Row-major 4x4 from camera (optical frame) to base (fixed) or hand (hand); None until calibrated."""


@dataclass(frozen=True)
class TeleopRig:
    linear_mps: float = 0.2
    angular_radps: float = 0.6
    deadband: float = 0.1
    frame: str = "base"  # base | ee
    neutral_s: float = 0.3
    """How long the input must be neutral before arming and before a hand-back."""


@dataclass(frozen=True)
class Rig:
    """One physical cell."""

    name: str
    robot: RobotRig
    limits: LimitsRig
    cameras: tuple[CameraRig, ...]
    action: ActionRig = field(default_factory=ActionRig)
    gripper: GripperRig = field(default_factory=GripperRig)
    teleop: TeleopRig = field(default_factory=TeleopRig)

    def camera(self, name: str) -> CameraRig:
        """Raises RigError with the known names."""
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise RigError(f"rig {self.name}: no camera {name!r}; known: {', '.join(c.name for c in self.cameras)}")
