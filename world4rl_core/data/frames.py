"""Fill a frame cache: stream episodes out of the readers, one in memory at a time, into plain .npy files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from world4rl_core import pixels, progress
from world4rl_core.data.episode import Episode
from world4rl_core.data.reader import DatasetReader
from world4rl_core.errors import DataError


class FrameBuilder:
    """Writes the arrays of a cache into `folder`, frame by frame, so that memory stays at one episode."""

    def __init__(self, folder: Path, *, cameras: list[str], view: tuple[int, int]) -> None:
        self.folder = folder
        self.cameras = cameras
        self.view = view

    def write(self, readers: Sequence[DatasetReader]) -> dict[str, Any]:
        """Write every array and return the labels of the episodes. Raises DataError or OSError on the way."""
        lengths = np.concatenate([reader.lengths for reader in readers])
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        height, width = self.view
        shape = (int(starts[-1]), height, width * len(self.cameras), 3)
        episodes: list[dict[str, Any]] = []
        columns: dict[str, list[np.ndarray]] = {"actions": [], "requested": [], "rewards": [], "success": []}
        with open(self.folder / "frames.npy", "wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_2_0(file, header)
            stream = (episode for reader in readers for episode in reader.episodes(cameras=self.cameras))
            for episode in progress.bar(stream, total=len(lengths), desc="caching frames", unit="episode", leave=False):
                self._write_frames(file, episode)
                _append(columns, episodes, episode)
        for name, parts in columns.items():
            np.save(self.folder / f"{name}.npy", np.concatenate(parts))
        np.save(self.folder / "starts.npy", starts)
        labels = {f"{name}s": [row[name] for row in episodes] for name in ("source", "task", "seed", "outcome")}
        labels["episode_success"] = [row["succeeded"] for row in episodes]
        return labels | {"has_success": all(reader.has_success for reader in readers)}

    def _write_frames(self, file: BinaryIO, episode: Episode) -> None:
        views = [resize(episode.images[camera], self.view) for camera in self.cameras]
        frames = views[0] if len(views) == 1 else np.concatenate(views, axis=2)
        file.write(np.ascontiguousarray(frames).data)


def resize(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (rows, h, w, 3) at another height and width; each new pixel is the mean of the area it covers."""
    height, width = size
    if frames.shape[1:3] == (height, width):
        return frames
    return np.stack([pixels.resize(frame, (height, width)) for frame in frames])


def _append(columns: dict[str, list[np.ndarray]], episodes: list[dict[str, Any]], episode: Episode) -> None:
    columns["actions"].append(episode.action)
    columns["requested"].append(episode.requested)
    columns["rewards"].append(np.concatenate([np.zeros(1, np.float32), episode.next_reward[:-1]]))
    columns["success"].append(episode.success)
    episodes.append(
        {
            "source": episode.source,
            "task": episode.task,
            "seed": episode.seed,
            "outcome": episode.outcome,
            "succeeded": episode.succeeded,
        }
    )


def view_size(reader: DatasetReader, cameras: Sequence[str]) -> tuple[int, int]:
    """The common (h, w) of the cameras. Raises DataError when they differ or there are none."""
    sizes = {camera: reader.image_size(camera) for camera in reader.camera_keys(cameras)}
    if not sizes:
        raise DataError(f"no camera was chosen; {reader.root} has {', '.join(reader.cameras)}")
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{camera} {height}x{width}" for camera, (height, width) in sizes.items())
        raise DataError(f"{reader.root}: the cameras differ in size ({listed}); set one size for all views")
    return next(iter(sizes.values()))


def check_roots(readers: Sequence[DatasetReader], cameras: Sequence[str], *, size: tuple[int, int] | None) -> None:
    """Raise DataError unless the datasets share fps, action size, the cameras and, without `size`, the frame size."""
    first = readers[0]
    if size is not None and min(size) < 1:
        raise DataError(f"size must be a positive (height, width), got {size}")
    for reader in readers:
        reader.camera_keys(cameras)
        if reader.fps != first.fps:
            raise DataError(f"{reader.root} has {reader.fps} fps, {first.root} has {first.fps}; train on one rate")
        if reader.action_dim != first.action_dim:
            raise DataError(
                f"{reader.root} has {reader.action_dim} action dimensions, {first.root} has {first.action_dim}; "
                "train on one robot"
            )
        if size is None and view_size(reader, cameras) != view_size(first, cameras):
            raise DataError(f"{reader.root} and {first.root} differ in frame size; set one size for all")
