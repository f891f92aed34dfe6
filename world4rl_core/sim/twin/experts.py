"""Scripted experts: a few waypoints for each task, followed on the simulator's state."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from world4rl_core.rig import ActionRig
from world4rl_core.sim.twin.scene import TCP_SITE
from world4rl_core.sim.twin.tasks import find_task

OPEN, CLOSED = 1.0, -1.0

Where = Callable[[Any], np.ndarray]


@dataclass(frozen=True)
class Waypoint:
    """Go where `where` says (TCP in base, m), with this gripper state; done within `near_m`, after `wait_s` there.

    A waypoint that is not reached within `patience_s` is left, so that an expert never waits for ever.
    """

    where: Where
    gripper: float
    near_m: float = 0.01
    wait_s: float = 0.0
    speed: float = 0.7
    """Share of the fastest action."""
    patience_s: float = 4.0


class Expert:
    """Follows waypoints in closed loop, at any rate of calls: time is the simulator's. One expert plays one episode."""

    def __init__(self, waypoints: tuple[Waypoint, ...], action: ActionRig) -> None:
        self._waypoints, self._action = waypoints, action
        self._number = 0
        self._goal: np.ndarray | None = None
        self._since_s = self._near_since_s = 0.0

    def __call__(self, model: Any, data: Any) -> Float[np.ndarray, "7"]:
        """The action (7,) in [-1, 1] for the state in `data`."""
        tcp_m = data.site(TCP_SITE).xpos
        waypoint = self._current(data, tcp_m)
        assert self._goal is not None
        step = np.clip((self._goal - tcp_m) / self._action.translation_m, -1e3, 1e3)
        largest = max(1.0, float(np.abs(step).max()))
        turn = -_rotation_error(data.site(TCP_SITE).xmat.reshape(3, 3)) / self._action.rotation_rad
        action = np.concatenate([step / largest * waypoint.speed, np.clip(turn, -1.0, 1.0), [waypoint.gripper]])
        return action.astype(np.float32)

    def _current(self, data: Any, tcp_m: np.ndarray) -> Waypoint:
        """The waypoint to go to; moves on when the last one is done."""
        while True:
            waypoint = self._waypoints[self._number]
            if self._goal is None:
                self._goal, self._since_s, self._near_since_s = waypoint.where(data), data.time, np.inf
            if np.linalg.norm(self._goal - tcp_m) < waypoint.near_m:
                self._near_since_s = min(self._near_since_s, data.time)
            waited = data.time - self._near_since_s >= waypoint.wait_s
            late = data.time - self._since_s > waypoint.patience_s
            if self._number == len(self._waypoints) - 1 or not (waited or late):
                return waypoint
            self._number, self._goal = self._number + 1, None


def expert(task: str, *, action: ActionRig | None = None) -> Expert:
    """A fresh expert for one episode; `action` is the rig's scale. Raises ConfigError for an unknown task."""
    return Expert(_SCRIPTS[find_task(task).name], action or ActionRig())


def _rotation_error(R_base_tcp: np.ndarray) -> np.ndarray:
    """Rotation vector, for small angles, from straight down and square to the table to where the gripper is."""
    straight = np.diag([1.0, -1.0, -1.0])
    return 0.5 * np.cross(straight.T, R_base_tcp.T).sum(axis=0)


def _at(name: str, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Where:
    """A point beside a body, in m."""
    return lambda data: data.body(name).xpos + [x, y, z]


def _site(name: str, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Where:
    return lambda data: data.site(name).xpos + [x, y, z]


def _here(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Where:
    """A point beside where the gripper is when the waypoint begins."""
    return lambda data: data.site(TCP_SITE).xpos + [x, y, z]


def _bread_over_slot(z: float) -> Where:
    """Where the gripper must be for the bread it holds to be centred over the slot, its centre `z` above the floor."""
    return lambda data: data.site("slot").xpos + [0.0, 0.0, z] + (data.site(TCP_SITE).xpos - data.body("bread").xpos)


_SCRIPTS: dict[str, tuple[Waypoint, ...]] = {
    "press_button": (
        Waypoint(_at("button", z=0.10), CLOSED, near_m=0.015),
        Waypoint(_at("button", z=0.035), CLOSED),
    ),
    "close_drawer": (
        Waypoint(_site("handle", y=-0.06, z=0.08), CLOSED, near_m=0.03),
        Waypoint(_site("handle", y=-0.05, z=0.005), CLOSED, near_m=0.012),
        Waypoint(_at("cabinet", y=-0.17, z=0.065), CLOSED),
    ),
    "open_drawer": (
        Waypoint(_site("handle", z=0.07), OPEN, near_m=0.012),
        Waypoint(_site("handle", z=0.003), OPEN, near_m=0.006),
        Waypoint(_site("handle", z=0.003), CLOSED, wait_s=0.6, near_m=0.02),
        Waypoint(_here(y=-0.14), CLOSED),
    ),
    "pick_apple": (
        Waypoint(_at("apple", z=0.08), OPEN, near_m=0.012),
        Waypoint(_at("apple", z=0.002), OPEN, near_m=0.006),
        Waypoint(_here(), CLOSED, wait_s=0.3, near_m=0.02),
        Waypoint(_here(z=0.15), CLOSED),
    ),
    "pick_bread_out": (
        Waypoint(_at("bread", z=0.1), OPEN, near_m=0.01),
        Waypoint(_at("bread", z=0.034), OPEN, near_m=0.006),
        Waypoint(_here(), CLOSED, wait_s=0.8, near_m=0.02),
        Waypoint(_here(z=0.16), CLOSED),
    ),
    "put_bread_in": (
        Waypoint(_at("bread", z=0.1), OPEN, near_m=0.01),
        Waypoint(_at("bread", z=0.034), OPEN, near_m=0.006),
        Waypoint(_here(), CLOSED, wait_s=0.8, near_m=0.02),
        Waypoint(_here(z=0.13), CLOSED, near_m=0.02),
        Waypoint(_bread_over_slot(0.125), CLOSED, near_m=0.006),
        Waypoint(_bread_over_slot(0.062), CLOSED, near_m=0.006, speed=0.5),
        Waypoint(_here(), OPEN, wait_s=0.6, near_m=0.02),
        Waypoint(_here(z=0.1), OPEN),
    ),
}
