"""The arm: commands in, motion out, state at 100 Hz. Arbiter, latch and filter run in this process, around franky."""

import threading
import time
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import TwistStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from std_msgs.msg import Float32
from std_srvs.srv import SetBool, Trigger

from world4rl import convert, qos
from world4rl.arm_loop import ArmLoop
from world4rl.arm_topics import ArmTopics
from world4rl.drivers.franka import connect_arm, connect_gripper
from world4rl.gripper_worker import GripperWorker
from world4rl.params import param
from world4rl.rig_node import Diagnosis, Level, RigConfig, RigNode, run_node
from world4rl.services import answer, answer_later
from world4rl_core.errors import RobotError
from world4rl_core.runtime.arbiter import GripperArbiter
from world4rl_core.runtime.command_filter import Command

COMMANDS = {"human": "cmd", "policy": "policy"}


@dataclass(frozen=True)
class ArmConfig(RigConfig):
    """Parameters of the arm node."""

    state_hz: int = param(100, "readings and state messages a second", low=20, high=200)
    control_every: int = param(2, "readings a control period", low=1, high=5)
    status_hz: float = param(10.0, "status messages a second, besides one at each change", low=1.0, high=50.0)
    needs_human: bool = param(True, "a policy moves nothing while no operator's device is heard")


class ArmNode(RigNode):
    """Services enable, e_stop, reset_latch, recover, home; a refusal says what stands in the way."""

    Config = ArmConfig

    def __init__(self, **options: Any) -> None:
        super().__init__("arm", **options)
        self._loop: ArmLoop | None = None
        self._hand: GripperWorker | None = None
        self._grip = GripperArbiter()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        self._loop = ArmLoop(self.rig, lambda: connect_arm(self.rig, self.now_s), needs_human=self.config.needs_human)
        self._hand = GripperWorker(lambda: connect_gripper(self.rig, self.now_s))
        self._topics = ArmTopics(self, self.config.status_hz)
        for source, folder in COMMANDS.items():
            self.create_subscription(TwistStamped, f"{folder}/twist", self._taker(source), qos.COMMAND)
        self.create_subscription(Float32, "cmd/gripper", self._take_human_grip, qos.EVENT)
        self.create_subscription(Float32, "policy/gripper", self._take_policy_grip, qos.EVENT)
        self.create_wall_timer(0.1, self._count_publishers)
        self._offer_services(self._loop, self._hand)

    def start(self) -> None:
        self._is_running = True
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._is_running = False
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        for part in (self._loop, self._hand):
            if part is not None:
                part.close()

    def diagnose(self) -> Diagnosis:
        found = {} if self._loop is None else self._loop.report(self.now_s())
        reason = found.get("latch_reason", "not connected")
        return Diagnosis(Level.ERROR if reason else Level.OK, reason or found["level"], found)

    def _offer_services(self, loop: ArmLoop, hand: GripperWorker) -> None:
        def reset() -> None:
            loop.reset()
            hand.reset()

        def home() -> None:
            if (grip := hand.report().state) is None or grip.max_width_m <= 0:
                hand.home()
            loop.home(self.now_s)

        def enable(is_wanted: bool) -> None:
            grip = hand.report().state
            if is_wanted and (grip is None or grip.max_width_m <= 0):
                raise RobotError("cannot arm: the hand is not homed or not connected; call home first")
            loop.arm(self.now_s()) if is_wanted else loop.disarm()

        slow = ReentrantCallbackGroup()
        self.create_service(SetBool, "arm/enable", lambda asked, reply: answer(reply, lambda: enable(asked.data)))
        self.create_service(Trigger, "arm/e_stop", lambda _, reply: answer(reply, lambda: loop.e_stop(self.now_s())))
        self.create_service(Trigger, "arm/reset_latch", lambda _, reply: answer(reply, reset))
        for name, job in {"arm/recover": loop.recover, "arm/home": home}.items():
            self.create_service(Trigger, name, answer_later(self, job), callback_group=slow)

    def _taker(self, source: str) -> Any:
        def take(message: TwistStamped) -> None:
            assert self._loop is not None
            sent_s, frame = convert.time_of(message), convert.frame_of(message)
            command = Command(sent_s, frame, convert.twist_of(message), source, wall_time_s=time.monotonic())
            self._loop.accept(command, self.now_s())

        return take

    def _take_human_grip(self, message: Float32) -> None:
        assert self._loop is not None
        self._want(self._grip.human(convert.number_of(message), is_armed=self._loop.latch.is_armed))

    def _take_policy_grip(self, message: Float32) -> None:
        self._grip.policy(convert.number_of(message))

    def _want(self, state: float | None) -> None:
        if state is not None and self._hand is not None:
            self._hand.want(state)

    def _count_publishers(self) -> None:
        assert self._loop is not None
        human, policy = (self.count_publishers(f"{folder}/twist") for folder in COMMANDS.values())
        self._loop.publishers = (human, policy)

    def _run(self) -> None:
        """The control thread: paced by the wall clock, stamped by the ROS clock."""
        assert self._loop is not None and self._hand is not None
        period_s, count = 1 / self.config.state_hz, 0
        due_s = time.monotonic()
        while self._is_running:
            state = self._loop.read(self.now_s(), wall_s=time.monotonic())
            if state is not None:
                self._topics.publish_state(state)
            if count % self.config.control_every == 0:
                tick = self._loop.tick(self.now_s(), wall_s=time.monotonic())
                self._want(self._grip.step(tick.source))
                self._topics.publish_tick(tick, self._loop.report(tick.now_s), self._hand.report())
            count += 1
            due_s = max(due_s + period_s, time.monotonic() - period_s)  # one late period is not made up for
            time.sleep(max(0.0, due_s - time.monotonic()))


def main() -> int:
    return run_node(ArmNode)


if __name__ == "__main__":
    raise SystemExit(main())
