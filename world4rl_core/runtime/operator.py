"""The scripted operator: what a person with a SpaceMouse does to record episodes, as axes and buttons over time.

It sees what a person sees: the expert's wish for the arm, the recorder's and the arm's state, and whether the task is
solved. It says what the hand does; how that reaches the teleop node is the device's business.
"""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from world4rl_core.geometry import twist_in_base, twist_in_ee
from world4rl_core.rig import Rig
from world4rl_core.runtime.action import twist_of_action

SHORT_PRESS_S = 0.2
LONG_PRESS_S = 1.3
PAUSE_S = 0.6
"""Hand off before a press that arms or moves the arm: longer than a rig's usual `neutral_s`."""
PATIENCE_S = 8.0
"""After which an act without effect is repeated."""


class Act(Enum):
    """What the operator is at."""

    HOME = "sends the arm home"
    RESET = "arranges the scene"
    START = "starts the recording"
    DRIVE = "drives"
    STOP = "stops the recording"


_PAUSES_S = {Act.HOME: PAUSE_S, Act.RESET: 0.0, Act.START: PAUSE_S, Act.DRIVE: 0.0, Act.STOP: 0.1}


@dataclass(frozen=True, eq=False)
class View:
    """What the operator sees now."""

    is_recording: bool
    is_home: bool
    """The arm stands at its start pose."""
    is_arranged: bool
    """The scene was reset since it was last asked for."""
    is_solved: bool
    gripper: float
    """What the gripper was last asked to be: +1 open, -1 closed."""
    is_held: bool
    """The arm stands until the hand lets go."""
    is_latched: bool
    """The arm needs its latch reset."""
    quat_xyzw: np.ndarray  # (4,) of the end effector
    action: np.ndarray | None = None  # (7,) the expert's wish, while driving


@dataclass(frozen=True, eq=False)
class Hand:
    """What the hand does now."""

    axes: np.ndarray = field(default_factory=lambda: np.zeros(6))
    buttons: tuple[bool, bool] = (False, False)  # left, right
    wants_reset: bool = False
    """Arrange the scene anew: the operator's other hand."""
    wants_unlatch: bool = False
    """Clear errors and reset the latch, as a person does after having looked."""


class ScriptedOperator:
    """Home, reset, start, drive until solved or too late, stop, and again. Its hand is off between two acts."""

    def __init__(self, rig: Rig, *, horizon_s: float, drives: bool = True) -> None:
        """`horizon_s`: driving longer is a failure. `drives=False` leaves the arm to a policy or the explorer."""
        self._rig = rig
        self._horizon_s = horizon_s
        self._drives = drives
        self.act = Act.HOME
        self._since_s: float | None = None
        self._gripper_pressed_s = -np.inf

    def step(self, view: View, now_s: float) -> Hand:
        if self._since_s is None:
            self._since_s = now_s
        if self._is_done(view, now_s - self._since_s):
            self._go_on(view, now_s)
        passed_s = now_s - self._since_s - _PAUSES_S[self.act]
        if passed_s < 0 or view.is_latched:
            return Hand(wants_unlatch=view.is_latched)
        if self.act is Act.DRIVE:
            return self._drive(view, now_s)
        if self.act is Act.RESET:
            return Hand(wants_reset=True)
        is_long = self.act is Act.HOME or self._gives_up(view)
        is_pressed = passed_s < (LONG_PRESS_S if is_long else SHORT_PRESS_S)
        return Hand(buttons=(is_pressed, False) if self.act is Act.HOME else (False, is_pressed))

    def _gives_up(self, view: View) -> bool:
        return self.act is Act.STOP and not view.is_solved

    def _is_done(self, view: View, passed_s: float) -> bool:
        """The act had its effect, the recording was ended by another, or patience is over."""
        effects = {
            Act.HOME: view.is_home and passed_s > PAUSE_S + LONG_PRESS_S,
            Act.RESET: view.is_arranged,
            Act.START: view.is_recording,
            Act.DRIVE: view.is_solved or passed_s > self._horizon_s or not view.is_recording,
            Act.STOP: not view.is_recording,
        }
        return effects[self.act] or (self.act is not Act.DRIVE and passed_s > PAUSE_S + LONG_PRESS_S + PATIENCE_S)

    def _go_on(self, view: View, now_s: float) -> None:
        """The next act; after an act in vain, the one that makes sense where things stand."""
        following = {
            Act.HOME: Act.RESET if view.is_home else Act.HOME,
            Act.RESET: Act.START if view.is_arranged else Act.RESET,
            Act.START: Act.DRIVE if view.is_recording else Act.HOME,
            Act.DRIVE: Act.STOP if view.is_recording else Act.HOME,
            Act.STOP: Act.STOP if view.is_recording else Act.HOME,
        }
        self.act, self._since_s = following[self.act], now_s

    def _drive(self, view: View, now_s: float) -> Hand:
        if not self._drives or view.action is None or view.is_held:
            return Hand()
        passed_s = now_s - self._gripper_pressed_s
        is_pressed = 0 <= passed_s < SHORT_PRESS_S
        if passed_s > PAUSE_S and view.action[6] * view.gripper < 0:
            self._gripper_pressed_s, is_pressed = now_s, True
        return Hand(axes=axes_of_action(view.action, self._rig, quat_xyzw=view.quat_xyzw), buttons=(is_pressed, False))


def axes_of_action(action: np.ndarray, rig: Rig, *, quat_xyzw: np.ndarray) -> np.ndarray:
    """The axes (6,) that make teleop ask for what `action` (7,) means, as far as the puck goes.

    The inverse of deadband and scale; both the rig's actions and its teleop may be along the base or the gripper.
    """
    twist, teleop = twist_of_action(action, rig), rig.teleop
    if rig.action.frame == "base" and teleop.frame == "ee":
        twist = twist_in_ee(twist, quat_xyzw)
    if rig.action.frame == "ee" and teleop.frame == "base":
        twist = twist_in_base(twist, quat_xyzw)
    wanted = np.clip(twist / np.repeat([teleop.linear_mps, teleop.angular_radps], 3), -1.0, 1.0)
    return np.sign(wanted) * np.where(wanted == 0, 0.0, teleop.deadband + (1 - teleop.deadband) * np.abs(wanted))
