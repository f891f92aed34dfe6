"""An exported policy drives the arm: pictures in, `policy/twist` and `policy/gripper` out, at the rig's rate."""

from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from std_msgs.msg import String
from std_srvs.srv import Trigger

from world4rl import convert, qos
from world4rl.hand_opener import HandOpener
from world4rl.params import param
from world4rl.policy_inputs import PolicyInputs
from world4rl.policy_output import PolicyOutput
from world4rl.rig_node import Diagnosis, Level, RigConfig, RigNode, run_node
from world4rl.services import answer, answer_later
from world4rl_core.errors import RobotError
from world4rl_core.runtime.deployed import DeployedPolicies, named_bundles
from world4rl_core.runtime.inference import SessionConfig

TICK_S, STATUS_S, WARN_S = 0.01, 0.5, 2.0


@dataclass(frozen=True)
class PolicyConfig(RigConfig):
    """Parameters of the policy node."""

    bundles: str = param("", "the bundle's folder, or name=folder,name=folder for several")
    bundle: str = param("", "name of the one that the next episode runs; empty takes the first", live=True)
    dry_run: bool = param(False, "do everything but move: nothing is published that the arm obeys")
    follows_recorder: bool = param(True, "an episode begins with the recording; else with policy/start")
    time_limit_s: float = param(30.0, "longest episode", low=0.1, high=600.0)
    replay: str = param("", "folder of a dataset: compare with its recorded actions, move nothing, and end")
    replay_episode: int = param(0, "which episode of it", low=0, high=1_000_000)
    provider: str = param("auto", "auto, cpu, cuda or tensorrt")
    allow_cpu: bool = param(False, "go on when the wanted provider falls back to the CPU")
    threads: int = param(1, "threads inside one operator", low=1, high=64)


class PolicyNode(RigNode):
    """Services policy/start, stop and open_hand. A recording that ends, by whomever, ends the episode."""

    Config = PolicyConfig

    def __init__(self, **options: Any) -> None:
        super().__init__("policy", **options)
        self._due_s = self._decided_s = 0.0

    def open(self) -> None:
        """Raises BundleError before anything could move."""
        config = self.config
        session = SessionConfig(config.provider, allow_cpu=config.allow_cpu, threads=config.threads)
        bundles = named_bundles(config.bundles)
        self.policies = DeployedPolicies.open(bundles, self.rig, session=session, time_limit_s=config.time_limit_s)
        self.policies.choose(config.bundle or self.policies.chosen)
        if config.replay:
            from world4rl_core.export.replay import replay  # needs torch, which acting does not

            for folder in bundles.values():
                self.get_logger().info(replay(folder, config.replay, config.replay_episode, session=session).table())
            self.finish()

    def start(self) -> None:
        self._status = self.create_publisher(String, "policy/status", qos.STATUS)
        self._output = PolicyOutput(self, is_dry=self.config.dry_run or bool(self.config.replay))
        self._inputs = PolicyInputs(self, self.policies.cameras, on_recording=self._on_recording)
        self._hand = HandOpener(self._inputs, self._output, now_s=self.now_s)
        self.add_on_set_parameters_callback(self._choose)
        self.create_service(Trigger, "policy/start", lambda _, reply: answer(reply, self._begin))
        self.create_service(Trigger, "policy/stop", lambda _, reply: answer(reply, self._end))
        slow = ReentrantCallbackGroup()
        self.create_service(Trigger, "policy/open_hand", answer_later(self, self._open_hand), callback_group=slow)
        self.create_wall_timer(TICK_S, self._tick)
        self.create_wall_timer(STATUS_S, self._publish_status)
        self._publish_status()

    def stop(self) -> None:
        if hasattr(self, "_inputs"):
            self._end()

    def diagnose(self) -> Diagnosis:
        status = self.policies.status()
        text = status["fault"] or "; ".join(status["held"])
        return Diagnosis(Level.WARN if text else Level.OK, text or status["state"], status)

    def _on_recording(self, begins: bool) -> None:
        if not begins:
            self._end()
        elif self.config.follows_recorder:
            self._begin()

    def _choose(self, parameters: Any) -> SetParametersResult:
        try:
            for parameter in parameters:
                if parameter.name == "bundle":
                    self.policies.choose(parameter.value)
        except RobotError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._publish_status()
        return SetParametersResult(successful=True)

    def _begin(self) -> None:
        """Raises RobotError while an episode runs or the hand opens."""
        self._refuse_while_busy()
        gripper = self._inputs.gripper
        self.policies.begin(self.now_s(), gripper=1.0 if gripper is None else gripper)
        self._due_s = self._decided_s = self.now_s()
        self._publish_status()

    def _end(self) -> None:
        if self.policies.is_running:
            self.policies.end()
            self._output.rest(self.now_s())
            self._publish_status()

    def _open_hand(self) -> None:
        self._refuse_while_busy()
        self._hand.open()

    def _refuse_while_busy(self) -> None:
        if self.policies.is_running or self._hand.is_busy:
            raise RobotError("the policy acts already; stop it first")

    def _tick(self) -> None:
        now_s = self.now_s()
        self._hand.step(now_s)
        if not self.policies.is_running:
            return
        if now_s < self._decided_s:  # the clock was set back
            self._due_s = now_s
        if now_s >= self._due_s:
            self._decide(now_s)
        self._output.repeat(self.now_s())

    def _decide(self, now_s: float) -> None:
        """One period. A late tick does not shift those after it."""
        period_s = 1 / self.rig.action.rate_hz
        step = self.policies.step(self._inputs.seen.newest(), now_s=now_s)
        if self.policies.steps > 1:
            self.policies.note_period(now_s - self._decided_s)
        self._decided_s = now_s
        self._due_s = max(self._due_s + period_s, now_s + period_s / 2)
        self._output.act(step.action, self.now_s())
        for line in step.events:  # rare, each on its own
            self.get_logger().warning(line)
        for line in step.reasons:
            self.get_logger().warning(line, throttle_duration_sec=WARN_S)
        if step.ended is not None:
            self._output.rest(self.now_s())
        self._publish_status()

    def _publish_status(self) -> None:
        told = {"dry_run": self.config.dry_run, "time_s": self.now_s()}
        self._status.publish(convert.json_message(self.policies.status() | told))


def main() -> int:
    return run_node(PolicyNode)


if __name__ == "__main__":
    raise SystemExit(main())
