"""Bring a dataset folder back to a state that can be written to, after a crash or a foreign hand."""

import json
from pathlib import Path
from typing import Any

from world4rl_core.data.layout import STATS, file_paths, read_info, video_keys
from world4rl_core.data.records import (
    metadata_files,
    read_metadata_rows,
    read_metadata_stats,
    read_table,
    read_tasks,
    to_record,
)
from world4rl_core.data.staging import Stage, complete_or_quarantine, quarantine
from world4rl_core.data.stats import Stats, from_json, merge_all, to_json
from world4rl_core.data.video import count_frames
from world4rl_core.errors import DataError


def repair(root: Path) -> list[str]:
    """Count every episode whose files are complete and quarantine the rest; returns one line for each.

    Raises DataError when another program wrote the dataset, since its files may hold many episodes.
    """
    _check_is_ours(root)
    lines = complete_or_quarantine(root)
    while True:
        info = read_info(root)
        index = info["total_episodes"]
        present = [path for path in file_paths(index, video_keys(info["features"])) if (root / path).exists()]
        if not present:
            return lines
        try:
            _count_next(root, info)
            lines.append(f"episode-{index:06d}: was complete but not counted in info.json, is now counted")
        except DataError as error:
            lines.append(quarantine(root, f"episode-{index:06d}", present, reason=str(error)))


def read_stats(root: Path, info: dict[str, Any]) -> dict[str, Stats]:
    """meta/stats.json, or the same from meta/episodes when it is missing, damaged or of another length."""
    try:
        stats = from_json(json.loads((root / STATS).read_text()))
        if int(stats["index"]["count"][0]) == info["total_frames"]:
            return stats
    except (OSError, ValueError, KeyError, AttributeError, IndexError):
        pass
    return aggregate(root, info["total_episodes"])


def aggregate(root: Path, episodes: int) -> dict[str, Stats]:
    """Statistics over the first `episodes` episodes, from meta/episodes."""
    total: dict[str, Stats] = {}
    parts = (part for path in metadata_files(root) for part in read_metadata_stats(path))
    for _, part in zip(range(episodes), parts, strict=False):
        total = merge_all(total, part)
    return total


def _check_is_ours(root: Path) -> None:
    info = read_info(root)
    features, episodes = info["features"], info["total_episodes"]
    if not features and not episodes:
        return
    last = file_paths(episodes - 1, [])[-1] if episodes else None
    if "action.requested" not in features or (last is not None and not (root / last).exists()):
        raise DataError(
            f"{root}: another program wrote this dataset, it can be read but not continued; use a new folder"
        )


def _count_next(root: Path, info: dict[str, Any]) -> None:
    """Check the files of the first uncounted episode and commit an info.json that counts it."""
    index, keys = info["total_episodes"], video_keys(info["features"])
    *videos, data_path, metadata_path = file_paths(index, keys)
    missing = [str(path) for path in (*videos, data_path, metadata_path) if not (root / path).exists()]
    if missing:
        raise DataError(f"the episode is not in info.json and lacks {', '.join(missing)}")
    rows = read_metadata_rows(root / metadata_path)
    record = to_record(rows[0], info, metadata_path) if len(rows) == 1 else None
    if record is None or record.index != index or record.first_row != info["total_frames"]:
        raise DataError(f"the metadata is not that of episode {index}")
    if read_table(root / data_path, ["index"]).num_rows != record.length:
        raise DataError(f"the data file does not hold the {record.length} rows the metadata states")
    for path in videos:
        if count_frames(root / path) != record.length:
            raise DataError(f"{path} does not hold {record.length} frames")
    if not set(record.tasks) <= set(read_tasks(root)):
        raise DataError(f"the task {record.tasks} is not in meta/tasks.parquet")
    counted = info | {
        "total_episodes": index + 1,
        "total_frames": info["total_frames"] + record.length,
        "splits": {"train": f"0:{index + 1}"},
    }
    stage = Stage(root, f"count-{index:06d}")
    stage.path(STATS).write_text(json.dumps(to_json(aggregate(root, index + 1))) + "\n")
    stage.seal(counted)
    stage.commit()
