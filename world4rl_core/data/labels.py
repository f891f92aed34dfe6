"""What an episode's rows and metadata say about its task and outcome, also when another program recorded it."""

from typing import Any

import numpy as np
import pyarrow as pa

from world4rl_core.data.columns import vector
from world4rl_core.data.episode import SOURCES
from world4rl_core.data.records import Record

NO_TASK = "(no task)"
FOREIGN_SOURCE = "human"  # what lerobot records is teleoperated


def outcome_arrays(table: pa.Table) -> dict[str, np.ndarray]:
    """`next_reward` float32 and `next_success` bool, (rows,); zeros where the dataset has none, last row repeated."""
    reward = _scalar(table, "next.reward", np.float32)
    success = _scalar(table, "next.success", np.bool_)
    if len(reward) > 1:
        reward[-1], success[-1] = reward[-2], success[-2]
    return {"next_reward": reward, "next_success": success}


def labels(table: pa.Table, record: Record, tasks: list[str]) -> dict[str, Any]:
    """Ending, task, source, seed, outcome and note, as Episode takes them.

    Without our own columns: the source is human, an episode is terminated when it is done and succeeded and truncated
    otherwise, and its outcome is unknown unless success is labelled.
    """
    succeeded = bool(_scalar(table, "next.success", np.bool_)[:-1].any())
    if "next.terminated" in table.column_names:
        terminated = bool(_scalar(table, "next.terminated", np.bool_)[:-1].any())
        truncated = bool(_scalar(table, "next.truncated", np.bool_)[:-1].any()) and not terminated
    else:
        terminated = succeeded and bool(_scalar(table, "next.done", np.bool_).any())
        truncated = not terminated
    outcome = "success" if succeeded else "failure" if "next.success" in table.column_names else "unknown"
    return {
        "terminated": terminated,
        "truncated": truncated,
        "task": _task(table, record, tasks),
        "source": record.source if record.source in SOURCES else FOREIGN_SOURCE,
        "seed": record.seed,
        "outcome": record.outcome or outcome,
        "note": record.note,
    }


def _scalar(table: pa.Table, key: str, dtype: type[np.generic]) -> np.ndarray:
    if key not in table.column_names:
        return np.zeros(table.num_rows, dtype=dtype)
    return vector(table, key, dtype)[:, 0].copy()


def _task(table: pa.Table, record: Record, tasks: list[str]) -> str:
    if "task_index" in table.column_names:
        index = int(vector(table, "task_index", np.int64)[0, 0])
        if 0 <= index < len(tasks) and tasks[index]:
            return tasks[index]
    return next((task for task in record.tasks if task), NO_TASK)
