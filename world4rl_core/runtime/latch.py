"""Whether the arm may move: armed, held for a moment, or latched until somebody resets it."""

from dataclasses import dataclass
from enum import Enum, IntEnum

from world4rl_core.errors import RobotError

HOLD_TO_LATCH_S = 1.0
"""A fault that holds the arm this long without a break latches it."""


class Reaction(IntEnum):
    """What a fault asks for, mildest first: the reaction classes R0 to R5."""

    LOG = 0
    """Nothing happens to the motion."""
    CLIP = 1
    """The one command is dropped or clipped."""
    HOLD = 2
    """Zero twist, still armed; goes on when the fault is over and the input was neutral."""
    LATCH = 3
    """Motion ended; needs a reset, arming and a neutral input."""
    OPERATOR = 4
    """As LATCH, and a person has to act at the robot before the reset."""
    RECREATE = 5
    """As LATCH, and the connection has to be made anew before the reset."""


class Level(Enum):
    DISARMED = "disarmed"
    ARMED = "armed"
    HELD = "held"
    LATCHED = "latched"
    OPERATOR = "operator"
    RECREATE = "recreate"


_LEVEL_OF = {Reaction.LATCH: Level.LATCHED, Reaction.OPERATOR: Level.OPERATOR, Reaction.RECREATE: Level.RECREATE}
_SEVERITY = [Level.DISARMED, Level.ARMED, Level.HELD, Level.LATCHED, Level.OPERATOR, Level.RECREATE]


@dataclass(frozen=True)
class Trip:
    """A fault that somebody saw."""

    reaction: Reaction
    reason: str


class Latch:
    """Starts disarmed. Nothing but `reset` leaves a latched level, and nothing but `arm` leads to armed from there."""

    def __init__(self, *, neutral_s: float) -> None:
        self._neutral_s = neutral_s
        self.level = Level.DISARMED
        self.reason = ""
        """Why the arm is held or latched; the first reason of the highest level."""
        self._held_since_s = 0.0
        self._tripped_s = 0.0

    @property
    def is_armed(self) -> bool:
        """Commands may move the arm at this moment."""
        return self.level is Level.ARMED

    @property
    def is_latched(self) -> bool:
        return _SEVERITY.index(self.level) >= _SEVERITY.index(Level.LATCHED)

    def trip(self, reaction: Reaction, reason: str, now_s: float) -> bool:
        """Takes a fault into account; True when it stopped an arm that could move, or made matters worse."""
        if reaction < Reaction.HOLD:
            return False
        if reaction is Reaction.HOLD:
            return self._hold(reason, now_s)
        level = _LEVEL_OF[reaction]
        if _SEVERITY.index(level) <= _SEVERITY.index(self.level):
            return False
        self.level, self.reason = level, reason
        return True

    def _hold(self, reason: str, now_s: float) -> bool:
        if self.level is Level.ARMED:
            self.level, self.reason = Level.HELD, reason
            self._held_since_s = self._tripped_s = now_s
            return True
        self._tripped_s = now_s
        return False

    def step(self, now_s: float, *, neutral_for_s: float) -> None:
        """Lets a hold end, or latches it; call once a control period after the faults of that period.

        `neutral_for_s`: how long the input has been healthy and neutral without a break.
        """
        if self.level is not Level.HELD:
            return
        self._tripped_s, self._held_since_s = min(self._tripped_s, now_s), min(self._held_since_s, now_s)
        quiet_s = now_s - self._tripped_s
        if quiet_s <= 0 and now_s - self._held_since_s >= HOLD_TO_LATCH_S:
            self.level, self.reason = Level.LATCHED, f"{self.reason} for {HOLD_TO_LATCH_S:g} s"
        elif quiet_s > 0 and min(quiet_s, neutral_for_s) >= self._neutral_s:
            self.level, self.reason = Level.ARMED, ""
        elif quiet_s > 0:
            self._held_since_s = now_s  # the fault is over, the input is not neutral yet: waiting is no fault

    def reset(self, obstacles: tuple[str, ...] = ()) -> None:
        """Back to disarmed. Raises RobotError naming what stands in the way, `obstacles` first."""
        if obstacles:
            raise RobotError(f"cannot reset: {'; '.join(obstacles)}")
        if self.level is Level.RECREATE:
            raise RobotError(f"cannot reset: {self.reason}; the connection is not back yet, wait for it")
        if self.level is Level.OPERATOR:
            raise RobotError(f"cannot reset: {self.reason}; act at the robot, call recover, then reset again")
        self.disarm(force=True)

    def cleared(self, level: Level) -> None:
        """What the operator or the new connection had to do is done: `level` becomes latched, never less."""
        if self.level is level and level in (Level.OPERATOR, Level.RECREATE):
            self.level = Level.LATCHED

    def arm(self, obstacles: tuple[str, ...] = ()) -> None:
        """Disarmed to armed. Raises RobotError naming what stands in the way."""
        if self.is_latched:
            raise RobotError(f"cannot arm: latched by {self.reason}; call reset_latch first")
        if obstacles:
            raise RobotError(f"cannot arm: {'; '.join(obstacles)}")
        if self.level is Level.DISARMED:
            self.level, self.reason = Level.ARMED, ""

    def disarm(self, *, force: bool = False) -> None:
        """No motion from now on. A latched level stays latched unless `force`, which is for `reset`."""
        if force or not self.is_latched:
            self.level, self.reason = Level.DISARMED, ""
