"""What meta/ says about each episode: where its rows and videos lie, its task and our own labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from world4rl_core.data.layout import DATA_PATH, TASKS, VIDEO_PATH, video_keys
from world4rl_core.data.stats import Stats, from_json
from world4rl_core.errors import DataError


@dataclass(frozen=True)
class VideoSpan:
    """Where an episode starts inside a video file."""

    path: Path
    start_s: float


@dataclass(frozen=True)
class Record:
    """One row of meta/episodes. Paths are relative to the dataset's root."""

    index: int
    length: int  # rows
    first_row: int  # global index of row 0
    data_path: Path
    videos: dict[str, VideoSpan]  # feature key -> span
    tasks: list[str]
    source: str | None  # None where another program recorded the episode
    outcome: str | None
    seed: int
    note: str


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One parquet file; raises DataError when it is missing or damaged."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns=None if columns is None else list(columns))
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing file; restore it from a copy") from error
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: damaged parquet file ({error}); restore it from a copy") from error


def metadata_files(root: Path) -> list[Path]:
    """The meta/episodes files in episode order."""
    return sorted((root / "meta/episodes").glob("*/*.parquet"))


def read_metadata_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of one meta/episodes file without their statistics."""
    try:
        with pq.ParquetFile(path) as file:
            wanted = [name for name in file.schema_arrow.names if not name.startswith("stats/")]
            return file.read(columns=wanted, use_threads=False).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: damaged episode metadata ({error}); `world4rl data check` lists the damage"
        ) from error


def read_metadata_stats(path: Path) -> list[dict[str, Stats]]:
    """The statistics of every row of one meta/episodes file: feature -> name -> value."""
    rows: list[dict[str, Stats]] = []
    for row in read_table(path).to_pylist():
        nested: dict[str, dict[str, Any]] = {}
        for name, value in row.items():
            if name.startswith("stats/") and value is not None:
                feature, statistic = name.removeprefix("stats/").rsplit("/", 1)
                nested.setdefault(feature, {})[statistic] = value
        rows.append(from_json(nested))
    return rows


def to_record(row: dict[str, Any], info: dict[str, Any], path: Path) -> Record:
    """One metadata row, checked. Raises DataError naming the column that is missing."""
    data_path = info.get("data_path") or DATA_PATH
    video_path = info.get("video_path") or VIDEO_PATH
    try:
        chunk, file = int(row["data/chunk_index"]), int(row["data/file_index"])
        videos = {
            key: VideoSpan(
                path=Path(
                    video_path.format(
                        video_key=key,
                        chunk_index=int(row[f"videos/{key}/chunk_index"]),
                        file_index=int(row[f"videos/{key}/file_index"]),
                    )
                ),
                start_s=float(row[f"videos/{key}/from_timestamp"]),
            )
            for key in video_keys(info["features"])
        }
        return Record(
            index=int(row["episode_index"]),
            length=int(row["length"]),
            first_row=int(row["dataset_from_index"]),
            data_path=Path(data_path.format(chunk_index=chunk, file_index=file)),
            videos=videos,
            tasks=[str(task) for task in row.get("tasks") or []],
            source=row.get("source"),
            outcome=row.get("outcome"),
            seed=int(row.get("seed") or 0),
            note=row.get("note") or "",
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"{path}: malformed episode metadata, column {error}; wanted LeRobotDataset v3.0") from error


def read_records(root: Path, info: dict[str, Any]) -> list[Record]:
    """The episodes info.json counts, in order. Raises DataError when one is missing or counted twice."""
    records = [to_record(row, info, path) for path in metadata_files(root) for row in read_metadata_rows(path)]
    records = sorted((r for r in records if r.index < info["total_episodes"]), key=lambda r: r.index)
    indices = [record.index for record in records]
    if indices != list(range(info["total_episodes"])):
        wanted = set(range(info["total_episodes"]))
        wrong = sorted(wanted ^ set(indices)) or sorted({i for i in indices if indices.count(i) > 1})
        raise DataError(
            f"{root}: info.json counts {info['total_episodes']} episodes, meta/episodes lacks or repeats "
            f"episode {wrong[0]}; `world4rl data check` lists the damage"
        )
    return records


def read_tasks(root: Path) -> list[str]:
    """Task strings in the order of their task_index; empty when the dataset has none."""
    path = root / TASKS
    if not path.is_file():
        return []
    table = read_table(path)
    names = [name for name in table.column_names if name != "task_index"]
    if "task_index" not in table.column_names or not names:
        raise DataError(f"{path}: wanted a task_index and a task column, got {', '.join(table.column_names)}")
    indices = table.column("task_index").to_pylist()
    tasks = dict(zip(indices, table.column(names[0]).to_pylist(), strict=True))
    if sorted(tasks) != list(range(len(tasks))):
        raise DataError(f"{path}: task_index must run from 0 without gaps, got {sorted(tasks)[:10]}")
    return [str(tasks[index]) for index in range(len(tasks))]
