"""Opens the hand between two episodes, through the arm node, as any other request of a policy."""

import threading
from collections.abc import Callable

from world4rl.policy_inputs import PolicyInputs
from world4rl.policy_output import PolicyOutput
from world4rl_core.errors import RobotError

OPEN_S, WALL_S = 6.0, 45.0
"""A simulation may be much slower than the wall clock."""


class HandOpener:
    """`step` belongs to the node's thread, `open` waits in another one."""

    def __init__(self, inputs: PolicyInputs, output: PolicyOutput, *, now_s: Callable[[], float]) -> None:
        self._inputs, self._output, self._now_s = inputs, output, now_s
        self._done: threading.Event | None = None
        self._until_s, self._must_close_first = 0.0, False

    @property
    def is_busy(self) -> bool:
        return self._done is not None

    def step(self, now_s: float) -> None:
        """A zero twist and the gripper's wanted state, until the hand is open or the time is over."""
        if self._done is None:
            return
        self._must_close_first = self._must_close_first and self._inputs.gripper == 1.0
        self._output.still(now_s, gripper=-1.0 if self._must_close_first else 1.0)
        if (self._inputs.hand_is_open and not self._must_close_first) or now_s > self._until_s:
            self._done.set()

    def open(self) -> None:
        """Armed, and with no person's hand on the arm. A request that failed is made again after the opposite one.

        Raises RobotError when the hand stays closed.
        """
        is_failed = self._inputs.gripper == 1.0 and not self._inputs.arm.get("hand_busy")
        self._must_close_first = is_failed and not self._inputs.hand_is_open
        self._until_s = self._now_s() + OPEN_S
        done = self._done = threading.Event()
        done.wait(WALL_S)
        self._done = None
        self._output.rest(self._now_s())
        if not self._inputs.hand_is_open:
            raise RobotError(f"the hand did not open in {OPEN_S:g} s; is the arm armed, and does nobody push?")
