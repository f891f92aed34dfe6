"""The actions a policy has answered with and the arm has not yet made: one a period, and none that is stale."""

from collections import deque
from dataclasses import dataclass
from enum import Enum

import numpy as np

from world4rl_core.errors import ConfigError


@dataclass(frozen=True)
class QueueConfig:
    """When an answer is too old, and how long the arm goes on without one."""

    period_s: float = 0.1
    """One action is taken in each."""
    max_age_s: float = 0.15
    """How much later than its turn an action may be made; its turn is its observation plus its place in the answer."""
    max_repeats: int = 1
    """Periods without an answer in which the last action is repeated; after them the arm stands still."""
    max_misses: int = 3
    """Periods in a row without an answer after which the policy counts as too slow (fault 58)."""

    def __post_init__(self) -> None:
        if self.period_s <= 0 or self.max_age_s <= 0 or self.max_repeats < 0 or self.max_misses < 1:
            raise ConfigError(f"an action queue needs positive times, repeats >= 0 and misses >= 1, got {self}")


class Kind(Enum):
    """Where an action comes from."""

    NEW = "new"
    REPEATED = "repeated"
    STILL = "still"


@dataclass(frozen=True, eq=False)
class Taken:
    """What to execute in this period."""

    action: np.ndarray  # (d,) in [-1, 1]
    kind: Kind
    misses: int
    """Periods in a row, this one included, without a new action."""
    is_too_slow: bool
    """The policy has missed too often: hold the arm (R2)."""


class ActionQueue:
    """Keeps the rest of the newest answer. An action ends with the gripper's state, which stillness keeps.

    An answer belongs to the episode whose number `reset` returned: one that was still being computed when the episode
    ended can never be executed in the next.
    """

    def __init__(self, dim: int, config: QueueConfig = QueueConfig()) -> None:
        self.dim, self.config = dim, config
        self._episode = 0
        self.reset()

    def reset(self, *, gripper: float = 1.0) -> int:
        """Forgets everything and returns the number of the episode that begins; `gripper` is its state now."""
        self._waiting: deque[tuple[float, np.ndarray]] = deque()  # (turn_s, action)
        self._observed_s = -np.inf
        self._last: np.ndarray | None = None
        self._gripper = gripper
        self._misses = 0
        self._episode += 1
        return self._episode

    def drop(self) -> None:
        """Forgets what waits and what could be repeated, as after a fault; the episode goes on."""
        self._waiting.clear()
        self._last = None

    def put(self, actions: np.ndarray, *, episode: int, observed_s: float) -> bool:
        """Takes an answer (n, d) to the observation of `observed_s`; it replaces what was left of the one before.

        False, and nothing changes, for an answer of another episode or to an older observation than the last.
        Raises ConfigError for numbers that are no actions.
        """
        actions = np.atleast_2d(np.asarray(actions, np.float32))
        if actions.shape[1] != self.dim or not len(actions) or not (np.abs(actions) <= 1 + 1e-6).all():
            raise ConfigError(f"actions are (n, {self.dim}) finite numbers in [-1, 1], got {actions.tolist()}")
        if episode != self._episode or observed_s <= self._observed_s:
            return False
        self._observed_s = observed_s
        self._waiting = deque((observed_s + i * self.config.period_s, row.copy()) for i, row in enumerate(actions))
        return True

    def take(self, now_s: float) -> Taken:
        """The action of this period: the next that is not too late, else the last again, else stillness."""
        while self._waiting and now_s - self._waiting[0][0] > self.config.max_age_s:
            self._waiting.popleft()
        if self._waiting:
            self._last = self._waiting.popleft()[1]
            self._gripper = float(self._last[-1])
            self._misses = 0
            return Taken(self._last.copy(), Kind.NEW, misses=0, is_too_slow=False)
        self._misses += 1
        is_too_slow = self._misses >= self.config.max_misses
        if self._last is not None and self._misses <= self.config.max_repeats and not is_too_slow:
            return Taken(self._last.copy(), Kind.REPEATED, misses=self._misses, is_too_slow=False)
        return Taken(self.still(), Kind.STILL, misses=self._misses, is_too_slow=is_too_slow)

    def still(self) -> np.ndarray:
        """No motion, the gripper as it was last told."""
        action = np.zeros(self.dim, np.float32)
        action[-1] = self._gripper
        return action
