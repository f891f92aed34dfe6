"""Messages from and to arrays, seconds and dicts: the only file that spells the fields of messages.

Times are seconds of the ROS clock, images uint8 RGB (h, w, 3), quaternions xyzw, twists and wrenches (6,).
"""

import array
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, TransformStamped, TwistStamped, WrenchStamped
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float32, Header, String

from world4rl_core.calibration.frames import StaticTransform, optical_frame
from world4rl_core.errors import DataError
from world4rl_core.optics import Intrinsics
from world4rl_core.robot.interface import CameraFrame
from world4rl_core.sim.twin.cameras import Snapshot

BASE = "base"
EE = "ee"
ARM_JOINTS = tuple(f"fr3_joint{number}" for number in range(1, 8))
FINGER_WIDTH = "finger_width"
NANO = 1_000_000_000


def stamp_of(time_s: float) -> Time:
    nanoseconds = round(time_s * NANO)
    return Time(sec=nanoseconds // NANO, nanosec=nanoseconds % NANO)


def seconds_of(stamp: Time) -> float:
    return stamp.sec + stamp.nanosec / NANO


def header(time_s: float, frame: str = BASE) -> Header:
    return Header(stamp=stamp_of(time_s), frame_id=frame)


def time_of(message: Any) -> float:
    """The header's stamp; 0 when it was never set."""
    return seconds_of(message.header.stamp)


def twist_message(twist: np.ndarray, *, time_s: float, frame: str = BASE) -> TwistStamped:
    message = TwistStamped(header=header(time_s, frame))
    linear, angular = message.twist.linear, message.twist.angular
    linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = map(float, twist)
    return message


def twist_of(message: TwistStamped) -> np.ndarray:
    linear, angular = message.twist.linear, message.twist.angular
    return np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])


def frame_of(message: Any) -> str:
    return message.header.frame_id


def pose_message(position_m: np.ndarray, quat_xyzw: np.ndarray, *, time_s: float, frame: str = BASE) -> PoseStamped:
    message = PoseStamped(header=header(time_s, frame))
    at, turned = message.pose.position, message.pose.orientation
    at.x, at.y, at.z = map(float, position_m)
    turned.x, turned.y, turned.z, turned.w = map(float, quat_xyzw)
    return message


def pose_of(message: PoseStamped) -> tuple[np.ndarray, np.ndarray]:
    """Position (3,) and quaternion xyzw (4,)."""
    at, turned = message.pose.position, message.pose.orientation
    return np.array([at.x, at.y, at.z]), np.array([turned.x, turned.y, turned.z, turned.w])


def transform_message(transform: StaticTransform, *, time_s: float) -> TransformStamped:
    message = TransformStamped(header=header(time_s, transform.parent), child_frame_id=transform.child)
    at, turned = message.transform.translation, message.transform.rotation
    at.x, at.y, at.z = map(float, transform.position_m)
    turned.x, turned.y, turned.z, turned.w = map(float, transform.quat_xyzw)
    return message


def wrench_message(wrench: np.ndarray, *, time_s: float) -> WrenchStamped:
    message = WrenchStamped(header=header(time_s))
    force, torque = message.wrench.force, message.wrench.torque
    force.x, force.y, force.z, torque.x, torque.y, torque.z = map(float, wrench)
    return message


def wrench_of(message: WrenchStamped) -> np.ndarray:
    force, torque = message.wrench.force, message.wrench.torque
    return np.array([force.x, force.y, force.z, torque.x, torque.y, torque.z])


def joints_message(q: np.ndarray, dq: np.ndarray, *, time_s: float) -> JointState:
    names, positions, velocities = list(ARM_JOINTS), list(map(float, q)), list(map(float, dq))
    return JointState(header=header(time_s), name=names, position=positions, velocity=velocities)


def joints_of(message: JointState) -> tuple[np.ndarray, np.ndarray]:
    """Positions in rad and velocities in rad/s."""
    return np.array(message.position), np.array(message.velocity)


def width_message(width_m: float, *, time_s: float) -> JointState:
    return JointState(header=header(time_s), name=[FINGER_WIDTH], position=[float(width_m)])


def width_of(message: JointState) -> float:
    """Distance between the fingers in m."""
    return float(message.position[0])


