"""The gripper beside the arm: its own connection, read 25 times a second and made anew when lost."""

import threading
import time
from collections.abc import Callable
from typing import Any

from world4rl_core.errors import RobotError
from world4rl_core.robot.interface import ArmError, Gripper, GripperState
from world4rl_core.runtime.gripper import GripperWorker

READ_S, RECONNECT_S = 0.04, 1.0


class Hand:
    """Nothing here blocks but `home` and `close`."""

    def __init__(self, connect: Callable[[], Gripper], *, clock_s: Callable[[], float] = time.monotonic) -> None:
        """`clock_s` measures how long the hand takes. Raises RobotError when no hand answers."""
        self._connect, self._clock_s = connect, clock_s
        self._gripper: Gripper | None = connect()
        self._worker = GripperWorker(self._gripper, clock=clock_s)
        self.state: GripperState | None = None
        """The newest reading; None while there is no connection."""
        self.last_event = ""
        self._is_open = True
        self._thread = threading.Thread(target=self._run, name="hand", daemon=True)
        self._thread.start()

    def request(self, state: float) -> None:
        """+1 open, -1 closed; the newest request wins."""
        self._worker.request(state)

    def is_homed(self) -> bool:
        return self.state is not None and self.state.max_width_m > 0

    def home(self) -> None:
        """Finds the end stops; blocks. Raises RobotError."""
        gripper = self._gripper
        try:
            if gripper is None or not gripper.home():
                raise RobotError("the hand did not find its end stops; is it connected, and free to open and close?")
        except ArmError as error:
            raise RobotError(f"the hand refuses to home: {error}") from error

    def stop(self) -> None:
        """Nothing that waits will start."""
        self._worker.stop()

    def clear_fault(self) -> None:
        self._worker.clear_fault()

    def close(self) -> None:
        """Safe to call twice."""
        self._is_open = False
        self._thread.join(2.0)
        self._let_go()

    def status(self) -> dict[str, Any]:
        """What `franka/status` says of the hand."""
        plan, state = self._worker.plan, self.state
        found = {"hand_wanted": plan.wanted, "hand_busy": plan.busy_with is not None, "hand_faulty": plan.is_faulty}
        found |= {"hand_event": self.last_event, "hand_connected": state is not None}
        return found if state is None else found | {"grasped": state.is_grasped, "hand_homed": state.max_width_m > 0}

    def _run(self) -> None:
        while self._is_open:
            pause_s = READ_S
            try:
                if self._gripper is None:
                    self._gripper = self._connect()
                    self._worker = GripperWorker(self._gripper, clock=self._clock_s)
                self.state = self._gripper.state()
            except (ArmError, RobotError) as error:
                self.state, self.last_event, pause_s = None, str(error), RECONNECT_S
                self._let_go()
            for _, event in self._worker.poll(self.state):
                self.last_event = event
            time.sleep(pause_s)

    def _let_go(self) -> None:
        """The worker's thread is left behind where the hand holds it."""
        if self._gripper is not None:
            threading.Thread(target=self._worker.close, daemon=True).start()
            self._gripper.close()
            self._gripper = None
