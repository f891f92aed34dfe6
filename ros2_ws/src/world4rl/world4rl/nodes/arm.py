"""The arm: commands in, motion out, state at 100 Hz. Arbiter, latch and filter run in this process, around franky."""

import threading
import time
from collections.abc import Callable
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
from world4rl.hand import Hand
from world4rl.params import param
from world4rl.rig_node import Diagnosis, Level, RigConfig, RigNode, run_node
from world4rl.services import answer, answer_later
from world4rl.static_frames import StaticFrames
from world4rl_core.errors import RobotError
from world4rl_core.runtime.command_filter import Command

TOPICS = {"human": "cmd", "policy": "policy"}
COUNT_S = 0.1
RETRY_S = 0.5


@dataclass(frozen=True)
class ArmConfig(RigConfig):
    """Parameters of the arm node."""

    state_hz: int = param(100, "readings and state messages a second", low=20, high=200)
    control_every: int = param(2, "readings a control period", low=1, high=5)
    status_hz: float = param(10.0, "status messages a second, besides one at each change", low=1.0, high=50.0)
    connect_s: float = param(0.0, "how long nobody may listen at the arm's address at the start", low=0.0, high=600.0)
    needs_human: bool = param(True, "a policy moves nothing while no operator's device is heard")


class ArmNode(RigNode):
    """Services arm/enable, e_stop, reset_latch, recover, home; a refusal says what stands in the way."""

    Config = ArmConfig

    def __init__(self, **options: Any) -> None:
        super().__init__("arm", **options)
        self._loop: ArmLoop | None = None
        self._hand: Hand | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        settings = {"clock_s": self.now_s, "needs_human": self.config.needs_human}
        self._loop = self._patiently(lambda: ArmLoop(self.rig, lambda: connect_arm(self.rig, self.now_s), **settings))
        is_simulated = self.get_parameter("use_sim_time").value
        clock_s = self.now_s if is_simulated else time.monotonic  # a slow simulation is no slow hand
        self._hand = Hand(lambda: connect_gripper(self.rig, self.now_s), clock_s=clock_s)
        self._topics = ArmTopics(self, self.config.status_hz)
        self._frames = StaticFrames(self)
        for source, folder in TOPICS.items():
            self._listen(self._loop, source, folder)
        self.create_wall_timer(COUNT_S, self._count_publishers)
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
        if self._loop is None or self._hand is None:
            return Diagnosis(Level.ERROR, "not connected", {})
        found = self._loop.status() | self._hand.status()
        return Diagnosis(Level.ERROR if found["reason"] else Level.OK, found["reason"] or found["level"], found)

    def _patiently(self, connect: Callable[[], ArmLoop]) -> ArmLoop:
        """A simulation that is started beside this node may listen later; nothing else is worth waiting for."""
        until_s = time.monotonic() + self.config.connect_s
        while True:
            try:
                return connect()
            except RobotError as error:
                if "refused" not in str(error) or time.monotonic() > until_s:
                    raise
            time.sleep(RETRY_S)

    def _listen(self, loop: ArmLoop, source: str, folder: str) -> None:
        def take(message: TwistStamped) -> None:
            if self.now_s() <= 0:
                return  # simulation time has not reached this node yet, so no command has an age
            sent_s, frame = convert.time_of(message), convert.frame_of(message)
            loop.receive(Command(sent_s, frame, convert.twist_of(message), source, wall_time_s=time.monotonic()))

        def grip(message: Float32) -> None:
            loop.receive_gripper(convert.number_of(message), source)

        self.create_subscription(TwistStamped, f"{folder}/twist", take, qos.COMMAND)
        self.create_subscription(Float32, f"{folder}/gripper", grip, qos.EVENT)

    def _offer_services(self, loop: ArmLoop, hand: Hand) -> None:
        def enable(is_wanted: bool) -> None:
            if is_wanted and not hand.is_homed():
                raise RobotError("cannot arm: the gripper is not connected or not homed; call home")
            loop.enable(hand.state) if is_wanted else loop.disable()

        def e_stop() -> None:
            loop.e_stop()
            hand.stop()

        def reset() -> None:
            loop.reset_latch()
            hand.clear_fault()

        def home() -> None:
            if not hand.is_homed():
                hand.home()
            loop.home()

        slow = ReentrantCallbackGroup()
        self.create_service(SetBool, "arm/enable", lambda asked, reply: answer(reply, lambda: enable(asked.data)))
        for name, job in {"e_stop": e_stop, "reset_latch": reset}.items():
            self.create_service(Trigger, f"arm/{name}", lambda _, reply, job=job: answer(reply, job))
        for name, job in {"recover": loop.recover, "home": home}.items():
            self.create_service(Trigger, f"arm/{name}", answer_later(self, job), callback_group=slow)

    def _count_publishers(self) -> None:
        assert self._loop is not None
        human, policy = (self.count_publishers(f"{folder}/twist") for folder in TOPICS.values())
        self._loop.note_publishers(human=human, policy=policy)

    def _run(self) -> None:
        """The control thread: paced by the wall clock, stamped by the ROS clock. Its failure ends the node."""
        assert self._loop is not None and self._hand is not None
        period_s, count = 1 / self.config.state_hz, 0
        due_s = time.monotonic()
        try:
            while self._is_running:
                self._topics.publish_state(self._loop.read())
                if count % self.config.control_every == 0:
                    self._control(self._loop, self._hand)
                count += 1
                due_s = max(due_s + period_s, time.monotonic() - period_s)  # one late period is not made up for
                time.sleep(max(0.0, due_s - time.monotonic()))
        except Exception as error:
            self.finish(RobotError(f"the control thread has failed: {error!r}"))
            raise

    def _control(self, loop: ArmLoop, hand: Hand) -> None:
        decision = loop.step()
        if decision.gripper is not None:
            hand.request(decision.gripper)
        self._topics.publish_decision(decision, hand.state, loop.status() | hand.status(), time_s=self.now_s())


def main() -> int:
    return run_node(ArmNode)


if __name__ == "__main__":
    raise SystemExit(main())
