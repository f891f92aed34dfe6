"""A policy node in a world whose clock, cameras and arm the test moves by hand: no wall time decides anything."""

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float32, String

from world4rl import convert, qos
from world4rl.nodes.policy import PolicyNode
from world4rl_core.rig import Rig

sys.path.insert(0, str(Path(__file__).parents[1] / "core" / "export"))
PATIENCE_S = 30.0
STEP_S = 0.05
_domains = itertools.count()


class World:
    """`advance` publishes one set of readings, moves the clock, and lets the node do what is due."""

    def __init__(self, rig: Rig, context: rclpy.Context, node: PolicyNode) -> None:
        self.rig, self.node, self.now_s = rig, node, 100.0
        self.cameras = [camera.name for camera in rig.cameras]
        self.silent: set[str] = set()
        """Streams that publish nothing: cameras by name, `robot`."""
        self.late_s: dict[str, float] = {}
        self.twists: list[tuple[float, np.ndarray, str]] = []
        self.grips: list[float] = []
        self.status: dict[str, Any] = {}
        self.rows = 0
        self.helper = rclpy.create_node("world", context=context, namespace="w4rl")
        make = self.helper.create_publisher
        self._clock = make(Clock, "/clock", qos.CLOCK)
        self._images = {name: make(Image, f"{name}/color/image_raw", qos.IMAGE) for name in self.cameras}
        self._pose = make(PoseStamped, "franka/current_pose", qos.EVENT)
        self._width = make(JointState, "franka/gripper", qos.EVENT)
        self._arm = make(String, "franka/status", qos.STATUS)
        self._recorder = make(String, "recorder/status", qos.STATUS)
        self.helper.create_subscription(TwistStamped, "policy/twist", self._see_twist, qos.EVENT)
        self.helper.create_subscription(Float32, "policy/gripper", lambda told: self.grips.append(told.data), qos.EVENT)
        self.helper.create_subscription(String, "policy/status", self._see_status, qos.STATUS)
        self.executor = SingleThreadedExecutor(context=context)
        for one in (self.helper, node):
            self.executor.add_node(one)

    def spin_until(self, is_met: Callable[[], Any], what: str) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while not is_met():
            assert time.monotonic() < until_s, f"not within {PATIENCE_S:g} s: {what}; status {self.status}"
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds: float = 0.06) -> None:
        """Wall time for a few of the node's ticks."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.executor.spin_once(timeout_sec=0.01)

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            for name in self.cameras:
                self._publish(name, lambda at_s, name=name: self._images[name].publish(
                    convert.image_message(self.picture(name), time_s=at_s, camera=name)))  # fmt: skip
            self._publish("robot", lambda at_s: self._pose.publish(
                convert.pose_message(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), time_s=at_s)))  # fmt: skip
            self.spin(0.02)
            self.spin_clock()
            self.spin(0.03)

    def spin_clock(self) -> None:
        self._clock.publish(convert.clock_message(self.now_s))
        self.spin_until(lambda: abs(self.node.now_s() - self.now_s) < 1e-6, "the clock")

    def picture(self, name: str) -> np.ndarray:
        camera = self.rig.camera(name)
        return np.full((camera.height, camera.width, 3), 90 if name == "wrist" else 160, np.uint8)

    def tell_arm(self, **status: Any) -> None:
        self._arm.publish(convert.json_message({"gripper": None, "hand_busy": False} | status))
        self.spin()

    def tell_width(self, width_m: float) -> None:
        self._width.publish(convert.width_message(width_m, time_s=self.now_s))
        self.spin()

    def record(self, is_recording: bool = True) -> None:
        """As the recorder tells that it starts or stops."""
        self._recorder.publish(convert.json_message({"state": "recording" if is_recording else "idle", "rows": 0}))
        self.spin_until(lambda: self.node.policies.is_running == is_recording, "the policy to follow the recorder")

    def _publish(self, name: str, publish: Callable[[float], None]) -> None:
        if name not in self.silent:
            publish(self.now_s - self.late_s.get(name, 0.0))

    def _see_twist(self, message: TwistStamped) -> None:
        self.twists.append((convert.time_of(message), convert.twist_of(message), convert.frame_of(message)))

    def _see_status(self, message: String) -> None:
        self.status = convert.json_of(message)


@contextmanager
def world(rig: Rig, rig_file: Path, **parameters: Any) -> Iterator[World]:
    """The node is configured and active; what `open` refuses is raised."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=1 + (os.getpid() + 50 + next(_domains)) % 100)
    values = {"rig": str(rig_file), "use_sim_time": True, "provider": "cpu"} | parameters
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = PolicyNode(context=context, parameter_overrides=overrides)
    try:
        node.bring_up()
        made = World(rig, context, node)
        made.spin_until(lambda: made.status, "the policy's first word")
        made.advance(2 * STEP_S)
        yield made
    finally:
        node.bring_down()
        node.destroy_node()
        context.try_shutdown()