def number_message(value: float) -> Float32:
    return Float32(data=float(value))


def number_of(message: Float32) -> float:
    return float(message.data)


def json_message(content: Mapping[str, Any]) -> String:
    return String(data=json.dumps(content))


def json_of(message: String) -> dict[str, Any]:
    """Raises DataError for anything but a JSON object."""
    try:
        content = json.loads(message.data)
    except json.JSONDecodeError as error:
        raise DataError(f"got text that is not JSON: {message.data[:80]!r}") from error
    if not isinstance(content, dict):
        raise DataError(f"got {type(content).__name__}, wanted a JSON object: {message.data[:80]!r}")
    return content


def image_message(image: np.ndarray, *, time_s: float, camera: str) -> Image:
    """Colour for uint8 (h, w, 3), depth in mm for uint16 (h, w)."""
    encoding = "rgb8" if image.ndim == 3 else "16UC1"
    pixels = np.ascontiguousarray(image)
    message = Image(header=header(time_s, optical_frame(camera)), encoding=encoding, is_bigendian=0)
    message.height, message.width, message.step = *pixels.shape[:2], pixels.strides[0]
    message.data = array.array("B", pixels.tobytes())  # bytes would be checked one by one
    return message


def image_of(message: Image) -> np.ndarray:
    """The picture; a view into the message, so copy what must outlive it. Raises DataError for another encoding."""
    if message.encoding == "rgb8":
        return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
    if message.encoding == "16UC1":
        return np.frombuffer(message.data, np.uint16).reshape(message.height, message.width)
    raise DataError(f"image encoding {message.encoding!r}; wanted rgb8 or 16UC1")


def camera_info_message(
    K: np.ndarray, distortion: Sequence[float], *, width: int, height: int, time_s: float, camera: str
) -> CameraInfo:
    """Intrinsics (3, 3) in pixels of the full picture; distortion in OpenCV's order (plumb_bob)."""
    projection = np.hstack([K, np.zeros((3, 1))])
    return CameraInfo(
        header=header(time_s, optical_frame(camera)),
        width=int(width),
        height=int(height),
        distortion_model="plumb_bob",
        d=[float(value) for value in distortion],
        k=[float(value) for value in K.ravel()],
        r=[float(value) for value in np.eye(3).ravel()],
        p=[float(value) for value in projection.ravel()],
    )


def intrinsics_of(message: CameraInfo) -> tuple[np.ndarray, np.ndarray]:
    """K (3, 3) in pixels and the distortion coefficients."""
    return np.array(message.k).reshape(3, 3), np.array(message.d)


def lens_of(message: CameraInfo) -> Intrinsics:
    """The camera's own word about its lens; its pixel (0, 0) is the centre of the first one, as ours."""
    K, distortion = intrinsics_of(message)
    k1, k2, p1, p2, k3 = (*map(float, distortion), *[0.0] * 5)[:5]
    fx, fy, cx, cy = float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])
    return Intrinsics(message.width, message.height, fx, fy, cx, cy, (k1, k2, p1, p2, k3))


def metadata_message(frame: CameraFrame, *, time_s: float) -> String:
    """What belongs to the picture with the same stamp."""
    content = {"frame_number": frame.frame_number, "device_time_s": frame.device_time_s, "time_s": time_s}
    return json_message({**frame.metadata, **content})


def snapshot_message(snapshot: Snapshot) -> String:
    """The simulator's state, for who plays a person's part and must know where things are."""
    return json_message({name: np.asarray(value).tolist() for name, value in vars(snapshot).items()})


def snapshot_of(message: String) -> Snapshot:
    content = json_of(message)
    return Snapshot(content.pop("time_s"), **{name: np.array(value) for name, value in content.items()})


def clock_message(time_s: float) -> Clock:
    return Clock(clock=stamp_of(time_s))


def diagnostics_message(
    name: str, level: int, text: str, *, values: Mapping[str, Any], hardware: str, time_s: float
) -> DiagnosticArray:
    """One status; level 0 is OK, 1 WARN, 2 ERROR, 3 STALE."""
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    status = DiagnosticStatus(name=name, level=bytes([level]), message=text, hardware_id=hardware, values=pairs)
    return DiagnosticArray(header=header(time_s, ""), status=[status])
