"""The teleop node between a simulated SpaceMouse and played services: faults 54 and 55, buttons, the stream."""

import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("pyspacemouse")
from geometry_msgs.msg import TwistStamped
from stage import Stage
from std_msgs.msg import Float32, String
from std_srvs.srv import SetBool, Trigger

from world4rl import convert, qos
from world4rl.drivers.hid_socket import HidSender
from world4rl.drivers.spacemouse import reports, ros_info
from world4rl.nodes.teleop import TeleopNode
from world4rl_core.errors import RobotError

INFO = ros_info("SpaceMouseCompact")


class Desk:
    """The teleop node with its device plugged in, on the machine's own clock, and what it says and asks for."""

    def __init__(self, stage, folder):
        self.stage, self.called, self.answers = stage, [], {}
        self.socket = folder / "mouse"
        for kind, names in ((Trigger, ("recorder/start", "recorder/stop_success", "recorder/stop_failure",
                                       "recorder/discard", "arm/home", "trial/ready", "trial/success",
                                       "trial/failure")), (SetBool, ("arm/enable",))):  # fmt: skip
            for name in names:
                stage.node.create_service(kind, name, lambda _, reply, name=name: self._answer(name, reply))
        self.recorder = stage.node.create_publisher(String, "recorder/status", qos.STATUS)
        self.arm = stage.node.create_publisher(String, "franka/status", qos.STATUS)
        self.twists = stage.hear(TwistStamped, "cmd/twist", qos.COMMAND)
        self.grippers = stage.hear(Float32, "cmd/gripper", qos.EVENT)
        self.plug_in()
        self.node = stage.run(TeleopNode, sim_time=False, device=f"unix:{self.socket}")
        stage.wait(lambda: not self.node.problem and self.twists, "the device, neutral")

    def plug_in(self):
        self.hand, self._is_held = (np.zeros(6), (False, False)), True
        self.sender = HidSender(self.socket)
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def unplug(self):
        self._is_held = False
        self._thread.join()
        self.sender.close()

    def push(self, *axes):
        self.hand = (np.array(axes, dtype=float), self.hand[1])

    def press(self, left, right, seconds=0.25):
        for buttons, hold_s in (((left, right), seconds), ((False, False), 0.25)):
            self.hand = (self.hand[0], buttons)
            time.sleep(hold_s)

    def say(self, *, armed=False, recording=False, source="human", gripper=1.0):
        self.arm.publish(convert.json_message({"armed": armed, "source": source, "gripper": gripper}))
        self.recorder.publish(convert.json_message({"state": "recording" if recording else "idle"}))
        self.stage.wait(lambda: (self.node._is_armed, self.node._is_recording) == (armed, recording), "the status")

    def newest(self):
        return convert.twist_of(self.twists[-1])

    def asked(self, *names):
        self.stage.wait(lambda: len(self.called) >= len(names), f"calls of {names}, got {self.called}")
        time.sleep(0.2)
        assert self.called == list(names)

    def _send(self):
        while self._is_held:
            self.sender.send(reports(*self.hand, info=INFO))
            time.sleep(0.008)

    def _answer(self, name, reply):
        self.called.append(name)
        reply.success, reply.message = self.answers.get(name, (True, "done"))
        return reply


@pytest.fixture
def desk(tmp_path):
    with Stage(tmp_path) as stage:
        made = Desk(stage, tmp_path)
        yield made
        made.unplug()


def test_a_push_is_a_twist_with_frame_and_stamp(desk):
    desk.push(1.0, 0, 0, 0, 0, -1.0)
    desk.stage.wait(lambda: desk.newest()[0] > 0, "the push")
    np.testing.assert_allclose(desk.newest(), [0.2, 0, 0, 0, 0, -0.6], atol=1e-6)
    assert convert.frame_of(desk.twists[-1]) == "base"
    assert abs(convert.time_of(desk.twists[-1]) - time.time()) < 5.0


def test_a_neutral_hand_is_streamed_too(desk):
    before = len(desk.twists)
    desk.stage.wait(lambda: len(desk.twists) > before + 10, "the stream")
    assert not desk.newest().any() and desk.grippers[-1].data == 1.0


