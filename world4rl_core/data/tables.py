"""An episode as the parquet tables of LeRobotDataset v3.0, written so that `datasets` and pandas read them back."""

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from world4rl_core.data.episode import Episode
from world4rl_core.data.layout import IMAGE_PREFIX, chunk_and_file
from world4rl_core.data.stats import Stats, image_stats, vector_stats

PNG_COMPRESSION = 3  # as small as level 6 within a few percent on rendered frames, at a third of the time
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def encode_png(frame: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="PNG", compress_level=PNG_COMPRESSION)
    return buffer.getvalue()


def columns_of(
    episode: Episode, *, fps: int, episode_index: int, first_row: int, task_index: int
) -> dict[str, np.ndarray]:
    """Every feature of the episode but its images, keyed as in info.json: (rows,) or (rows, k)."""
    rows = episode.rows
    frame_index = np.arange(rows, dtype=np.int64)
    closing = frame_index >= rows - 2
    columns = {
        "observation.state": episode.state,
        "action": episode.action,
        "action.requested": episode.requested,
        "next.reward": episode.next_reward,
        "next.success": episode.next_success,
        "next.done": closing & (episode.terminated or episode.truncated),
        "next.terminated": closing & episode.terminated,
        "next.truncated": closing & episode.truncated,
        "timestamp": (frame_index / fps).astype(np.float32),
        "frame_index": frame_index,
        "episode_index": np.full(rows, episode_index, dtype=np.int64),
        "index": first_row + frame_index,
        "task_index": np.full(rows, task_index, dtype=np.int64),
        **episode.columns,
    }
    if not episode.state.shape[1]:
        del columns["observation.state"]
    return columns


def data_table(episode: Episode, columns: dict[str, np.ndarray], features: dict[str, dict[str, Any]]) -> pa.Table:
    """The data file of one episode: video features are left out, images are PNG bytes."""
    arrays: dict[str, pa.Array] = {}
    for key, feature in features.items():
        if feature["dtype"] == "image":
            frames = episode.images[key.removeprefix(IMAGE_PREFIX)]
            names = [f"frame-{row:06d}.png" for row in range(len(frames))]
            arrays[key] = pa.array(
                [{"bytes": encode_png(frame), "path": name} for frame, name in zip(frames, names, strict=True)],
                type=IMAGE_TYPE,
            )
        elif feature["dtype"] != "video":
            arrays[key] = _to_arrow(columns[key])
    table = pa.table(arrays)
    return table.replace_schema_metadata({"huggingface": json.dumps(_huggingface_info(features))})


def _to_arrow(values: np.ndarray) -> pa.Array:
    if values.ndim == 1 or values.shape[1] == 1:
        return pa.array(values.ravel())  # a feature of shape (1,) is a scalar column
    flat = pa.array(np.ascontiguousarray(values).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _huggingface_info(features: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the `datasets` library stores to know the feature types of a parquet file."""
    described: dict[str, Any] = {}
    for key, feature in features.items():
        value = {"dtype": feature["dtype"], "_type": "Value"}
        if feature["dtype"] == "image":
            described[key] = {"_type": "Image"}
        elif feature["dtype"] != "video":
            size = feature["shape"][0]
            described[key] = value if size == 1 else {"feature": value, "length": size, "_type": "List"}
    return {"info": {"features": described}}


def episode_stats(episode: Episode, columns: dict[str, np.ndarray]) -> dict[str, Stats]:
    """Statistics of every feature, keyed as in info.json."""
    stats = {IMAGE_PREFIX + camera: image_stats(frames) for camera, frames in episode.images.items()}
    return stats | {key: vector_stats(values) for key, values in columns.items()}


def episode_row(
    episode: Episode, stats: dict[str, Stats], *, fps: int, episode_index: int, first_row: int, video_keys: list[str]
) -> dict[str, Any]:
    """The one row of this episode's meta/episodes file, our own columns included."""
    chunk, file = chunk_and_file(episode_index)
    row: dict[str, Any] = {
        "episode_index": episode_index,
        "tasks": [episode.task],
        "length": episode.rows,
        "data/chunk_index": chunk,
        "data/file_index": file,
        "dataset_from_index": first_row,
        "dataset_to_index": first_row + episode.rows,
    }
    for key in video_keys:
        row |= {f"videos/{key}/chunk_index": chunk, f"videos/{key}/file_index": file}
        row |= {f"videos/{key}/from_timestamp": 0.0, f"videos/{key}/to_timestamp": episode.rows / fps}
    row |= {"source": episode.source, "outcome": episode.outcome, "seed": episode.seed, "note": episode.note}
    for key, part in stats.items():
        row |= {f"stats/{key}/{name}": value.tolist() for name, value in part.items()}
    return row | {"meta/episodes/chunk_index": chunk, "meta/episodes/file_index": file}


def episode_table(row: dict[str, Any]) -> pa.Table:
    return pa.table({key: [value] for key, value in row.items()})


def tasks_table(tasks: Sequence[str]) -> pa.Table:
    """tasks.parquet as pandas writes a frame whose index is the task: `pd.read_parquet` restores that index."""
    described = {
        "index_columns": ["task"],
        "column_indexes": [
            {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}
        ],
        "columns": [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_type, "metadata": None}
            for name, kind, numpy_type in (("task_index", "int64", "int64"), ("task", "unicode", "object"))
        ],
        "pandas_version": "2.0.0",
    }
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())})
    return table.replace_schema_metadata({"pandas": json.dumps(described)})
