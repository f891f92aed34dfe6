"""When to try again: connections with growing pauses, error recovery during homing a few times, never in between."""

from dataclasses import dataclass

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 16.0
RECOVERY_TRIES, RECOVERY_PAUSE_S = 3, 1.0


@dataclass
class Backoff:
    """Pauses of 1, 2, 4, ... s between attempts to connect."""

    first_s: float = FIRST_PAUSE_S
    longest_s: float = LONGEST_PAUSE_S
    attempts: int = 0
    _next_s: float | None = None

    def is_due(self, now_s: float) -> bool:
        """Whether to try now; the first attempt waits for `first_s` too, counted from the first call."""
        if self._next_s is None:
            self._next_s = now_s + self.first_s
        return now_s >= self._next_s

    def failed(self, now_s: float) -> float:
        """The attempt failed; returns the pause until the next one in seconds."""
        self.attempts += 1
        pause_s = min(self.first_s * 2**self.attempts, self.longest_s)
        self._next_s = now_s + pause_s
        return pause_s

    def reset(self) -> None:
        self.attempts, self._next_s = 0, None


@dataclass
class HomingRecovery:
    """Automatic error recovery, allowed only during the motion home: three times at most, a second apart."""

    tries: int = 0
    _last_s: float | None = None

    def may_try(self, now_s: float) -> bool:
        """Whether to recover now. After the last try the fault latches the arm like any other."""
        is_paused = self._last_s is not None and now_s - self._last_s < RECOVERY_PAUSE_S
        return self.tries < RECOVERY_TRIES and not is_paused

    def tried(self, now_s: float) -> None:
        self.tries += 1
        self._last_s = now_s
