"""The hand in threads of its own: it takes the newest wish, and its slowness or failure never holds up the arm."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from world4rl_core.errors import RobotError
from world4rl_core.robot.interface import ArmError, Gripper, GripperState

TIMEOUT_S = 5.0
ATTEMPTS = 2
READ_S, RECONNECT_S = 0.04, 1.0


@dataclass(frozen=True)
class GripperReport:
    """What the hand has come to."""

    wanted: float
    """+1 open, -1 closed, 0 nothing was asked for yet."""
    is_busy: bool
    fault: str
    """Why it no longer takes wishes; empty while it works."""
    misses: int
    """Grasps that closed on nothing."""
    state: GripperState | None
    """The newest reading; None while there is no connection."""


class GripperWorker:
    """Opens and closes as asked; wishes that arrive meanwhile are replaced by the newest.

    A wish that is refused twice or takes longer than TIMEOUT_S ends in `fault`, until `reset`. A lost connection is
    looked for again.
    """

    def __init__(self, connect: Callable[[], Gripper]) -> None:
        """Raises RobotError when no hand answers."""
        self._connect = connect
        self._gripper: Gripper | None = connect()
        self._changed = threading.Condition()
        self._wanted, self._done = 0.0, 0.0
        self._busy_since_s: float | None = None
        self._fault, self._misses = "", 0
        self._state: GripperState | None = None
        self._is_open = True
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._work, self._read)]
        for thread in self._threads:
            thread.start()

    def want(self, state: float) -> None:
        """+1 open, -1 closed; never blocks. The same wish again is no new wish."""
        with self._changed:
            self._wanted = 1.0 if state > 0 else -1.0
            self._changed.notify_all()

    def report(self) -> GripperReport:
        with self._changed:
            is_busy = self._busy_since_s is not None
            return GripperReport(self._wanted, is_busy, self._fault, self._misses, self._state)

    def home(self) -> None:
        """Finds the end stops; blocks. Raises RobotError."""
        try:
            if self._gripper is None or not self._gripper.home():
                raise RobotError("the hand did not find its end stops; is something between the fingers?")
        except ArmError as error:
            raise RobotError(f"the hand refuses to home: {error}") from error

    def reset(self) -> None:
        """Takes wishes again after a fault, beginning with the next one."""
        with self._changed:
            self._fault, self._done = "", self._wanted
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the threads, unless the hand holds one; safe to call twice."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(1.0)
        if self._gripper is not None:
            self._gripper.close()
            self._gripper = None

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._is_open or (self._wanted != self._done and not self._fault))
                if not self._is_open:
                    return
                wish, self._busy_since_s = self._wanted, time.monotonic()
            fault, is_miss = self._try(wish)
            with self._changed:
                self._busy_since_s, self._done = None, wish
                self._fault = self._fault or fault
                self._misses += is_miss

    def _try(self, wish: float) -> tuple[str, bool]:
        """What went wrong, and whether the fingers closed on nothing."""
        message = "no connection to the hand"
        for _ in range(ATTEMPTS):
            if (gripper := self._gripper) is None:
                break
            try:
                is_done = gripper.open() if wish > 0 else gripper.grasp()
                return "", wish < 0 and not is_done
            except ArmError as error:
                message = str(error)
        return message, False

    def _read(self) -> None:
        """Keeps the state fresh, watches the time that a wish takes, and connects anew."""
        while self._is_open:
            try:
                self._gripper = self._gripper or self._connect()
                self._state = self._gripper.state()
                pause_s = READ_S
            except (ArmError, RobotError):
                self._state, self._gripper, pause_s = None, None, RECONNECT_S
            self._watch_time()
            time.sleep(pause_s)

    def _watch_time(self) -> None:
        with self._changed:
            since_s, gripper = self._busy_since_s, self._gripper
            is_stuck = since_s is not None and time.monotonic() - since_s > TIMEOUT_S and not self._fault
            if is_stuck:
                self._fault = f"the hand did not finish within {TIMEOUT_S:g} s"
        if is_stuck and gripper is not None:
            threading.Thread(target=gripper.stop, daemon=True).start()  # may take as long again
