"""What a policy tells the arm: its action as a twist, repeated while it holds, and a zero twist at the end."""

import time

import numpy as np
from geometry_msgs.msg import TwistStamped
from std_msgs.msg import Float32

from world4rl import convert, qos
from world4rl.rig_node import RigNode
from world4rl_core.runtime.action import twist_of_action

REPEAT_S = 0.02


class PolicyOutput:
    """Publishes `policy/twist` at 50 Hz, stamped with the ROS time of sending: an old twist is refused by the arm node.

    In a dry run there are no publishers, so that nothing can move.
    """

    def __init__(self, node: RigNode, *, is_dry: bool) -> None:
        self._rig = node.rig
        self._twists = None if is_dry else node.create_publisher(TwistStamped, "policy/twist", qos.COMMAND)
        self._grippers = None if is_dry else node.create_publisher(Float32, "policy/gripper", qos.EVENT)
        self._twist = np.zeros(6)
        self._sent_wall_s = -np.inf

    def act(self, action: np.ndarray, now_s: float) -> None:
        """A new action (7,) in [-1, 1]."""
        self._twist = twist_of_action(action, self._rig)
        self._grip(float(action[-1]))
        self._send(now_s)

    def repeat(self, now_s: float) -> None:
        """The last action goes on; call it often."""
        if self._is_due():
            self._send(now_s)

    def still(self, now_s: float, *, gripper: float) -> None:
        """No motion, and this state of the gripper; call it often."""
        self._twist = np.zeros(6)
        if self._is_due():
            self._grip(gripper)
            self._send(now_s)

    def rest(self, now_s: float) -> None:
        """The end: silence after anything but a zero twist would be a fault."""
        self._twist = np.zeros(6)
        self._send(now_s)

    def _is_due(self) -> bool:
        """By the wall clock: the arm node wants to hear us, however slowly a simulation's time passes."""
        return time.monotonic() - self._sent_wall_s >= REPEAT_S

    def _grip(self, state: float) -> None:
        if self._grippers is not None:
            self._grippers.publish(convert.number_message(1.0 if state > 0 else -1.0))

    def _send(self, now_s: float) -> None:
        self._sent_wall_s = time.monotonic()
        if self._twists is not None:
            self._twists.publish(convert.twist_message(self._twist, time_s=now_s, frame=self._rig.action.frame))
