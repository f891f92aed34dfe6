"""From the operator's hand to a twist, a gripper state and button events.

Buttons: left short toggles the gripper, left held for a second asks for the start pose; right short starts an episode
or ends it as a success, right held for a second ends it as a failure; both together discard it.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from world4rl_core.rig import TeleopRig
from world4rl_core.robot.interface import TeleopReading

POLL_LOST_S = 0.1
LAST_WORDS_S = 0.1  # zero twists are published this long after the device is gone, then silence stops the arm
DRIFT_S = 10.0
DRIFT_LARGEST = 0.4
DRIFT_SPREAD = 0.02
DEBOUNCE_S = 0.05
CHORD_S = 0.15
LONG_PRESS_S = 1.0
LEFT, RIGHT = 0, 1


class ButtonEvent(Enum):
    TOGGLE_GRIPPER = "toggle_gripper"
    START_OR_SUCCESS = "start_or_success"
    FAILURE = "failure"
    HOME = "home"
    DISCARD = "discard"


@dataclass(frozen=True, eq=False)
class TeleopOutput:
    """What the teleop node publishes for one reading."""

    twist: np.ndarray  # (6,) in the axes of `frame`
    frame: str
    gripper: float
    """+1 open, -1 closed: a state, published with every twist."""
    events: tuple[ButtonEvent, ...]
    should_publish: bool
    """False while the device is gone, drifts or was not let go yet: the silence tells the arm."""
    problem: str = ""
    """Why the twist is zero whatever the hand does; empty when all is well."""


class Teleop:
    """One operator's device. The output is zero from the moment the device is gone until it was neutral again."""

    def __init__(self, config: TeleopRig) -> None:
        self._config = config
        self.gripper = 1.0
        self._buttons = Buttons()
        self._drift = Drift()
        self._mute_since_s: float | None = None
        self._neutral_since_s: float | None = None
        self._must_be_neutral = True

    def step(self, reading: TeleopReading, now_s: float) -> TeleopOutput:
        """Call at the publishing rate with the newest reading, also when nothing changed."""
        problem = self._connection_problem(reading, now_s)
        if problem:
            self._must_be_neutral, self._neutral_since_s = True, None
            self._buttons.release_all()
            return self._mute((), now_s, problem)
        axes = deadband(reading.axes, self._config.deadband)
        self._watch_neutral(axes, now_s)
        events = self._buttons.step(reading.buttons, now_s)
        if ButtonEvent.TOGGLE_GRIPPER in events:
            self.gripper = -self.gripper
        if self._must_be_neutral:
            return self._mute(events, now_s, "let go of the device to take the arm again")
        if self._drift.is_drifting(axes, now_s):
            self._must_be_neutral = True
            return self._mute(events, now_s, "the device does not return to zero; re-zero it")
        self._mute_since_s = None
        scale = np.repeat([self._config.linear_mps, self._config.angular_radps], 3)
        return self._output(axes * scale, events, True, "")

    def follow_gripper(self, state: float) -> None:
        """The gripper's state as the arm node reports it: the next toggle starts from there."""
        self.gripper = 1.0 if state > 0 else -1.0

    def _connection_problem(self, reading: TeleopReading, now_s: float) -> str:
        if not reading.is_connected:
            return "the device is unplugged"
        if not now_s - reading.time_s <= POLL_LOST_S:
            return f"the device was not read for {1e3 * POLL_LOST_S:g} ms"
        if reading.axes.shape != (6,) or not np.isfinite(reading.axes).all():
            return "the device sends numbers that are none"
        return ""

    def _mute(self, events: tuple[ButtonEvent, ...], now_s: float, problem: str) -> TeleopOutput:
        """Zero for LAST_WORDS_S, then silence: an arm is neither moved nor armed by a device that is not well."""
        self._mute_since_s = now_s if self._mute_since_s is None else self._mute_since_s
        return self._output(np.zeros(6), events, now_s - self._mute_since_s < LAST_WORDS_S, problem)

    def _watch_neutral(self, axes: np.ndarray, now_s: float) -> None:
        if axes.any():
            self._neutral_since_s = None
        elif self._neutral_since_s is None:
            self._neutral_since_s = now_s
        elif now_s - self._neutral_since_s >= self._config.neutral_s:
            self._must_be_neutral = False

    def _output(
        self, twist: np.ndarray, events: tuple[ButtonEvent, ...], should_publish: bool, problem: str
    ) -> TeleopOutput:
        return TeleopOutput(twist, self._config.frame, self.gripper, events, should_publish, problem)


