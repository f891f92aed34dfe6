"""Recorded steps of a robot as an Episode: the bridge from the recorder to the dataset."""

from collections.abc import Sequence

import numpy as np

from world4rl_core.data.episode import Episode
from world4rl_core.errors import DataError
from world4rl_core.robot.step import Step, proprioception
from world4rl_core.robot.step_columns import columns_of


def to_episode(
    steps: Sequence[Step], *, task: str, source: str, outcome: str, seed: int = 0, note: str = ""
) -> Episode:
    """N steps as N rows: N - 1 actions and the last observation. `source`: human | policy | random | expert.

    A success ends in a successful, terminal step; any other outcome is a truncation. Raises DataError below two steps.
    """
    if len(steps) < 2:
        raise DataError(f"an episode needs at least 2 rows, got {len(steps)}")
    rows = len(steps)
    is_success = outcome == "success"
    next_success = np.zeros(rows, dtype=bool)
    next_success[-2:] = is_success
    action, requested = (_actions([getattr(step, name) for step in steps]) for name in ("applied", "requested"))
    return Episode(
        images={
            camera: np.stack([step.cameras[camera].image for step in steps]) for camera in sorted(steps[0].cameras)
        },
        state=np.stack([_state(step) for step in steps]),
        action=action,
        requested=requested,
        next_reward=next_success.astype(np.float32),
        next_success=next_success,
        terminated=is_success,
        truncated=not is_success,
        task=task,
        source=source,
        seed=seed,
        outcome=outcome,
        note=note,
        columns=columns_of(steps),
    )


def _actions(actions: Sequence[np.ndarray]) -> np.ndarray:
    stacked = np.stack(actions).astype(np.float32)
    stacked[-1] = 0
    return stacked


def _state(step: Step) -> np.ndarray:
    state = step.state
    return proprioception(state.position_m, state.quat_xyzw, width_m=step.gripper.width_m, q=state.q)
