"""How the calibration moves the arm: as any policy does, through `policy/twist`.

Arbiter, filter and latch of the arm node hold as ever, and a person's touch takes over.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from std_msgs.msg import String

from world4rl import convert, qos
from world4rl.calls import Calls
from world4rl.rig_node import RigNode
from world4rl_core.calibration.collecting import Collector, Darkroom, Phase
from world4rl_core.errors import CalibrationError, World4RLError

HOME_S, ENABLE_S, RECOVER_S = 30.0, 2.0, 3.0
"""How often each service is asked at most."""


class CalibrationDrive:
    """`step` at the rate of commands. In simulation, where nobody else does, it also homes and arms the arm."""

    def __init__(
        self,
        node: RigNode,
        room: Darkroom,
        *,
        is_simulated: bool,
        take: Callable[[], object],
        tell: Callable[[str], object],
    ) -> None:
        """`take` stores a sample of what is seen now, or raises World4RLError; `tell` shows a line."""
        self._node, self._room, self._take, self._tell = node, room, take, tell
        self._twists = node.create_publisher(TwistStamped, "policy/twist", qos.COMMAND)
        self._calls = Calls(node, ("arm/home", "arm/recover", "arm/reset_latch"), switches=("arm/enable",))
        node.create_subscription(String, "franka/status", self._follow_arm, qos.STATUS)
        self._is_simulated = is_simulated
        self._is_home = not is_simulated
        self._arm: dict[str, Any] = {}
        self.collector: Collector | None = None
        """Says where to go; none before the camera has spoken and after the last pose."""

    @property
    def may_move(self) -> bool:
        """Armed, at the start pose in simulation, and no person moves the arm."""
        return self._is_home and self._arm.get("level") == "armed" and not self._arm.get("intervention")

    def step(self) -> None:
        """Sends the wanted velocity; at rest at a pose, takes the picture. Zero is not silence."""
        now_s, T_base_hand = self._node.now_s(), self._room.T_base_hand
        if T_base_hand is None or now_s <= 0:
            return
        twist = np.zeros(6)
        if self.collector is not None:
            self._prepare()
            twist = self._collect(self.collector, T_base_hand, now_s)
        self._twists.publish(convert.twist_message(twist, time_s=self._node.now_s()))

    def rest(self) -> None:
        """The end: silence after anything but a zero twist would be a fault."""
        self.collector = None
        self._twists.publish(convert.twist_message(np.zeros(6), time_s=self._node.now_s()))

    def _collect(self, collector: Collector, T_base_hand: np.ndarray, now_s: float) -> np.ndarray:
        before = collector.phase
        try:
            twist = collector.step(T_base_hand, now_s, may_move=self.may_move)
        except CalibrationError as error:
            self.collector = None
            self._tell(f"the arm stays: {error}")
            return np.zeros(6)
        if collector.phase is not before and collector.phase in (Phase.WAIT, Phase.DONE):
            self._tell(collector.phase.value)
        still_s = collector.still_since_s
        if still_s is not None and self._room.has_picture_since(still_s):
            try:
                self._take()
            except World4RLError as error:
                self._tell(f"left out: {error}")
            collector.looked()
        return twist

    def _prepare(self) -> None:
        """Gets the simulated arm ready; the real one is left to a person."""
        level = self._arm.get("level")
        if not self._is_simulated or level is None or self._arm.get("homing"):
            return
        if level in ("latched", "operator"):
            self._calls.ask("arm/recover", lambda _: self._calls.ask("arm/reset_latch"), every_s=RECOVER_S)
        elif not self._is_home:
            self._calls.ask("arm/home", self._came_home, every_s=HOME_S)
        elif not self._arm.get("armed"):
            self._calls.ask("arm/enable", every_s=ENABLE_S, data=True)

    def _came_home(self, _: Any) -> None:
        self._is_home = True

    def _follow_arm(self, message: String) -> None:
        self._arm = convert.json_of(message)
