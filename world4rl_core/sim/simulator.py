"""What recording and judging need of a simulator, whichever it is."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

Observation = dict[str, np.ndarray]


@runtime_checkable
class Environment(Protocol):
    """A gymnasium environment with an expert. `reset` and `step` answer as gymnasium's; `info["success"]` is a bool."""

    def reset(self, *, seed: int | None = None) -> tuple[Observation, dict[str, Any]]: ...

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]: ...

    def expert_action(self) -> np.ndarray:
        """What the scripted expert does now; in [-1, 1]."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Simulator(Protocol):
    """The configuration of one task: picklable, comparable, and able to make its environment."""

    @property
    def robot(self) -> str:
        """Name for messages and datasets."""
        ...

    @property
    def task(self) -> str: ...

    @property
    def action_dim(self) -> int: ...

    @property
    def fps(self) -> int:
        """Control steps per simulated second."""
        ...

    @property
    def horizon_steps(self) -> int:
        """Control steps after which an episode is truncated."""
        ...

    def make(self) -> Environment: ...

    def images(self, observation: Observation) -> dict[str, UInt8[np.ndarray, "_h _w 3"]]:
        """Camera → the picture that is recorded."""
        ...

    def policy_image(self, observation: Observation) -> UInt8[np.ndarray, "h w 3"]:
        """The one picture that a policy acts on."""
        ...
