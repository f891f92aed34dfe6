"""The rig file: physical facts of one robot cell, read strictly from `calibration/rigs/<name>.yaml`."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from world4rl_core.errors import RigError
from world4rl_core.optics import CalibrationRecord, Intrinsics
from world4rl_core.strict_yaml import BadKey, StrictReader

RIGS = Path(__file__).parents[1] / "calibration" / "rigs"
PANDA_MAX_LINEAR_MPS = 1.7
PANDA_MAX_ANGULAR_RADPS = 2.5
PANDA_MAX_LINEAR_MPS2 = 13.0
PANDA_MAX_ANGULAR_RADPS2 = 25.0
PANDA_HOME_Q = (0.0, -0.7854, 0.0, -2.3562, 0.0, 1.5708, 0.7854)
LONGEST_HOLD_S = 0.15
HAND_MAX_WIDTH_M = 0.08
HAND_MAX_SPEED_MPS = 0.1
HAND_MAX_FORCE_N = 70.0
FRAMES = ("base", "ee")
JOINT_RANGES_RAD = {  # (low, high) of each joint, from the maker's data sheets
    "panda": (
        (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973),
        (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973),
    ),
    "fr3": (
        (-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159),
        (2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159),
    ),
}


def _require(is_met: bool, key: str, message: str) -> None:
    if not is_met:
        raise BadKey(key, message)


def _in_range(section: object, key: str, low: float, high: float, *, whose: str = "") -> None:
    """The value lies in (low, high]; NaN and infinity never do."""
    value = getattr(section, key)
    wanted = f"wanted more than {low:g}" + (f" and at most {high:g}" if math.isfinite(high) else "")
    _require(math.isfinite(value) and low < value <= high, key, f"got {value:g}, {wanted}{whose}")


def _one_of(section: object, key: str, known: tuple[str, ...]) -> None:
    value = getattr(section, key)
    _require(value in known, key, f"got {value!r}, wanted one of {', '.join(known)}")


@dataclass(frozen=True)
class RobotRig:
    """Where the arm is and what it is told at start."""

    model: str
    """panda | fr3"""
    host: str
    realtime: bool = True
    """Refuse to run without a real-time kernel; false only in simulation or with a person's consent."""
    home_q: tuple[float, ...] = PANDA_HOME_Q
    """Joint positions (7) in rad of the start pose."""
    force_threshold_n: float = 20.0
    torque_threshold_nm: float = 20.0

    def __post_init__(self) -> None:
        _one_of(self, "model", tuple(JOINT_RANGES_RAD))
        _require(bool(self.host.strip()), "host", "is empty, wanted the robot's IP address or host name")
        _require(len(self.home_q) == 7, "home_q", f"got {len(self.home_q)} values, wanted 7 joint positions in rad")
        low, high = self.joint_ranges_rad
        for joint, (q, least, most) in enumerate(zip(self.home_q, low, high, strict=True), start=1):
            _require(least < q < most, "home_q", f"joint {joint} is {q:g}, wanted {least:g} to {most:g} rad")
        _in_range(self, "force_threshold_n", 0, 100)
        _in_range(self, "torque_threshold_nm", 0, 100)

    @property
    def joint_ranges_rad(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Lowest and highest position of each joint."""
        return JOINT_RANGES_RAD[self.model]


@dataclass(frozen=True)
class LimitsRig:
    """What the safety filter and franky hold; never above the Panda's own."""

    linear_mps: float
    angular_radps: float
    linear_mps2: float
    angular_radps2: float
    box_low_m: tuple[float, float, float]
    box_high_m: tuple[float, float, float]
    """The end effector stays between the two corners, in base."""
    margin_m: float = 0.03
    """Outward speed falls to zero over this distance before a face."""
    max_tilt_rad: float = 0.6
    """Largest angle between the gripper's axis and straight down."""
    soft_force_n: float = 20.0
    soft_torque_nm: float = 5.0
    """An external wrench above these holds the arm before the robot's own reflex does."""
    stale_warn_s: float = 0.10
    stale_stop_s: float = 0.15
    hold_s: float = 0.15
    """How long franky itself keeps a velocity without a new command."""
    future_s: float = 0.02
    """A command stamped further ahead than this is refused: the clocks disagree."""

    def __post_init__(self) -> None:
        of_panda = ", the Panda's own limit"
        _in_range(self, "linear_mps", 0, PANDA_MAX_LINEAR_MPS, whose=of_panda)
        _in_range(self, "angular_radps", 0, PANDA_MAX_ANGULAR_RADPS, whose=of_panda)
        _in_range(self, "linear_mps2", 0, PANDA_MAX_LINEAR_MPS2, whose=of_panda)
        _in_range(self, "angular_radps2", 0, PANDA_MAX_ANGULAR_RADPS2, whose=of_panda)
        pairs = zip("xyz", self.box_low_m, self.box_high_m, strict=True)
        for axis, low, high in pairs:
            finite = math.isfinite(low) and math.isfinite(high)
            _require(finite and low < high, "box_low_m", f"{axis} is {low:g}, wanted below box_high_m's {high:g}")
        _in_range(self, "margin_m", 0, float(np.subtract(self.box_high_m, self.box_low_m).min()) / 2)
        _in_range(self, "max_tilt_rad", 0, math.pi)
        _in_range(self, "soft_force_n", 0, 100)
        _in_range(self, "soft_torque_nm", 0, 100)
        _in_range(self, "hold_s", 0.02, LONGEST_HOLD_S)
        _in_range(self, "stale_stop_s", 0, 0.2)
        _in_range(self, "stale_warn_s", 0, self.stale_stop_s)
        _in_range(self, "future_s", 0, 0.2)

    def contains(self, position_m: np.ndarray) -> bool:
        """Whether a point in base lies in the box, faces included."""
        return bool((position_m >= self.box_low_m).all() and (position_m <= self.box_high_m).all())


@dataclass(frozen=True)
class ActionRig:
    """What an action of ±1 means; one action lasts 1 / rate_hz."""

    rate_hz: int = 10
    translation_m: float = 0.025
    """Displacement of the end effector during one action."""
    rotation_rad: float = 0.1
    frame: str = "base"
    """base | ee: the axes of the deltas."""

    def __post_init__(self) -> None:
        _in_range(self, "rate_hz", 0, 50)
        _in_range(self, "translation_m", 0, 0.2)
        _in_range(self, "rotation_rad", 0, 0.5)
        _one_of(self, "frame", FRAMES)

    @property
    def dim(self) -> int:
        """Delta translation, delta rotation, gripper state (-1 closed, +1 open)."""
        return 7


@dataclass(frozen=True)
class GripperRig:
    max_width_m: float = HAND_MAX_WIDTH_M
    speed_mps: float = 0.05
    force_n: float = 20.0
    epsilon_m: float = 0.02

    def __post_init__(self) -> None:
        of_hand = ", the Franka Hand's own limit"
        _in_range(self, "max_width_m", 0, HAND_MAX_WIDTH_M, whose=of_hand)
        _in_range(self, "speed_mps", 0, HAND_MAX_SPEED_MPS, whose=of_hand)
        _in_range(self, "force_n", 0, HAND_MAX_FORCE_N, whose=of_hand)
        _in_range(self, "epsilon_m", 0, HAND_MAX_WIDTH_M)


@dataclass(frozen=True)
class CameraRig:
    """One camera, chosen by serial number."""

    name: str
    serial: str
    mount: str = "fixed"
    """fixed | hand"""
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
    """Row-major 4x4 from camera (optical frame) to base (fixed) or hand (hand); None until calibrated.

    The hand's frame is the end effector's that the arm reports (libfranka's O_T_EE).
    """
    intrinsics: Intrinsics | None = None
    calibration: CalibrationRecord | None = None

    def __post_init__(self) -> None:
        _require(self.name.isidentifier() and self.name.islower(), "name", f"got {self.name!r}, wanted lower_case")
        _require(bool(self.serial.strip()), "serial", 'is empty, wanted the number on the camera, in quotes: "0123"')
        _one_of(self, "mount", ("fixed", "hand"))
        for key, most in (("width", 4096), ("height", 4096), ("fps", 120), ("size", 1024)):
            _in_range(self, key, 0, most)
        if self.exposure_us is not None:
            _in_range(self, "exposure_us", 0, 1e6)
        top, bottom, left, right = self.crop
        is_crop = 0 <= top < bottom <= 1 and 0 <= left < right <= 1
        _require(is_crop, "crop", f"got {list(self.crop)}, wanted [top, bottom, left, right] with low < high in 0 to 1")
        if self.T_parent_cam is not None:
            _check_pose(self.T_parent_cam)


def _check_pose(T: tuple[float, ...]) -> None:
    _require(len(T) == 16, "T_parent_cam", f"got {len(T)} values, wanted 16 (a 4x4 matrix, row by row)")
    matrix = np.array(T).reshape(4, 4)
    is_rigid = np.isfinite(matrix).all() and (matrix[3] == (0, 0, 0, 1)).all()
    R = matrix[:3, :3]
    is_rotation = bool(is_rigid and np.allclose(R @ R.T, np.eye(3), atol=1e-3) and np.linalg.det(R) > 0)
    _require(is_rotation, "T_parent_cam", "is not a rotation and a translation over a row 0 0 0 1; calibrate again")


@dataclass(frozen=True)
class TeleopRig:
    linear_mps: float = 0.2
    angular_radps: float = 0.6
    deadband: float = 0.1
    frame: str = "base"
    """base | ee: the axes the operator's hand moves along."""
    neutral_s: float = 0.3
    """How long the input must be neutral before arming and before a hand-back."""

    def __post_init__(self) -> None:
        _in_range(self, "linear_mps", 0, PANDA_MAX_LINEAR_MPS, whose=", the Panda's own limit")
        _in_range(self, "angular_radps", 0, PANDA_MAX_ANGULAR_RADPS, whose=", the Panda's own limit")
        _in_range(self, "deadband", 0, 0.5)
        _one_of(self, "frame", FRAMES)
        _require(0.3 <= self.neutral_s <= 5, "neutral_s", f"got {self.neutral_s:g}, wanted 0.3 to 5")


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

    def __post_init__(self) -> None:
        _require(bool(self.name), "name", "is empty")
        _require(bool(self.cameras), "cameras", "is empty, wanted at least one camera")
        for key in ("name", "serial"):
            values = [getattr(camera, key) for camera in self.cameras]
            twice = [value for value in values if values.count(value) > 1]
            _require(
                not twice, "cameras", f"two cameras have the {key} {twice[0] if twice else ''!r}; each needs its own"
            )
        self._check_speeds()

    def _check_speeds(self) -> None:
        """A full action or a fully pushed puck is a speed the filter lets through, or records would never say 1."""
        for key, step, limit in (
            ("linear_mps", self.action.translation_m, self.limits.linear_mps),
            ("angular_radps", self.action.rotation_rad, self.limits.angular_radps),
        ):
            speed = step * self.action.rate_hz
            _require(speed <= limit + 1e-9, "action", f"an action of 1 is {speed:g}, limits.{key} is {limit:g}")
            teleop = getattr(self.teleop, key)
            _require(teleop <= limit, "teleop", f"{key} is {teleop:g}, limits.{key} is {limit:g}")

    def camera(self, name: str) -> CameraRig:
        """Raises RigError with the known names."""
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise RigError(f"rig {self.name}: no camera {name!r}; known: {', '.join(c.name for c in self.cameras)}")


def rig_names() -> list[str]:
    """Names of the rig files that come with the project."""
    return sorted(path.stem for path in RIGS.glob("*.yaml"))


def rig_path(path_or_name: str | Path) -> Path:
    """The rig file of that path, or `calibration/rigs/<name>.yaml`. Raises RigError where there is none."""
    text = str(path_or_name)
    is_path = "/" in text or text.endswith((".yaml", ".yml"))
    path = Path(text) if is_path else RIGS / f"{text}.yaml"
    if not path.is_file():
        raise RigError(f"no rig file {path}; known rigs: {', '.join(rig_names())}, or give a path to a .yaml file")
    return path


def load_rig(path_or_name: str | Path) -> Rig:
    """The rig file of that path, or `calibration/rigs/<name>.yaml`.

    Raises RigError naming file and line for anything unknown, missing, of a wrong type or out of range.
    """
    return StrictReader(rig_path(path_or_name), RigError).read(Rig)
