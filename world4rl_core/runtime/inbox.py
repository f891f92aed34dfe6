"""The door for commands: what one source sent, validated on arrival, the newest kept."""

from collections import Counter, deque
from dataclasses import dataclass, field, replace

import numpy as np

from world4rl_core.rig import FRAMES, LimitsRig
from world4rl_core.runtime.command_filter import Command
from world4rl_core.runtime.latch import Reaction, Trip

NEUTRAL_LINEAR_MPS = 1e-3
NEUTRAL_ANGULAR_RADPS = 5e-3
CLOCK_SKEW_COUNT, CLOCK_SKEW_WINDOW_S = 10, 1.0


def is_neutral(twist: np.ndarray) -> bool:
    """Nobody pushes: slower than 1 mm/s and 5 mrad/s. NaN is not neutral."""
    linear, angular = np.linalg.norm(twist[:3]), np.linalg.norm(twist[3:])
    return bool(linear < NEUTRAL_LINEAR_MPS and angular < NEUTRAL_ANGULAR_RADPS)


@dataclass
class Inbox:
    """Commands of one source. Nothing is queued: a newer command replaces the one before."""

    source: str
    limits: LimitsRig
    newest: Command | None = None
    counts: Counter[str] = field(default_factory=Counter)
    """How many commands were refused on arrival, by reason."""
    _neutral_since_s: float | None = None
    _from_future_s: deque[float] = field(default_factory=lambda: deque(maxlen=CLOCK_SKEW_COUNT))

    def accept(self, command: Command, now_s: float) -> list[Trip]:
        """Keeps a sound command and refuses any other; the trips are what the refusal means for the arm.

        A neutral command is kept as zero: what counts as a hand that is off must not creep.
        """
        refused = self._refusal(command, now_s)
        if refused is None:
            self._watch_neutral(command, now_s)
            self.newest = replace(command, twist=np.zeros(6)) if is_neutral(command.twist) else command
            return []
        self.counts[refused] += 1
        self._neutral_since_s = None
        if refused == "not_finite":
            return [Trip(Reaction.HOLD, f"{self.source}: a command that is not a number")]
        if refused == "from_the_future":
            return self._clock_skew(now_s)
        return [Trip(Reaction.CLIP, f"{self.source}: {refused}")]

    def _refusal(self, command: Command, now_s: float) -> str | None:
        faults = {
            "not_finite": command.twist.shape != (6,) or not np.isfinite(command.twist).all(),
            "no_stamp": not (np.isfinite(command.time_s) and command.time_s > 0),
            "from_the_future": command.time_s - now_s > self.limits.future_s,
            "frame": command.frame not in FRAMES,
            "out_of_order": self.newest is not None and command.time_s < self.newest.time_s <= now_s,
            "stale": now_s - command.time_s > self.limits.stale_stop_s,
        }
        return next((name for name, is_wrong in faults.items() if is_wrong), None)

    def _clock_skew(self, now_s: float) -> list[Trip]:
        self._from_future_s.append(now_s)
        is_often = len(self._from_future_s) == CLOCK_SKEW_COUNT
        if is_often and now_s - self._from_future_s[0] <= CLOCK_SKEW_WINDOW_S:
            return [Trip(Reaction.LATCH, f"{self.source}: its clock is ahead of ours; synchronise the clocks")]
        return [Trip(Reaction.CLIP, f"{self.source}: stamped in the future")]

    def _watch_neutral(self, command: Command, now_s: float) -> None:
        if not is_neutral(command.twist):
            self._neutral_since_s = None
        elif self._neutral_since_s is None:
            self._neutral_since_s = now_s

    def step(self, now_s: float, *, wall_s: float | None = None) -> None:
        """Call once a control period: a source that fell silent is not neutral, however it fell silent."""
        if not self.is_fresh(now_s, wall_s=wall_s):
            self._neutral_since_s = None
        elif self._neutral_since_s is not None:
            self._neutral_since_s = min(self._neutral_since_s, now_s)  # the clock was set back

    def is_fresh(self, now_s: float, *, wall_s: float | None = None) -> bool:
        """The newest command is young enough to be obeyed."""
        if self.newest is None:
            return False
        return -self.limits.future_s <= self.newest.age_s(now_s, wall_s) <= self.limits.stale_stop_s

    def neutral_for_s(self, now_s: float) -> float:
        """How long the source has been heard and neutral without a break; 0 when it is not."""
        return 0.0 if self._neutral_since_s is None else max(0.0, now_s - self._neutral_since_s)

    def forget(self) -> None:
        """What was sent so far never counts again."""
        self.newest, self._neutral_since_s = None, None
