"""States and commands that several tests of the runtime need."""

from dataclasses import replace

import numpy as np

from world4rl_core.rig import load_rig
from world4rl_core.robot.fake import FakeArm, FakeClock
from world4rl_core.robot.interface import ArmState
from world4rl_core.runtime.command_filter import Command
from world4rl_core.runtime.control import ArmControl, Decision

RIG = load_rig("panda")
DOWN_XYZW = np.array([1.0, 0, 0, 0])
CENTRE = (np.array(RIG.limits.box_low_m) + np.array(RIG.limits.box_high_m)) / 2
FORWARD = np.array([0.1, 0, 0, 0, 0, 0])
PERIOD_S = 0.02
HOME_STATE = FakeArm(FakeClock()).state()


def state_at(position_m: np.ndarray, *, now_s: float = 100.0, **changes) -> ArmState:
    """The arm at a position, gripper down, with the joints of the start pose."""
    fields = {"position_m": position_m, "quat_xyzw": DOWN_XYZW, "time_s": now_s, "robot_time_s": now_s}
    return replace(HOME_STATE, **(fields | changes))


def command(twist: np.ndarray, *, time_s: float = 100.0, source: str = "human", frame: str = "base") -> Command:
    return Command(time_s, frame, np.asarray(twist, dtype=float), source)


class Cell:
    """An arm, its control and both senders on one clock, stepped at the control rate; `human` and `policy` stream."""

    def __init__(self, *, needs_human: bool = True, rig=RIG) -> None:
        self.clock = FakeClock()
        self.arm = FakeArm(self.clock)
        self.control = ArmControl(rig, needs_human=needs_human)
        self.rig = rig
        self.human: np.ndarray | None = np.zeros(6) if needs_human else None
        self.policy: np.ndarray | None = None
        self.last: Decision | None = None

    def run(self, seconds: float) -> list[Decision]:
        """Streams, decides and obeys, as the arm node does; returns the decisions."""
        return [self.tick() for _ in range(round(seconds / PERIOD_S))]

    def tick(self) -> Decision:
        now_s = self.clock.step(PERIOD_S)
        for source, twist in (("human", self.human), ("policy", self.policy)):
            if twist is not None:
                self.control.receive(command(twist, time_s=now_s, source=source), now_s)
        self.last = self.control.step(self.arm.state(), now_s)
        if self.last.may_stream:
            self.arm.command_twist(self.last.twist, self.rig.limits.hold_s)
        elif self.last.must_stop:
            self.arm.stop()
        return self.last

    def armed(self) -> "Cell":
        self.run(0.5)
        self.control.enable()
        return self

    @property
    def speed(self) -> float:
        """Of the end effector, m/s and rad/s in one number."""
        return float(np.linalg.norm(self.arm.true_twist))
