"""The recorder at work for minutes, for `benchmarks.rig`: jitter of its rows, and rows that were dropped.

Row jitter is how far the time between two cuts is from the period, on the clock of the rows. A row is dropped when the
grid of its episode has it and the dataset has not. It is out of step when a camera's frame or the arm's state was not
there in time; the recorder flags it, and aborts an episode with more than 1 % of them.
"""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from std_srvs.srv import Trigger

from benchmarks.cell import Rig
from world4rl.bringup import Process
from world4rl_core.data.reader import DatasetReader
from world4rl_core.robot.step_columns import audit, cameras_of

EPISODE_S = 60.0
SWING = np.array([0.0, 0.5, 0.0, 0.0, 0.0, 0.0])


def recording(rig: Rig, minutes: float, folder: Path) -> dict[str, Any]:
    """Records for so many minutes of simulation time, in episodes of one, while the hand swings."""
    data = folder / "data"
    limits = {"min_free_gb": 0.5, "longest_s": 2 * EPISODE_S}
    common = {"rig": str(folder / "rig.yaml"), "use_sim_time": True}
    rig.processes["recorder"] = Process("recorder", "recorder", common | limits | {"dataset": str(data)})
    rig.start("recorder")
    rig.get_ready()
    began_s, until_s = time.monotonic(), rig.now_s() + 60 * minutes
    while (left_s := until_s - rig.now_s()) > 1.0:
        if rig.status["level"] not in ("armed", "held"):
            rig.get_ready()  # a machine that stalls for a second has lost its arm, and the episode was aborted
        rig.wait(lambda: rig.call(Trigger, "recorder/start"), "the start of an episode")
        _swing(rig, min(left_s, EPISODE_S))
        rig.call(Trigger, "recorder/stop_failure")
    wall_s = time.monotonic() - began_s
    rig.stop("recorder")
    return {"minutes": minutes, "recording_wall_s": wall_s} | _figures(data)


def _swing(rig: Rig, seconds: float) -> None:
    """Lets go while the arm is held, as a person does."""
    until_s = rig.now_s() + seconds
    while rig.now_s() < until_s and rig.status["level"] in ("armed", "held"):
        is_armed = rig.status["level"] == "armed"
        rig.axes = SWING * math.sin(2 * math.pi * rig.now_s() / 4) if is_armed else np.zeros(6)
        time.sleep(0.02)
    rig.axes = np.zeros(6)


def _figures(data: Path) -> dict[str, Any]:
    """What the rows of the dataset say."""
    episodes = list(DatasetReader(data).episodes())
    columns = [{key: np.ravel(values) for key, values in episode.columns.items()} for episode in episodes]
    audits = [audit(one, fps=10) for one in columns]
    jitter_s = np.concatenate([np.abs(np.diff(one["time.lateness_s"])) for one in columns])
    due = sum(round((one["time.ros_s"][-1] - one["time.ros_s"][0]) * 10) + 1 for one in columns)
    rows = sum(one.rows for one in audits)
    return {
        "rows": rows,
        "dropped_rows": due - rows,
        "out_of_step_rows": sum(one.unsynced for one in audits),
        "duplicate_frames": sum(one.cameras[name].duplicates for one in audits for name in cameras_of(columns[0])),
        "aborted_episodes": sum(episode.outcome.startswith("aborted") for episode in episodes),
        "row_jitter_p50_ms": 1e3 * float(np.quantile(jitter_s, 0.5)),
        "row_jitter_p99_ms": 1e3 * float(np.quantile(jitter_s, 0.99)),
    }
