"""The random source of the data collection: seeded wandering as twists, through the same filter as everything else."""

from dataclasses import dataclass, replace
from typing import Any

from geometry_msgs.msg import TwistStamped
from std_msgs.msg import Float32, String

from world4rl import convert, qos
from world4rl.params import param
from world4rl.rig_node import Diagnosis, Level, RigConfig, RigNode, run_node
from world4rl_core.runtime.action import twist_of_action
from world4rl_core.runtime.explorer import Explorer

STREAM_S = 0.02


@dataclass(frozen=True)
class ExplorerNodeConfig(RigConfig):
    """Parameters of the explorer."""

    seed: int = param(0, "episode k wanders by seed + k", low=0, high=2**31 - 1)
    rate_hz: float = param(0.0, "actions a second; 0 takes the rig's", low=0.0, high=50.0)


class ExplorerNode(RigNode):
    """Wanders while an episode is recorded; otherwise it says zero, which is not silence."""

    Config = ExplorerNodeConfig

    def __init__(self, **options: Any) -> None:
        super().__init__("explorer", **options)
        if self.config.rate_hz:
            self.rig = replace(self.rig, action=replace(self.rig.action, rate_hz=round(self.config.rate_hz)))
        self._episode = -1
        self._explorer: Explorer | None = None
        self._action = self._next_s = None

    def open(self) -> None:
        self._twists = self.create_publisher(TwistStamped, "policy/twist", qos.COMMAND)
        self._grippers = self.create_publisher(Float32, "policy/gripper", qos.EVENT)
        self.create_subscription(String, "recorder/status", self._on_recorder, qos.STATUS)
        self.create_wall_timer(STREAM_S, self._step)

    def diagnose(self) -> Diagnosis:
        return Diagnosis(Level.OK, "waits" if self._explorer is None else "wanders", {"episode": self._episode})

    def _on_recorder(self, message: String) -> None:
        is_recording = convert.json_of(message)["state"] == "recording"
        if is_recording and self._explorer is None:
            self._episode += 1
            self._explorer, self._next_s = Explorer(self.config.seed + self._episode), None
        elif not is_recording:
            self._explorer = self._action = None

    def _step(self) -> None:
        """Streams the action of this period, faster than the periods, so that none is ever stale."""
        now_s = self.now_s()
        if now_s <= 0:
            return
        if self._explorer is None:
            self._twists.publish(convert.twist_message([0.0] * 6, time_s=now_s))
            return
        if self._next_s is None or now_s >= self._next_s:
            self._action = self._explorer.action()
            self._next_s = max(now_s, (self._next_s or now_s)) + 1 / self.rig.action.rate_hz
        twist = twist_of_action(self._action, self.rig)
        self._twists.publish(convert.twist_message(twist, time_s=now_s, frame=self.rig.action.frame))
        self._grippers.publish(convert.number_message(self._action[6]))


def main() -> int:
    return run_node(ExplorerNode)


if __name__ == "__main__":
    raise SystemExit(main())
