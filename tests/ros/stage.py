"""A cell played by the test: arm, gripper and two cameras as topics in simulated time, one step after the other.

The node under test runs in this process, or in one of its own; time goes on only when the test says so, so that a slow
machine changes nothing.
"""

import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from world4rl import convert, qos
from world4rl_core.rig import RIGS
from world4rl_core.robot.interface import CameraFrame

STEP_S = 0.01
FPS, SIZE = 30, 16
SPEED = np.array([0.05, 0, 0, 0, 0, 0])
STATUS = {"level": "armed", "reason": "", "armed": True, "source": "human", "intervention": False, "mode": "move",
          "errors": [], "success_rate": 1.0, "gripper": 1.0, "filter": [], "grasped": False, "homing": False,
          "hand_homed": True}  # fmt: skip
_numbers = itertools.count()


class Stage:
    """Use it with `with`. `silent` names topics' groups that say nothing: arm, gripper, status or a camera."""

    def __init__(self, folder: Path) -> None:
        self.domain = 1 + (os.getpid() * 7 + next(_numbers)) % 100
        facts = yaml.safe_load((RIGS / "twin.yaml").read_text())
        for camera in facts["cameras"]:
            camera |= {"fps": FPS, "width": 32, "height": 24, "size": SIZE}
        self.rig = folder / "stage.yaml"
        self.rig.write_text(yaml.safe_dump(facts))
        self.cameras = [camera["name"] for camera in facts["cameras"]]
        self.time_s, self.silent, self.status, self.heard = 100.0, set(), dict(STATUS), {}
        self.frozen: set[str] = set()
        """Cameras that send the same frame again and again."""
        self._frames = dict.fromkeys(self.cameras, 0)
        self._nodes: list[Any] = []

    def __enter__(self) -> "Stage":
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=self.domain)
        self.node = rclpy.create_node("stage", context=self.context, namespace="w4rl")
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._offer()
        self._is_open = True
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        self._thread.join()
        for node in self._nodes:
            node.bring_down()
            node.destroy_node()
        self.node.destroy_node()
        self.context.try_shutdown()

    def run(self, make: Callable[..., Any], *, sim_time: bool = True, **parameters: Any) -> Any:
        """The node under test, in this process, brought up."""
        given = {"rig": str(self.rig), "use_sim_time": sim_time, **parameters}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        node = make(context=self.context, parameter_overrides=overrides)
        self._nodes.append(node)
        node.bring_up()
        self._executor.add_node(node)
        return node

    def play(self, seconds: float, *, node: Any = None) -> None:
        """Lets time pass; after each 50 ms `node`, which is in this process, has heard of it."""
        for step in range(round(seconds / STEP_S)):
            self.time_s += STEP_S
            self._publish(round(self.time_s / STEP_S))
            self._topics["clock"].publish(convert.clock_message(self.time_s))
            if node is not None and step % 5 == 4:
                self.wait(lambda: node.now_s() > self.time_s - STEP_S / 2, "the clock")
            time.sleep(0.002)

    def call(self, name: str, *, timeout_s: float = 60.0) -> tuple[bool, str]:
        """The answer; (False, ...) when there is none, as when the node was killed and its ghost is still announced."""
        client = self.node.create_client(Trigger, name)
        self.wait(client.service_is_ready, f"service {name}")
        answer = client.call_async(Trigger.Request())
        until_s = time.monotonic() + timeout_s
        while not answer.done() and time.monotonic() < until_s:
            time.sleep(0.002)
        self.node.destroy_client(client)
        return (answer.result().success, answer.result().message) if answer.done() else (False, "no answer")

    def wait(self, is_met: Callable[[], Any], what: str, *, timeout_s: float = 60.0) -> None:
        until_s = time.monotonic() + timeout_s
        while not is_met():
            assert time.monotonic() < until_s, f"not within {timeout_s:g} s: {what}"
            time.sleep(0.002)

    def hear(self, kind: type, topic: str, profile: Any) -> list[Any]:
        """Everything that is published from now on."""
        heard: list[Any] = []
        self.node.create_subscription(kind, topic, heard.append, profile)
        return heard

    def _offer(self) -> None:
        state = {"joints": (JointState, "franka/joint_states"), "pose": (PoseStamped, "franka/current_pose"),
                 "twist": (TwistStamped, "franka/ee_twist"), "wrench": (WrenchStamped, "franka/external_wrench"),
                 "width": (JointState, "franka/gripper")}  # fmt: skip
        self._topics = {name: self.node.create_publisher(*topic, qos.STATE) for name, topic in state.items()}
        for name in ("requested", "applied"):
            self._topics[name] = self.node.create_publisher(TwistStamped, f"arm/{name}", qos.EVENT)
        self._topics["status"] = self.node.create_publisher(String, "franka/status", qos.STATUS)
        self._topics["clock"] = self.node.create_publisher(Clock, "/clock", qos.CLOCK)
        for name in self.cameras:
            self._topics[name] = self.node.create_publisher(Image, f"{name}/color/image_raw", qos.IMAGE)
            self._topics[f"{name}.told"] = self.node.create_publisher(String, f"{name}/metadata", qos.IMAGE)

    def _publish(self, count: int) -> None:
        stamp, say = {"time_s": self.time_s}, self._topics
        if "arm" not in self.silent:
            say["joints"].publish(convert.joints_message(np.full(7, 0.1), np.zeros(7), **stamp))
            say["pose"].publish(convert.pose_message(np.array([0.4, 0, 0.3]), np.array([1.0, 0, 0, 0]), **stamp))
            say["twist"].publish(convert.twist_message(SPEED, **stamp))
            say["wrench"].publish(convert.wrench_message(np.zeros(6), **stamp))
        if count % 4 == 0 and "gripper" not in self.silent:
            say["width"].publish(convert.width_message(0.08, **stamp))
        if count % 2 == 0:
            say["requested"].publish(convert.twist_message(2 * SPEED, **stamp))
            say["applied"].publish(convert.twist_message(SPEED, **stamp))
        if count % 10 == 0 and "status" not in self.silent:
            told = self.status | {"time_s": self.time_s, "robot_time_s": self.time_s - 50}
            say["status"].publish(convert.json_message(told))
        for name in self.cameras:
            if int(self.time_s * FPS) > int((self.time_s - STEP_S) * FPS) and name not in self.silent:
                self._take_picture(name)

    def _take_picture(self, name: str) -> None:
        self._frames[name] += name not in self.frozen
        image = np.full((24, 32, 3), self._frames[name] % 256, np.uint8)
        frame = CameraFrame(image, self._frames[name], self.time_s, self.time_s)
        self._topics[f"{name}.told"].publish(convert.metadata_message(frame, time_s=self.time_s))
        self._topics[name].publish(convert.image_message(image, time_s=self.time_s, camera=name))

    def _spin(self) -> None:
        while self._is_open:
            self._executor.spin_once(timeout_sec=0.02)
