"""How the calibration moves the arm: as any policy does, through `policy/twist`.

Arbiter, filter and latch of the arm node hold as ever, and a person's touch takes over.
"""

from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from std_msgs.msg import String

from world4rl import convert, qos
from world4rl.calls import Calls
from world4rl.rig_node import RigNode

HOME_S, ENABLE_S, RECOVER_S = 30.0, 2.0, 3.0
"""How often each service is asked at most."""


class CalibrationDrive:
    """`send` at the rate of commands. In simulation, where nobody else does, it also homes and arms the arm."""

    def __init__(self, node: RigNode, *, is_simulated: bool) -> None:
        self._twists = node.create_publisher(TwistStamped, "policy/twist", qos.COMMAND)
        self._calls = Calls(node, ("arm/home", "arm/recover", "arm/reset_latch"), switches=("arm/enable",))
        node.create_subscription(String, "franka/status", self._follow_arm, qos.STATUS)
        self._is_simulated = is_simulated
        self._is_home = not is_simulated
        self._arm: dict[str, Any] = {}

    @property
    def may_move(self) -> bool:
        """Armed, at the start pose in simulation, and no person moves the arm."""
        return self._is_home and self._arm.get("level") == "armed" and not self._arm.get("intervention")

    def prepare(self) -> None:
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

    def send(self, twist: np.ndarray, now_s: float) -> None:
        """A velocity (6,) in base; zero is not silence."""
        self._twists.publish(convert.twist_message(twist, time_s=now_s))

    def _came_home(self, _: Any) -> None:
        self._is_home = True

    def _follow_arm(self, message: String) -> None:
        self._arm = convert.json_of(message)
