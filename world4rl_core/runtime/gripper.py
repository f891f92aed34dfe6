"""What the gripper's worker thread does next: newest request wins, one retry, a time limit, and lost grasps noticed.

`GripperPlan` is pure; `GripperWorker` is the thread around it that blocks in the gripper's calls, for everybody else.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from world4rl_core.robot.interface import ArmError, Gripper, GripperState

TIMEOUT_S = 5.0
RETRIES = 1


@dataclass
class GripperPlan:
    """Requests in, calls out. Times are seconds of one clock."""

    wanted: float | None = None
    """+1 open, -1 closed; None before the first request."""
    busy_with: float | None = None
    is_faulty: bool = False
    """Two refusals or a timeout: nothing is sent before `clear_fault`."""
    events: list[tuple[float, str]] = field(default_factory=list)
    """(time, what happened), the newest last; the reader empties it."""
    _pending: bool = False
    _started_s: float = 0.0
    _failures: int = 0
    _was_grasped: bool = False

    def request(self, state: float) -> None:
        """The newest request replaces one that has not started; it never queues behind it."""
        self.wanted = 1.0 if state > 0 else -1.0
        self._pending = self.wanted != self.busy_with
        self._failures = 0

    def cancel(self) -> None:
        """Forgets what has not started: an emergency stop must not be followed by a motion that waited for it."""
        self._pending = False

    def start(self, now_s: float) -> float | None:
        """The state to bring about now, or None; after it, `finished` or `failed` must follow."""
        if not self._pending or self.busy_with is not None or self.is_faulty or self.wanted is None:
            return None
        self._pending, self.busy_with, self._started_s = False, self.wanted, now_s
        return self.wanted

    def finished(self, is_reached: bool, now_s: float) -> None:
        """The call returned. False means that there was nothing to grasp: an event, no fault."""
        if self.busy_with is None:
            return  # it was given up before
        self._was_grasped = self.busy_with < 0 and is_reached
        if not is_reached:
            self.events.append((now_s, "open_failed" if self.busy_with > 0 else "grasped_nothing"))
        self.busy_with, self._failures = None, 0
        self._pending = self._pending and not self.is_faulty

    def failed(self, why: str, now_s: float) -> None:
        """The call raised: tried once more, then a fault. A newer request takes the retry's place."""
        if self.busy_with is None:
            return
        self.busy_with = None
        self._failures += 1
        self._pending = True
        if self._failures > RETRIES:
            self._give_up(why, now_s)

    def is_overdue(self, now_s: float) -> bool:
        """True once when the running call has taken longer than TIMEOUT_S: stop the gripper."""
        if self.busy_with is None or now_s - self._started_s <= TIMEOUT_S:
            return False
        self.busy_with = None
        self._give_up(f"no answer in {TIMEOUT_S:g} s", now_s)
        return True

    def observe(self, state: GripperState, now_s: float) -> None:
        """Notices an object that is lost while the gripper should hold it."""
        holds = self.busy_with is None and self.wanted is not None and self.wanted < 0
        if holds and self._was_grasped and not state.is_grasped:
            self.events.append((now_s, "lost_grasp"))
        if self.busy_with is None:
            self._was_grasped = bool(holds and state.is_grasped)

    def clear_fault(self) -> None:
        self.is_faulty, self._pending, self._failures = False, False, 0

    def _give_up(self, why: str, now_s: float) -> None:
        self.is_faulty, self._pending = True, False
        self.events.append((now_s, f"fault: {why}"))


class GripperWorker:
    """A thread that carries a plan out on a gripper. `request` and `stop` never block."""

    def __init__(
        self, gripper: Gripper, *, clock: Callable[[], float] = time.monotonic, period_s: float = 0.02
    ) -> None:
        self.plan = GripperPlan()
        self._gripper = gripper
        self._clock = clock
        self._period_s = period_s
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="gripper", daemon=True)
        self._thread.start()

    def request(self, state: float) -> None:
        with self._lock:
            self.plan.request(state)
        self._wake.set()

    def stop(self) -> None:
        """Nothing that waits will start. A call that runs is ended by the gripper's own `stop`, from the caller."""
        with self._lock:
            self.plan.cancel()

    def clear_fault(self) -> None:
        with self._lock:
            self.plan.clear_fault()

    def poll(self, state: GripperState | None) -> list[tuple[float, str]]:
        """Events since the last call; give it the newest state. Stops a gripper that takes too long."""
        now_s = self._clock()
        with self._lock:
            is_overdue = self.plan.is_overdue(now_s)
            if state is not None:
                self.plan.observe(state, now_s)
            events, self.plan.events = self.plan.events, []
        if is_overdue:
            threading.Thread(target=self._stop_gripper, name="gripper-stop", daemon=True).start()
        return events

    @property
    def is_faulty(self) -> bool:
        return self.plan.is_faulty

    def close(self) -> None:
        """Ends the thread; waits for a running call at most TIMEOUT_S."""
        self._is_closing = True
        self._wake.set()
        self._thread.join(timeout=TIMEOUT_S)

    def _stop_gripper(self) -> None:
        try:
            self._gripper.stop()
        except ArmError as error:
            with self._lock:
                self.plan.events.append((self._clock(), f"fault: {error}"))

    def _run(self) -> None:
        while not self._is_closing:
            with self._lock:
                wanted = self.plan.start(self._clock())
            if wanted is None:
                self._wake.wait(self._period_s)
                self._wake.clear()
                continue
            try:
                is_reached = self._gripper.open() if wanted > 0 else self._gripper.grasp()
            except ArmError as error:
                with self._lock:
                    self.plan.failed(str(error), self._clock())
            else:
                with self._lock:
                    self.plan.finished(is_reached, self._clock())
