"""Driving a dream live: a hand on the keyboard or on a SpaceMouse, the world model's answer in a window.

Without a display the dream is driven all the same, and seen afterwards in its film.
"""

import contextlib
import logging
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import ConfigError, RobotError
from world4rl_core.evaluation.video import Film
from world4rl_core.imagination.replay import unroll
from world4rl_core.imagination.starts import StartBatch, Starts
from world4rl_core.robot.interface import TeleopDevice
from world4rl_core.runtime.teleop import ButtonEvent, Buttons, deadband
from world4rl_core.world_model.model import WorldModel

logger = logging.getLogger(__name__)
KEYS = {"w": (0, 1.0), "s": (0, -1.0), "a": (1, 1.0), "d": (1, -1.0), "q": (2, 1.0), "e": (2, -1.0)}
GRIPPER = {"o": 1.0, "c": -1.0}
STILL, END = ".", "x"
DEVICES = "world4rl.teleop_devices"
"""Entry points of other packages: functions from a device's path, or nothing, to a TeleopDevice."""
DEADBAND = 0.08


@runtime_checkable
class Hand(Protocol):
    """What drives a dream."""

    def act(self, key: str) -> Float[np.ndarray, " action_dim"] | None:
        """The action of the coming step, and None at the end. `key`: pressed in the window since the last step."""
        ...


class Keyboard:
    """The newest of the keys pressed since the last step; the gripper keeps what its last key said, open at first."""

    def __init__(self, *, action_dim: int, speed: float, pressed: Callable[[], str]) -> None:
        self._dim, self._speed, self._pressed = action_dim, speed, pressed
        self._gripper = 1.0

    def act(self, key: str = "") -> Float[np.ndarray, " action_dim"] | None:
        keys = self._pressed() + key
        if END in keys:
            return None
        action = np.zeros(self._dim, np.float32)
        for one in keys:
            self._gripper = GRIPPER.get(one, self._gripper)
        moves = [one for one in keys if one in KEYS]
        if moves:
            axis, sign = KEYS[moves[-1]]
            action[axis] = sign * self._speed
        action[-1] = self._gripper
        return action


class Puck:
    """A SpaceMouse: its six axes are the motion, the left button toggles the gripper, the right one ends the dream."""

    def __init__(self, device: TeleopDevice, *, action_dim: int, speed: float) -> None:
        self._device, self._dim, self._speed = device, action_dim, speed
        self._buttons, self._gripper = Buttons(), 1.0

    def act(self, key: str = "") -> Float[np.ndarray, " action_dim"] | None:
        """Raises RobotError once the device is gone."""
        reading = self._device.read()
        if not reading.is_connected:
            raise RobotError(
                "no SpaceMouse answers; plug it in (`world4rl doctor` looks for it), or use --live keyboard"
            )
        events = self._buttons.step(reading.buttons, time.monotonic())
        if {ButtonEvent.START_OR_SUCCESS, ButtonEvent.FAILURE} & set(events) or key == END:
            return None
        if ButtonEvent.TOGGLE_GRIPPER in events:
            self._gripper = -self._gripper
        action = np.zeros(self._dim, np.float32)
        axes = deadband(reading.axes, DEADBAND)[: self._dim - 1]
        action[: len(axes)] = axes * self._speed
        action[-1] = self._gripper
        return action


def spacemouse(path: str) -> TeleopDevice:
    """The SpaceMouse at `path`, or the first one found. Raises ConfigError without the robot's package."""
    found = [entry for entry in metadata.entry_points(group=DEVICES) if entry.name == "spacemouse"]
    if not found:
        raise ConfigError("a SpaceMouse needs the robot's package: pip install -e ros2_ws/src/world4rl")
    return found[0].load()(path)


@contextlib.contextmanager
def terminal_keys() -> Iterator[Callable[[], str]]:
    """Reads the keys pressed in this terminal since the last time. Raises ConfigError where there is no terminal."""
    if not sys.stdin.isatty():
        raise ConfigError("--live keyboard needs a terminal to press keys in; or type them all: --keys wwaaqq")
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield lambda: os.read(sys.stdin.fileno(), 1024).decode(errors="ignore") if _is_ready() else ""
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _is_ready() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def start_of(
    model: WorldModel, cache: FrameCache, episode: int, device: object
) -> tuple[StartBatch, UInt8[np.ndarray, "height width 3"]]:
    """The episode's first moment as the world model wants it, and its frame."""
    first = cache.starts[[episode]]
    starts = Starts(cache, np.array([episode]), history=model.history, first_frame=model.first_frame, horizon=2)
    begin = starts.at(first, np.zeros(1, dtype=np.int64), device=str(device))
    return begin, np.asarray(cache.frames[first[0]])


def live(
    model: WorldModel, cache: FrameCache, episode: int, hand: Hand, show: Callable[[np.ndarray], str],
    *, steps: int, seed: int, device: object = "cpu", period_s: float | None = None,
) -> Film:  # fmt: skip
    """The frames of a dream from the episode's first frame, which `hand` drives for at most `steps` steps.

    A step lasts `period_s` (default: as recorded), longer where the model needs longer. Ctrl-C, and a device that is
    lost on the way, end the dream as the hand does.
    """
    period_s = 1 / cache.fps if period_s is None else period_s
    begin, first = start_of(model, cache, episode, device)
    frames = [first]

    def actions() -> Iterator[np.ndarray]:
        due_s = time.monotonic()
        for _ in range(steps):
            key = show(frames[-1])
            due_s = max(due_s + period_s, time.monotonic())
            time.sleep(max(0.0, due_s - time.monotonic()))
            if (action := hand.act(key)) is None:
                return
            yield action[None]

    try:
        for images in unroll(model.eval(), begin, actions(), seed=seed):
            frames.append(images[0])
    except (RobotError, KeyboardInterrupt) as error:
        if len(frames) == 1:
            raise
        logger.warning("the dream has ended: %s", error or "interrupted")
    return np.stack(frames)
