"""What a robot's recorder promises about time, checked on the columns it wrote."""

import numpy as np

from world4rl_core.data.episode import ABORTED
from world4rl_core.data.reader import DatasetReader
from world4rl_core.robot.step_columns import CAMERA_COLUMNS, CAMERA_PREFIX, ROW_COLUMNS, audit, cameras_of


def is_robot_recording(reader: DatasetReader) -> bool:
    """The dataset has the columns of a recorder of this project."""
    return all(key in reader.features for key in ROW_COLUMNS)


def recording_problems(reader: DatasetReader, index: int, columns: dict[str, np.ndarray]) -> list[str]:
    """Promises that the rows of one episode break; none for other datasets, nor for an episode labelled aborted."""
    if not is_robot_recording(reader):
        return []
    cameras = cameras_of(columns)
    found = [f"camera {name} has images but no stamps" for name in sorted(set(reader.cameras) - set(cameras))]
    lacking = [
        f"'{CAMERA_PREFIX}{name}.{what}' is missing"
        for name in cameras
        for what in CAMERA_COLUMNS
        if f"{CAMERA_PREFIX}{name}.{what}" not in columns
    ]
    outcome = reader.records[index].outcome or ""
    if found or lacking or outcome.startswith(ABORTED):
        return [*found, *lacking]
    return list(audit(columns, fps=reader.fps).problems)
