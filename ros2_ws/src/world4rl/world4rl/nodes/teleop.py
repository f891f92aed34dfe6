"""The operator's SpaceMouse: twists and the gripper's state at 50 Hz, buttons as calls to the recorder and the arm."""

from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import TwistStamped
from std_msgs.msg import Float32, String

from world4rl import convert, qos
from world4rl.calls import Calls
from world4rl.drivers.spacemouse import SOCKET_PREFIX, SpaceMouse, opener
from world4rl.params import param
from world4rl.rig_node import Diagnosis, Level, RigConfig, RigNode, run_node
from world4rl_core.errors import RobotError
from world4rl_core.runtime.teleop import ButtonEvent, Teleop

PERIOD_S = 0.02
QUIET_S = 0.5
"""After a press of the gripper's button its state is ours for so long, until the arm node has heard of it."""
TRIAL_STATUS = "trial/status"
TRIAL_CALLS = {
    ("ready", ButtonEvent.START_OR_SUCCESS): "trial/ready",
    ("verdict", ButtonEvent.START_OR_SUCCESS): "trial/success",
    ("verdict", ButtonEvent.FAILURE): "trial/failure",
}
"""What a button means where a trial session asks something. It never arms the arm there, nor starts an episode."""
CALLS = {
    ButtonEvent.FAILURE: "recorder/stop_failure",
    ButtonEvent.DISCARD: "recorder/discard",
    ButtonEvent.HOME: "arm/home",
}


@dataclass(frozen=True)
class TeleopConfig(RigConfig):
    """Parameters of the teleop node."""

    device: str = param("", "empty for the first SpaceMouse found, /dev/hidrawN, or unix:<socket> of the operator node")


class TeleopNode(RigNode):
    """Streams also while nobody pushes: silence means that the operator is gone."""

    Config = TeleopConfig

    def __init__(self, **options: Any) -> None:
        super().__init__("teleop", **options)
        self._mouse = SpaceMouse(opener(self.config.device), clock_s=self.now_s)
        self._teleop = Teleop(self.rig.teleop)
        self._twists = self.create_publisher(TwistStamped, "cmd/twist", qos.COMMAND)
        self._grippers = self.create_publisher(Float32, "cmd/gripper", qos.EVENT)
        names = ("recorder/start", "recorder/stop_success", *CALLS.values())
        self._calls = Calls(self, (*names, *TRIAL_CALLS.values()), switches=("arm/enable",))
        self.create_subscription(String, "franka/status", self._follow_arm, qos.STATUS)
        self.create_subscription(String, "recorder/status", self._follow_recorder, qos.STATUS)
        self.create_subscription(String, TRIAL_STATUS, self._follow_trial, qos.STATUS)
        self._is_armed = self._is_recording = False
        self._asking = ""
        self._pressed_s = float("-inf")
        self.problem = ""

    def open(self) -> None:
        """Raises RobotError without a SpaceMouse; a simulated one may come later."""
        if not self._mouse.read().is_connected and not self.config.device.startswith(SOCKET_PREFIX):
            raise RobotError(self._mouse.last_error)

    def start(self) -> None:
        self._timer = self.create_wall_timer(PERIOD_S, self._step)

    def stop(self) -> None:
        if hasattr(self, "_timer"):
            self.destroy_timer(self._timer)
            del self._timer

    def close(self) -> None:
        self._mouse.close()

    def diagnose(self) -> Diagnosis:
        text = self._mouse.last_error or self.problem
        return Diagnosis(Level.WARN if text else Level.OK, text or "connected", {"gripper": self._teleop.gripper})

    def _step(self) -> None:
        now_s = self.now_s()
        if now_s <= 0:  # simulation time has not started
            return
        output = self._teleop.step(self._mouse.read(), now_s)
        if output.problem != self.problem:
            self.problem = output.problem
            self.get_logger().info(f"teleop: {output.problem or 'the hand has the arm'}")
        if output.should_publish:
            self._twists.publish(convert.twist_message(output.twist, time_s=now_s, frame=output.frame))
            self._grippers.publish(convert.number_message(output.gripper))
        for event in output.events:
            self._on_button(event, now_s)

    def _on_button(self, event: ButtonEvent, now_s: float) -> None:
        if event is ButtonEvent.TOGGLE_GRIPPER:
            self._pressed_s = now_s
        elif self._trials_run and event is not ButtonEvent.HOME:
            self._on_trial_button(event)
        elif event is not ButtonEvent.START_OR_SUCCESS:
            self._calls.ask(CALLS[event])
        elif self._is_recording:
            self._calls.ask("recorder/stop_success")
        elif self._is_armed:
            self._calls.ask("recorder/start")
        else:  # the press that starts an episode also arms; where the arm refuses, nothing is recorded
            self._calls.ask("arm/enable", lambda _: self._calls.ask("recorder/start"), data=True)

    @property
    def _trials_run(self) -> bool:
        return self.count_publishers(TRIAL_STATUS) > 0

    def _on_trial_button(self, event: ButtonEvent) -> None:
        """The session starts and ends episodes; the operator answers it, and judges while a trial runs."""
        name = TRIAL_CALLS.get((self._asking, event))
        if name is None and self._is_recording:
            name = {ButtonEvent.START_OR_SUCCESS: "recorder/stop_success"}.get(event, CALLS[ButtonEvent.FAILURE])
        if event is ButtonEvent.DISCARD or name is None:
            self.get_logger().warning("the trial session starts episodes and keeps each; wait for its question")
        else:
            self._calls.ask(name)

    def _follow_trial(self, message: String) -> None:
        self._asking = convert.json_of(message)["asking"]

    def _follow_arm(self, message: String) -> None:
        status = convert.json_of(message)
        self._is_armed = bool(status["armed"])
        is_ours = status["source"] == "human" or self.now_s() - self._pressed_s < QUIET_S
        if status["gripper"] is not None and not is_ours:
            self._teleop.follow_gripper(status["gripper"])

    def _follow_recorder(self, message: String) -> None:
        self._is_recording = convert.json_of(message)["state"] == "recording"


def main() -> int:
    return run_node(TeleopNode)


if __name__ == "__main__":
    raise SystemExit(main())
