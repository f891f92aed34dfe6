"""Datasets laid out as lerobot writes them: many episodes in a data file, a video file and a metadata file.

Written here with pyarrow and PyAV from the format's description, so that the reader is tested against something other
than our own writer.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CAMERA = "observation.images.top"
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class Recorded:
    """What the tests compare with: frames uint8 (rows, h, w, 3), action and state float32 (rows, 3), the task."""

    frames: np.ndarray
    action: np.ndarray
    task: str


def make_episodes(count: int = 5, *, size: tuple[int, int] = (16, 24), seed: int = 0) -> list[Recorded]:
    """Episodes of different lengths whose frames differ from each other, also after lossy coding."""
    rng = np.random.default_rng(seed)
    episodes = []
    for index in range(count):
        rows = 4 + index
        shade = rng.integers(0, 256, (rows, 2, 3, 3), dtype=np.uint8)
        frames = shade.repeat(size[0] // 2, axis=1).repeat(size[1] // 3, axis=2)
        action = rng.uniform(-1, 1, (rows, 3)).astype(np.float32)
        episodes.append(Recorded(frames, action, task=f"task {index % 2}"))
    return episodes


def write(
    root: Path,
    episodes: Sequence[Recorded],
    *,
    images: str = "bytes",
    files: Sequence[Sequence[int]] = ((0, 1, 2), (3, 4)),
    one_row_group: bool = False,
    fps: int = 10,
    extra: dict[str, Any] | None = None,
) -> Path:
    """Write `episodes` under `root`, the episodes of `files[i]` in the i-th data and video file.

    `images` is how frames are stored: bytes (PNG in the parquet file), path (files beside it), video, or floats (plain
    numbers 0 to 1, channels first). `extra` gives further columns: key -> (feature, one value for each row).
    """
    starts = np.concatenate([[0], np.cumsum([len(episode.action) for episode in episodes])])
    metadata = []
    for place, members in enumerate(files):
        chunk, file = divmod(place, 1)  # one file in a chunk, to have several chunks
        tables = [_rows(root, episodes[i], i, int(starts[i]), images, fps, extra or {}) for i in members]
        path = root / f"data/chunk-{chunk:03d}/file-{file:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(path, tables[0].schema) as writer:
            for table in [pa.concat_tables(tables).combine_chunks()] if one_row_group else tables:
                writer.write_table(table)
        if images == "video":
            _film(root, chunk, file, [episodes[i].frames for i in members], fps)
        from_s = 0.0
        for i in members:
            to_s = from_s + len(episodes[i].action) / fps
            video = {"chunk_index": chunk, "file_index": file, "from_timestamp": from_s, "to_timestamp": to_s}
            row = {"episode_index": i, "tasks": [episodes[i].task], "length": len(episodes[i].action)}
            row |= {"data/chunk_index": chunk, "data/file_index": file}
            row |= {"dataset_from_index": int(starts[i]), "dataset_to_index": int(starts[i + 1])}
            row |= {f"videos/{CAMERA}/{key}": value for key, value in video.items()} if images == "video" else {}
            metadata.append(row | {"stats/action/min": [-1.0, -1.0, -1.0]})
            from_s = to_s
    _write_meta(root, episodes, metadata, images, fps, extra or {}, total=int(starts[-1]))
    return root


def _rows(root: Path, episode: Recorded, index: int, start: int, images: str, fps: int, extra: dict) -> pa.Table:
    rows = len(episode.action)
    counter = np.arange(rows)
    columns: dict[str, Any] = {
        "observation.state": pa.FixedSizeListArray.from_arrays(pa.array((2 * episode.action).ravel()), 3),
        "action": pa.FixedSizeListArray.from_arrays(pa.array(episode.action.ravel()), 3),
        "timestamp": pa.array((counter / fps).astype(np.float32)),
        "frame_index": pa.array(counter),
        "episode_index": pa.array(np.full(rows, index)),
        "index": pa.array(start + counter),
        "task_index": pa.array(np.full(rows, int(episode.task.split()[1]))),
    }
    if images == "floats":
        columns[CAMERA] = pa.array((episode.frames.transpose(0, 3, 1, 2) / 255).astype(np.float32).tolist())
    elif images != "video":
        columns[CAMERA] = pa.array(
            [_cell(root, frame, index, t, images) for t, frame in enumerate(episode.frames)], IMAGE
        )
    return pa.table(columns | {key: pa.array([value] * rows) for key, (_, value) in extra.items()})


def _cell(root: Path, frame: np.ndarray, episode: int, row: int, images: str) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="PNG")
    if images == "bytes":
        return {"bytes": buffer.getvalue(), "path": f"frame-{row:06d}.png"}
    path = root / f"images/{CAMERA}/episode-{episode:06d}/frame-{row:06d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return {"bytes": None, "path": str(path.relative_to(root))}


def _film(root: Path, chunk: int, file: int, parts: Sequence[np.ndarray], fps: int) -> None:
    path = root / f"videos/{CAMERA}/chunk-{chunk:03d}/file-{file:03d}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.concatenate(parts)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"g": "2", "crf": "5"})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _write_meta(
    root: Path, episodes: Sequence[Recorded], metadata: list, images: str, fps: int, extra: dict, total: int
):
    height, width = episodes[0].frames.shape[1:3]
    dtype = {"video": "video", "floats": "float32"}.get(images, "image")
    shape, names = [height, width, 3], ["height", "width", "channels"]
    if images == "floats":
        shape, names = [3, height, width], ["channels", "height", "width"]
    vector = {"dtype": "float32", "shape": [3], "names": ["x", "y", "z"]}
    index = {"dtype": "int64", "shape": [1], "names": None}
    features = {"observation.state": vector, "action": vector, CAMERA: {"dtype": dtype, "shape": shape, "names": names}}
    features |= {key: feature for key, (feature, _) in extra.items()}
    features |= {"timestamp": index | {"dtype": "float32"}}
    features |= {key: index for key in ("frame_index", "episode_index", "index", "task_index")}
    folder = root / "meta/episodes/chunk-000"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(metadata), folder / "file-000.parquet")
    tasks = sorted({episode.task for episode in episodes})
    pq.write_table(  # as pandas writes a frame whose index has no name
        pa.table({"task_index": list(range(len(tasks))), "__index_level_0__": tasks}), root / "meta/tasks.parquet"
    )
    info = {
        "codebase_version": "v3.0",
        "robot_type": "so101",
        "total_episodes": len(episodes),
        "total_frames": total,
        "total_tasks": len(tasks),
        "chunks_size": 1,
        "fps": fps,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
        if dtype == "video"
        else None,
        "features": features,
    }
    (root / "meta/info.json").write_text(json.dumps(info))
