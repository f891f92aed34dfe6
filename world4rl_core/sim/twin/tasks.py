"""The six tasks of the twin: what stands where, and when each is solved, both on the simulator's state alone."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from world4rl_core.errors import ConfigError
from world4rl_core.sim.twin.scene import TCP_SITE

FIXTURES = ("button", "cabinet", "toaster", "rack")
LOOSE = {"apple": 0.032, "bread": 0.045}
"""Objects that move freely, and the height of their centre above what they stand on, in m."""
JOINTS = ("button_slide", "drawer_slide")
_PARKED_Z_M = -5.0

Place = tuple[float, float, float]


@dataclass(frozen=True)
class Task:
    """One task. `reset` arranges the objects and leaves the arm alone; `is_success` judges the state as it is now."""

    name: str
    instruction: str
    fixtures: dict[str, Place]
    """Where each fixture stands in the fixed scene, in m."""
    succeeded: Callable[[Any, Any], bool]
    loose: dict[str, Place | str] = field(default_factory=dict)
    """Free object → where its centre is in the fixed scene, or the site of a fixture on which it stands."""
    joints: dict[str, float] = field(default_factory=dict)
    """Slides that do not start at 0, in m."""
    horizon: int = 50
    """Control steps at 10 Hz after which an episode is truncated."""

    def reset(self, model: Any, data: Any, rng: np.random.Generator, spread_m: float) -> None:
        """Arranges the task's objects, each moved by up to ±`spread_m` in x and y (0: the fixed scene), at rest.

        Everything else is parked out of sight. Writes mocap poses, qpos and qvel of the objects, never of the arm;
        a real-time server may call it between two steps. Raises ConfigError for a negative or non-finite spread.
        """
        if not 0 <= spread_m < np.inf:
            raise ConfigError(f"spread must be a distance >= 0 in m, got {spread_m}")
        for number, name in enumerate(FIXTURES):
            parked = (-1.5 + number, 1.5, _PARKED_Z_M)
            _move_fixture(
                model, data, name, _jittered(self.fixtures[name], rng, spread_m) if name in self.fixtures else parked
            )
        for name in JOINTS:
            _set_joint(model, data, name, [self.joints.get(name, 0.0)])
        for number, name in enumerate(LOOSE):
            _set_joint(model, data, name, [*self._place(model, data, name, number, rng, spread_m), 1.0, 0.0, 0.0, 0.0])
        data.qacc_warmstart[:] = 0.0

    def is_success(self, model: Any, data: Any) -> bool:
        """Whether the task is solved now; a moment later it may no longer be, so a judge keeps the first True."""
        return bool(self.succeeded(model, data))

    def _place(
        self, model: Any, data: Any, name: str, number: int, rng: np.random.Generator, spread_m: float
    ) -> np.ndarray:
        place = self.loose.get(name, (number * 0.5, 0.0, _PARKED_Z_M + LOOSE[name]))
        if name not in self.loose:
            return np.array(place)
        if not isinstance(place, str):
            return _jittered(place, rng, spread_m)
        fixture = model.body(model.site(place).bodyid[0])
        return data.mocap_pos[fixture.mocapid[0]] + model.site(place).pos + [0.0, 0.0, LOOSE[name]]


def _jittered(place: Place, rng: np.random.Generator, spread_m: float) -> np.ndarray:
    return np.array(place) + [*rng.uniform(-spread_m, spread_m, 2), 0.0]


def _move_fixture(model: Any, data: Any, name: str, position: Any) -> None:
    mocap = model.body(name).mocapid[0]
    data.mocap_pos[mocap] = position
    data.mocap_quat[mocap] = (1.0, 0.0, 0.0, 0.0)


def _set_joint(model: Any, data: Any, name: str, values: list[float]) -> None:
    joint = model.joint(name)
    start, dof = joint.qposadr[0], joint.dofadr[0]
    data.qpos[start : start + len(values)] = values
    data.qvel[dof : dof + (6 if len(values) == 7 else 1)] = 0.0


def button_travel_m(model: Any, data: Any) -> float:
    """How far the button is pressed, 0 to 0.02."""
    return float(data.joint("button_slide").qpos[0])


def drawer_opening_m(model: Any, data: Any) -> float:
    """How far the drawer is open, 0 to 0.15."""
    return float(data.joint("drawer_slide").qpos[0])


def _is_held(model: Any, data: Any, name: str, *, higher_than_m: float) -> bool:
    """The object hangs between the fingertips, higher than this."""
    position = data.body(name).xpos
    return bool(position[2] > higher_than_m and np.linalg.norm(position - data.site(TCP_SITE).xpos) < 0.06)


def _is_in_slot(model: Any, data: Any) -> bool:
    """The bread stands on the slot's floor, upright, wherever the toaster is."""
    offset = data.body("bread").xpos - data.site("slot").xpos
    upright = data.body("bread").xmat[8]
    return bool(np.abs(offset[0]) < 0.02 and np.abs(offset[1]) < 0.012 and offset[2] < 0.052 and upright > 0.97)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "press_button",
            "press the red button",
            {"button": (0.52, 0.0, 0.0)},
            lambda model, data: button_travel_m(model, data) > 0.014,
            horizon=30,
        ),
        Task(
            "close_drawer",
            "close the drawer",
            {"cabinet": (0.52, 0.18, 0.0)},
            lambda model, data: drawer_opening_m(model, data) < 0.008,
            joints={"drawer_slide": 0.12},
            horizon=35,
        ),
        Task(
            "open_drawer",
            "open the drawer",
            {"cabinet": (0.52, 0.18, 0.0)},
            lambda model, data: drawer_opening_m(model, data) > 0.1,
            horizon=45,
        ),
        Task(
            "pick_apple",
            "pick up the apple",
            {},
            lambda model, data: _is_held(model, data, "apple", higher_than_m=0.12),
            loose={"apple": (0.52, 0.0, LOOSE["apple"])},
            horizon=40,
        ),
        Task(
            "pick_bread_out",
            "take the bread out of the toaster",
            {"toaster": (0.52, 0.06, 0.0)},
            lambda model, data: _is_held(model, data, "bread", higher_than_m=0.19),
            loose={"bread": "slot"},
            horizon=40,
        ),
        Task(
            "put_bread_in",
            "put the bread into the toaster",
            {"toaster": (0.52, 0.1, 0.0), "rack": (0.5, -0.12, 0.0)},
            _is_in_slot,
            loose={"bread": "rack"},
            horizon=70,
        ),
    )
}


def find_task(name: str) -> Task:
    """The task of this name; raises ConfigError, with the valid names, for an unknown one."""
    if name in TASKS:
        return TASKS[name]
    near = difflib.get_close_matches(name, TASKS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"unknown task {name!r} of the twin; {hint}Valid tasks: {', '.join(TASKS)}")
