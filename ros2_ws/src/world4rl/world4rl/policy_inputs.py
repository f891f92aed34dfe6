"""What a policy node hears: pictures, the arm, its hand, and whether an episode is being recorded."""

from collections.abc import Callable, Sequence
from typing import Any

from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String

from world4rl import convert, qos
from world4rl.rig_node import RigNode
from world4rl_core.runtime.observation import ObservationSync

OPEN_SHARE = 0.9
"""Of the hand's width, from which on it counts as open."""


class PolicyInputs:
    """The newest readings; `on_recording(begins)` is called when a recording begins, and when it has ended."""

    def __init__(self, node: RigNode, cameras: Sequence[str], *, on_recording: Callable[[bool], None]) -> None:
        self.seen = ObservationSync(cameras)
        self.arm: dict[str, Any] = {}
        """The arm's last status."""
        self._width_m, self._max_width_m = 0.0, node.rig.gripper.max_width_m
        self._on_recording = on_recording
        self._is_recording, self._rows = False, 0
        for camera in cameras:
            node.create_subscription(Image, f"{camera}/color/image_raw", self._viewer(camera), qos.SENSOR_READER)
        node.create_subscription(PoseStamped, "franka/current_pose", self._follow_pose, qos.SENSOR_READER)
        node.create_subscription(JointState, "franka/gripper", self._follow_hand, qos.SENSOR_READER)
        node.create_subscription(String, "franka/status", self._follow_arm, qos.STATUS)
        node.create_subscription(String, "recorder/status", self._follow_recorder, qos.STATUS)

    @property
    def hand_is_open(self) -> bool:
        return self._width_m >= OPEN_SHARE * self._max_width_m

    @property
    def gripper(self) -> float | None:
        """What the gripper was last asked to be: +1 open, -1 closed; None when nobody asked yet."""
        return self.arm.get("gripper")

    def _viewer(self, camera: str) -> Callable[[Image], None]:
        def take(message: Image) -> None:
            self.seen.add_image(camera, convert.image_of(message), convert.time_of(message))

        return take

    def _follow_pose(self, message: PoseStamped) -> None:
        self.seen.add_state(convert.time_of(message))

    def _follow_hand(self, message: JointState) -> None:
        self._width_m = convert.width_of(message)

    def _follow_arm(self, message: String) -> None:
        self.arm = convert.json_of(message)

    def _follow_recorder(self, message: String) -> None:
        """Fewer rows than before are another recording, even where the end of the first was missed."""
        status = convert.json_of(message)
        was_recording, rows_before = self._is_recording, self._rows
        self._is_recording, self._rows = status["state"] == "recording", status["rows"]
        is_new = self._is_recording and (not was_recording or self._rows < rows_before)
        if was_recording and (is_new or not self._is_recording):
            self._on_recording(False)
        if is_new:
            self._on_recording(True)
