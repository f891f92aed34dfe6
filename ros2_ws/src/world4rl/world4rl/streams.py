"""What the recorder listens to: several topics that belong together, as one reading each."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String

from world4rl import convert, qos
from world4rl.rig_node import RigNode
from world4rl_core.robot.interface import ArmMode, ArmState, CameraFrame, GripperState
from world4rl_core.runtime.sync import Aligner

WAITING = 8
"""Messages of one stamp may be this many stamps apart."""
SILENT_S = 0.5
LATCHED = ("latched", "operator", "recreate")
ARM_TOPICS = {
    "joints": ("franka/joint_states", JointState),
    "pose": ("franka/current_pose", PoseStamped),
    "twist": ("franka/ee_twist", TwistStamped),
    "wrench": ("franka/external_wrench", WrenchStamped),
}


class Matcher:
    """Collects messages of several topics by their stamp; `on_match` gets those of one stamp once all are there."""

    def __init__(self, names: tuple[str, ...], on_match: Callable[[dict[str, Any], float], None]) -> None:
        self._names, self._on_match = names, on_match
        self._waiting: OrderedDict[float, dict[str, Any]] = OrderedDict()

    def add(self, name: str, message: Any, time_s: float) -> None:
        found = self._waiting.setdefault(time_s, {})
        found[name] = message
        if len(found) == len(self._names):
            del self._waiting[time_s]
            self._on_match(found, time_s)
        elif len(self._waiting) > WAITING:
            self._waiting.popitem(last=False)


class Streams:
    """Subscribes a node to everything that is recorded and feeds an Aligner with it."""

    def __init__(self, node: RigNode, aligner: Aligner) -> None:
        self.aligner = aligner
        self.status: dict[str, Any] = {}
        """The arm's last word."""
        self._node = node
        for camera in node.rig.cameras:
            self._listen_to_camera(camera.name)
        matcher = Matcher(tuple(ARM_TOPICS), self._on_state)
        for name, (topic, kind) in ARM_TOPICS.items():
            self._listen(
                kind, topic, lambda message, name=name: matcher.add(name, message, convert.time_of(message)),
            )  # fmt: skip
        self._listen(JointState, "franka/gripper", self._on_gripper)
        self._listen(String, "franka/status", self._on_status, qos.STATUS)
        for topic, take in {"arm/requested": aligner.add_requested, "arm/applied": aligner.add_applied}.items():
            self._listen(
                TwistStamped, topic,
                lambda message, take=take: take(convert.twist_of(message), convert.time_of(message)), qos.EVENT,
            )  # fmt: skip

    def faults(self, now_s: float) -> list[str]:
        """What ends an episode that is being recorded."""
        found = [f"{name} is silent" for name in self.aligner.silent(now_s, SILENT_S)]
        if self.status.get("level") in LATCHED:
            found.append(f"the arm is {self.status['level']}: {self.status['reason']}")
        return found

    def obstacles(self, now_s: float) -> list[str]:
        """Why no episode can be started now."""
        return [*self.faults(now_s), *(["the robot's network is poor"] if self.status.get("network_poor") else [])]

    def _listen(
        self, kind: type, topic: str, callback: Callable[[Any], None], profile: Any = qos.SENSOR_READER
    ) -> None:
        self._node.create_subscription(kind, topic, callback, profile)

    def _listen_to_camera(self, name: str) -> None:
        def take(found: dict[str, Any], time_s: float) -> None:
            told = found["metadata"]
            image = convert.image_of(found["image"]).copy()
            metadata = {key: value for key, value in told.items() if isinstance(value, int | float)}
            frame = CameraFrame(image, told["frame_number"], told["device_time_s"], self._node.now_s(), metadata)
            self.aligner.add_frame(name, frame, time_s)

        matcher = Matcher(("image", "metadata"), take)

        def on_image(message: Image) -> None:
            matcher.add("image", message, round(convert.time_of(message), 6))

        def on_metadata(message: String) -> None:
            told = convert.json_of(message)
            matcher.add("metadata", told, round(told["time_s"], 6))

        self._listen(Image, f"{name}/color/image_raw", on_image, qos.IMAGE)
        self._listen(String, f"{name}/metadata", on_metadata, qos.IMAGE)

    def _on_state(self, found: dict[str, Any], time_s: float) -> None:
        q, dq = convert.joints_of(found["joints"])
        position_m, quat_xyzw = convert.pose_of(found["pose"])
        self.aligner.add_state(
            ArmState(
                time_s=time_s,
                robot_time_s=float(self.status.get("robot_time_s", -1.0)),
                q=q,
                dq=dq,
                position_m=position_m,
                quat_xyzw=quat_xyzw,
                twist=convert.twist_of(found["twist"]),
                wrench=convert.wrench_of(found["wrench"]),
                mode=ArmMode(self.status.get("mode", ArmMode.OTHER.value)),
                errors=tuple(self.status.get("errors", ())),
                success_rate=float(self.status.get("success_rate", 1.0)),
            )
        )

    def _on_gripper(self, message: JointState) -> None:
        hand, time_s = self._node.rig.gripper, convert.time_of(message)
        is_grasped = bool(self.status.get("grasped", False))
        self.aligner.add_gripper(GripperState(time_s, convert.width_of(message), hand.max_width_m, is_grasped))

    def _on_status(self, message: String) -> None:
        status = self.status = convert.json_of(message)
        self.aligner.add_status(
            status["source"],
            status["time_s"],
            is_intervention=bool(status["intervention"]),
            gripper=status["gripper"],
            is_clipped=bool(np.size(status["filter"])),
        )