def deadband(axes: np.ndarray, width: float) -> np.ndarray:
    """Zero within ±width, then straight up to ±1 without a step; values outside [-1, 1] are clipped."""
    size = np.clip((np.abs(axes) - width) / (1 - width), 0, 1)
    return np.sign(axes) * size


class Drift:
    """A puck that nobody touches but that does not come back: small, steady and never zero for DRIFT_S."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._low = np.zeros(6)
        self._high = np.zeros(6)

    def is_drifting(self, axes: np.ndarray, now_s: float) -> bool:
        is_small = bool(axes.any()) and float(np.abs(axes).max()) <= DRIFT_LARGEST
        low, high = np.minimum(self._low, axes), np.maximum(self._high, axes)
        if not is_small or self._since_s is None or float((high - low).max()) > DRIFT_SPREAD:
            self._since_s = now_s if is_small else None
            self._low = self._high = axes.copy()
            return False
        self._low, self._high = low, high
        return now_s - self._since_s >= DRIFT_S


class Buttons:
    """Debounced edges of two buttons as events; a button is whatever it was for DEBOUNCE_S."""

    def __init__(self) -> None:
        self._raw = [False, False]
        self._changed_s = [float("-inf"), float("-inf")]
        self._pressed_s: list[float | None] = [None, None]
        self._is_spent = [False, False]

    def release_all(self) -> None:
        """The device is gone: what was held counts for nothing."""
        self.__init__()

    def step(self, buttons: tuple[bool, ...], now_s: float) -> tuple[ButtonEvent, ...]:
        events: list[ButtonEvent] = []
        for button in (LEFT, RIGHT):
            is_down = len(buttons) > button and bool(buttons[button])
            events += self._edge(button, is_down, now_s)
        events += self._held(now_s)
        return tuple(events)

    def _edge(self, button: int, is_down: bool, now_s: float) -> list[ButtonEvent]:
        if is_down != self._raw[button]:
            self._raw[button], self._changed_s[button] = is_down, now_s
        if now_s - self._changed_s[button] < DEBOUNCE_S:
            return []
        pressed_s = self._pressed_s[button]
        if is_down and pressed_s is None:
            self._pressed_s[button], self._is_spent[button] = self._changed_s[button], False
        elif not is_down and pressed_s is not None:
            self._pressed_s[button] = None
            if not self._is_spent[button]:
                return [ButtonEvent.TOGGLE_GRIPPER if button == LEFT else ButtonEvent.START_OR_SUCCESS]
        return []

    def _held(self, now_s: float) -> list[ButtonEvent]:
        """What a press means before it is released."""
        left_s, right_s = self._pressed_s
        fresh = not any(self._is_spent)
        if left_s is not None and right_s is not None and fresh and abs(left_s - right_s) <= CHORD_S:
            self._is_spent = [True, True]
            return [ButtonEvent.DISCARD]
        events = []
        for button, event in ((LEFT, ButtonEvent.HOME), (RIGHT, ButtonEvent.FAILURE)):
            pressed_s = self._pressed_s[button]
            if pressed_s is not None and not self._is_spent[button] and now_s - pressed_s >= LONG_PRESS_S:
                self._is_spent[button] = True
                events.append(event)
        return events