def test_unplugging_is_zero_then_silence_and_replugging_needs_neutral(desk):
    """Fault 54."""
    desk.push(1.0, 0, 0, 0, 0, 0)
    desk.stage.wait(lambda: desk.newest()[0] > 0, "the push")
    desk.unplug()
    desk.stage.wait(lambda: not desk.newest().any(), "zero")
    desk.stage.wait(lambda: "unplugged" in desk.node.problem, "the problem's name")
    time.sleep(0.3)
    silent_since = len(desk.twists)
    time.sleep(0.3)
    assert len(desk.twists) == silent_since
    desk.plug_in()
    desk.push(1.0, 0, 0, 0, 0, 0)
    desk.stage.wait(lambda: "let go" in desk.node.problem, "the advice")
    time.sleep(0.3)
    assert len(desk.twists) == silent_since  # an arm cannot be armed by a puck that is pushed
    desk.push(0, 0, 0, 0, 0, 0)
    desk.stage.wait(lambda: not desk.node.problem, "neutral")
    desk.push(1.0, 0, 0, 0, 0, 0)
    desk.stage.wait(lambda: desk.newest()[0] > 0, "the push")


def test_the_left_button_toggles_the_gripper_once_a_press(desk):
    desk.press(True, False)
    desk.stage.wait(lambda: desk.grippers[-1].data == -1.0, "closed")
    desk.press(True, False)
    desk.stage.wait(lambda: desk.grippers[-1].data == 1.0, "open")


def test_the_right_button_arms_and_records_then_labels_success(desk):
    desk.press(False, True)
    desk.asked("arm/enable", "recorder/start")
    desk.say(armed=True, recording=True)
    desk.press(False, True)
    desk.asked("arm/enable", "recorder/start", "recorder/stop_success")


def test_an_armed_arm_is_not_armed_again(desk):
    desk.say(armed=True)
    desk.press(False, True)
    desk.asked("recorder/start")


def test_nothing_is_recorded_where_the_arm_refuses(desk):
    desk.answers["arm/enable"] = (False, "the operator's input was neutral for 0.1 s")
    desk.press(False, True)
    desk.asked("arm/enable")


def test_long_presses_and_both_buttons(desk):
    desk.say(armed=True, recording=True)
    desk.press(False, True, 1.4)
    desk.press(True, True)
    desk.press(True, False, 1.4)
    desk.asked("recorder/stop_failure", "recorder/discard", "arm/home")


@pytest.fixture
def trials(desk):
    """What a trial session asks."""
    said = desk.stage.node.create_publisher(String, "trial/status", qos.STATUS)

    def ask(what):
        said.publish(convert.json_message({"line": "", "asking": what}))
        desk.stage.wait(lambda: desk.node._trials_run and desk.node._asking == what, "the question")

    return ask


def test_a_button_answers_a_trial_session_and_never_arms_or_starts_an_episode(desk, trials):
    trials("verdict")
    desk.press(False, True)
    desk.press(False, True, 1.4)
    trials("ready")
    desk.press(False, True)
    desk.press(False, True, 1.4)
    trials("")
    desk.press(False, True)
    desk.press(True, True)
    desk.asked("trial/success", "trial/failure", "trial/ready")


def test_a_button_judges_a_trial_that_runs_and_cannot_throw_it_away(desk, trials):
    trials("")
    desk.say(armed=True, recording=True)
    desk.press(False, True, 1.4)
    desk.press(False, True)
    desk.press(True, True)
    desk.asked("recorder/stop_failure", "recorder/stop_success")


def test_the_gripper_follows_what_another_source_did_with_it(desk):
    desk.say(source="policy", gripper=-1.0)
    desk.stage.wait(lambda: desk.grippers[-1].data == -1.0, "closed")


def test_without_a_spacemouse_the_node_does_not_start(tmp_path):
    with Stage(tmp_path) as stage, pytest.raises(RobotError, match="no SpaceMouse: "):
        stage.run(TeleopNode, sim_time=False)
