"""What the trial node hears and asks: the words of the other nodes, and calls that wait for their answers.

The node's executor spins in the main thread; everything here that waits belongs to the thread of the trials.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from world4rl import convert, qos
from world4rl.rig_node import RigNode
from world4rl_core.errors import RobotError

POLL_S = 0.005
ANSWER_S = 60.0
STUCK_S = 10.0
"""Wall time without progress of the ROS clock after which the simulation counts as dead."""
TRIGGERS = (
    "arm/home", "arm/recover", "arm/reset_latch", "policy/start", "policy/stop", "policy/open_hand", "recorder/start",
    "recorder/pause", "recorder/stop_success", "recorder/stop_failure", "recorder/stop_timeout", "recorder/abort",
    "recorder/discard", "sim/reset", "sim/success",
)  # fmt: skip


class Interrupted(Exception):
    """The node is being stopped; whatever waits gives up."""


class TrialLink:
    """Newest readings of a rig, and its services."""

    def __init__(self, node: RigNode) -> None:
        self._node = node
        self.is_closing = False
        self.status: dict[str, dict[str, Any]] = {"franka": {}, "recorder": {}, "policy": {}}
        self.images: dict[str, tuple[float, np.ndarray]] = {}
        """Newest raw picture of each camera and its stamp."""
        self.pose: tuple[float, np.ndarray, np.ndarray] | None = None
        """Stamp, position (3,) in m and quaternion xyzw (4,) of the end effector."""
        self.width_m = 0.0
        for name in self.status:
            node.create_subscription(String, f"{name}/status", self._taker(name), qos.STATUS)
        for camera in node.rig.cameras:
            node.create_subscription(
                Image, f"{camera.name}/color/image_raw", self._viewer(camera.name), qos.SENSOR_READER
            )
        node.create_subscription(PoseStamped, "franka/current_pose", self._take_pose, qos.SENSOR_READER)
        node.create_subscription(JointState, "franka/gripper", self._take_width, qos.SENSOR_READER)
        self._triggers = {name: node.create_client(Trigger, name) for name in TRIGGERS}
        self._enable = node.create_client(SetBool, "arm/enable")
        self._settings = {
            name: node.create_client(SetParameters, f"{name}/set_parameters") for name in ("policy", "sim")
        }

    def call(self, name: str) -> str:
        """The answer's message. Raises RobotError when the service refuses or is not there."""
        return self._ask(name, self._triggers[name], Trigger.Request())

    def enable(self, is_wanted: bool) -> None:
        """Arms or disarms. Raises RobotError saying what stands in the way."""
        self._ask("arm/enable", self._enable, SetBool.Request(data=is_wanted))

    def set(self, node: str, **values: Any) -> None:
        """Sets live parameters of another node. Raises RobotError when it refuses one."""
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        answer = self._answer(
            f"{node}/set_parameters", self._settings[node], SetParameters.Request(parameters=parameters)
        )
        refused = [result.reason for result in answer.results if not result.successful]
        if refused:
            raise RobotError(f"{node} refuses {values}: {'; '.join(refused)}")

    def wait_for(self, is_met: Callable[[], Any], what: str, *, timeout_s: float) -> None:
        """Raises RobotError when it is not met within `timeout_s` of wall time."""
        until_s = time.monotonic() + timeout_s
        while not is_met():
            if time.monotonic() > until_s:
                raise RobotError(f"waited {timeout_s:g} s in vain for {what}")
            self._pause()

    def wait_until(self, time_s: float) -> float:
        """Waits for an instant of the ROS clock and returns the time. Raises RobotError when the clock stands still."""
        last_s, since_s = self._node.now_s(), time.monotonic()
        while (now_s := self._node.now_s()) < time_s:
            if now_s != last_s:
                last_s, since_s = now_s, time.monotonic()
            elif time.monotonic() - since_s > STUCK_S:
                raise RobotError(f"the clock has stood still for {STUCK_S:g} s; is the simulation running?")
            self._pause()
        return now_s

    def _pause(self) -> None:
        if self.is_closing:
            raise Interrupted
        time.sleep(POLL_S)

    def _ask(self, name: str, client: Any, request: Any) -> str:
        answer = self._answer(name, client, request)
        if not answer.success:
            raise RobotError(f"{name}: {answer.message}")
        return answer.message

    def _answer(self, name: str, client: Any, request: Any) -> Any:
        self.wait_for(client.service_is_ready, f"service {name}; is its node running?", timeout_s=ANSWER_S)
        future = client.call_async(request)
        self.wait_for(future.done, f"the answer of {name}", timeout_s=ANSWER_S)
        return future.result()

    def _taker(self, name: str) -> Callable[[String], None]:
        def take(message: String) -> None:
            self.status[name] = convert.json_of(message)

        return take

    def _viewer(self, camera: str) -> Callable[[Image], None]:
        def take(message: Image) -> None:
            self.images[camera] = (convert.time_of(message), convert.image_of(message))

        return take

    def _take_pose(self, message: PoseStamped) -> None:
        self.pose = (convert.time_of(message), *convert.pose_of(message))

    def _take_width(self, message: JointState) -> None:
        self.width_m = convert.width_of(message)
