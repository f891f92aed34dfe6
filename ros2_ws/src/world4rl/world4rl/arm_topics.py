"""What the arm node publishes, under the names of franka_ros2 where it has one."""

from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from world4rl import convert, qos
from world4rl.rig_node import RigNode
from world4rl_core.robot.interface import ArmState, GripperState
from world4rl_core.runtime.control import Decision

CHANGES = ("level", "reason", "mode", "errors", "source", "intervention", "homing", "gripper", "hand_event")
"""Parts of the status that are published the moment they change."""


class ArmTopics:
    """State at the rate of its readings, requested and applied twist each control period, status at its own rate."""

    def __init__(self, node: RigNode, status_hz: float) -> None:
        def topic(kind: type, name: str, profile: Any = qos.STATE) -> Any:
            return node.create_publisher(kind, name, profile)

        self._joints = topic(JointState, "franka/joint_states")
        self._pose = topic(PoseStamped, "franka/current_pose")
        self._twist = topic(TwistStamped, "franka/ee_twist")
        self._wrench = topic(WrenchStamped, "franka/external_wrench")
        self._width = topic(JointState, "franka/gripper")
        self._status = topic(String, "franka/status", qos.STATUS)
        self._requested = topic(TwistStamped, "arm/requested", qos.EVENT)
        self._applied = topic(TwistStamped, "arm/applied", qos.EVENT)
        self._period_s = 1 / status_hz
        self._said: tuple[Any, ...] = ()
        self._said_s = -np.inf

    def publish_state(self, state: ArmState | None) -> None:
        if state is None:
            return
        stamp = {"time_s": state.time_s}
        self._joints.publish(convert.joints_message(state.q, state.dq, **stamp))
        self._pose.publish(convert.pose_message(state.position_m, state.quat_xyzw, **stamp))
        self._twist.publish(convert.twist_message(state.twist, **stamp))
        self._wrench.publish(convert.wrench_message(state.wrench, **stamp))

    def publish_decision(
        self, decision: Decision, gripper: GripperState | None, status: dict[str, Any], *, time_s: float
    ) -> None:
        """`arm/applied` is what was sent to the arm, zero where nothing was."""
        self._requested.publish(convert.twist_message(decision.requested, time_s=time_s))
        self._applied.publish(convert.twist_message(decision.twist, time_s=time_s))
        if gripper is not None:
            self._width.publish(convert.width_message(gripper.width_m, time_s=gripper.time_s))
        told = tuple(str(status.get(key)) for key in CHANGES)
        if told != self._said or not 0 <= time_s - self._said_s < self._period_s:
            self._status.publish(convert.json_message(status | {"time_s": time_s}))
            self._said, self._said_s = told, time_s
