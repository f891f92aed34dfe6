"""The scripted operator of the digital twin: the SpaceMouse's reports, computed instead of pushed.

Everything behind the device is the real path: the teleop node reads these reports as it reads those of a SpaceMouse.
The only other thing the operator does is to arrange the scene, which a person does with the other hand.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from world4rl import convert, qos
from world4rl.calls import Calls
from world4rl.drivers.hid_socket import HidSender
from world4rl.drivers.spacemouse import SIMULATED_MODEL, SOCKET_PREFIX, reports, ros_info
from world4rl.params import param
from world4rl.rig_node import Diagnosis, Level, RigConfig, RigNode, run_node
from world4rl.twin_view import TwinView
from world4rl_core.errors import ConfigError
from world4rl_core.runtime.operator import Act, ScriptedOperator, View
from world4rl_core.sim.twin.tasks import find_task

CONTROL_HZ = 10
SLOWER_THAN_LOCK_STEP = 3.0
HOME_RAD = 0.05
ASK_S = {"sim/reset": 1.0, "sim/success": 0.2, "arm/recover": 3.0}
"""How often each service is asked at most."""


@dataclass(frozen=True)
class OperatorConfig(RigConfig):
    """Parameters of the scripted operator."""

    device: str = param("unix:spacemouse.sock", "where the teleop node reads the reports: unix:<socket>")
    task: str = param("press_button", "which of the twin's tasks")
    source: str = param("human", "human: drives; policy or random: starts and stops only")


class OperatorNode(RigNode):
    """Paced by the simulator's state, 50 times a simulated second."""

    Config = OperatorConfig

    def __init__(self, **options: Any) -> None:
        super().__init__("operator", **options)
        if not self.config.device.startswith(SOCKET_PREFIX):
            raise ConfigError(f"device '{self.config.device}': wanted unix:<socket>")
        horizon_s = SLOWER_THAN_LOCK_STEP * find_task(self.config.task).horizon / CONTROL_HZ
        self._operator = ScriptedOperator(self.rig, horizon_s=horizon_s, drives=self.config.source == "human")
        self._info = ros_info(SIMULATED_MODEL)
        self._sender: HidSender | None = None
        self._arm: dict[str, Any] = {}
        self._is_recording = self._is_arranged = self._is_solved = False
        self._q, self._quat_xyzw = np.full(7, np.inf), np.array([1.0, 0.0, 0.0, 0.0])
        self._act = self._operator.act

    def open(self) -> None:
        self._view = TwinView(self.rig, self.config.task)
        self._sender = HidSender(Path(self.config.device.removeprefix(SOCKET_PREFIX)))
        self._calls = Calls(self, (*ASK_S, "arm/reset_latch"))
        self.create_subscription(String, "franka/status", self._on_arm, qos.STATUS)
        self.create_subscription(String, "recorder/status", self._on_recorder, qos.STATUS)
        self.create_subscription(JointState, "franka/joint_states", self._on_joints, qos.SENSOR_READER)
        self.create_subscription(PoseStamped, "franka/current_pose", self._on_pose, qos.SENSOR_READER)
        self.create_subscription(String, "sim/state", self._step, qos.SENSOR_READER)

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close()

    def diagnose(self) -> Diagnosis:
        return Diagnosis(Level.OK, self._operator.act.value, {})

    def _step(self, message: String) -> None:
        assert self._sender is not None
        snapshot, now_s = convert.snapshot_of(message), self.now_s()
        if now_s <= 0:
            return
        is_home = bool(np.abs(self._q - self.rig.robot.home_q).max() < HOME_RAD) and not self._arm.get("homing", True)
        view = View(
            is_recording=self._is_recording,
            is_home=is_home and bool(self._arm.get("hand_homed")),
            is_arranged=self._is_arranged,
            is_solved=self._is_solved,
            gripper=self._arm.get("gripper") or 1.0,
            is_held=self._arm.get("level") == "held",
            is_latched=self._arm.get("level") in ("latched", "operator"),
            quat_xyzw=self._quat_xyzw,
            action=self._view.wish(snapshot) if self._operator.act is Act.DRIVE else None,
        )
        hand = self._operator.step(view, now_s)
        if self._operator.act is not self._act:
            self._on_act(self._operator.act)
        if hand.wants_reset:
            self._calls.ask("sim/reset", self._on_arranged, every_s=ASK_S["sim/reset"])
        if hand.wants_unlatch:
            self._calls.ask("arm/recover", self._on_recovered, every_s=ASK_S["arm/recover"])
        if self._operator.act in (Act.DRIVE, Act.STOP):
            self._calls.ask("sim/success", self._on_look, every_s=ASK_S["sim/success"])
        self._sender.send(reports(hand.axes, hand.buttons, info=self._info))

    def _on_act(self, act: Act) -> None:
        self._act = act
        self.get_logger().info(f"the operator {act.value}")
        if act is Act.DRIVE:
            self._view.begin()
        if act is Act.HOME:
            self._is_arranged = False

    def _on_arranged(self, _: Trigger.Response) -> None:
        self._is_arranged, self._is_solved = True, False

    def _on_look(self, answer: Trigger.Response) -> None:
        self._is_solved = bool(json.loads(answer.message)["success"])

    def _on_recovered(self, _: Trigger.Response) -> None:
        self._calls.ask("arm/reset_latch")

    def _on_arm(self, message: String) -> None:
        self._arm = convert.json_of(message)

    def _on_recorder(self, message: String) -> None:
        self._is_recording = convert.json_of(message)["state"] == "recording"

    def _on_joints(self, message: JointState) -> None:
        self._q = convert.joints_of(message)[0]

    def _on_pose(self, message: PoseStamped) -> None:
        self._quat_xyzw = convert.pose_of(message)[1]


def main() -> int:
    return run_node(OperatorNode)


if __name__ == "__main__":
    raise SystemExit(main())
