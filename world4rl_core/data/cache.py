"""Every frame of one or more datasets as one memory-mapped uint8 array, built once and opened by all later runs."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from world4rl_core.data.frames import FrameBuilder, check_roots, view_size
from world4rl_core.data.layout import CACHE
from world4rl_core.data.reader import Bounds, DatasetReader
from world4rl_core.data.staging import write_errors_named
from world4rl_core.errors import DataError

logger = logging.getLogger(__name__)
SCHEMA = 1
META = "meta.json"
FRAMES = "frames.npy"


class FrameCache:
    """Rows of all episodes one after another; arrays are read-only and share pages between processes.

    `frames` uint8 (rows, h, w * cameras, 3), the views side by side; `actions` and `requested` float32 (rows, d), zeros
    in the last row of an episode; `rewards` float32 and `success` bool (rows,), the outcome that led to the frame;
    `starts` int64 (episodes + 1,), the first row of each episode.
    """

    def __init__(self, folder: Path) -> None:
        try:
            meta: dict[str, Any] = json.loads((folder / META).read_text())
            self.frames: np.memmap = _mapped(folder / FRAMES)
            self.actions: np.ndarray = np.load(folder / "actions.npy")
            self.requested: np.ndarray = np.load(folder / "requested.npy")
            self.rewards: np.ndarray = np.load(folder / "rewards.npy")
            self.success: np.ndarray = np.load(folder / "success.npy")
            self.starts: np.ndarray = np.load(folder / "starts.npy")
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: damaged frame cache ({error}); delete the folder, it is rebuilt") from error
        self.folder = folder
        self.hash: str = meta["hash"]
        self.fps: float = meta["fps"]
        self.cameras: list[str] = meta["cameras"]
        self.has_success: bool = meta["has_success"]
        self.sources: list[str] = meta["sources"]
        self.tasks: list[str] = meta["tasks"]
        self.seeds: list[int] = meta["seeds"]
        self.outcomes: list[str] = meta["outcomes"]
        self.episode_success: np.ndarray = np.array(meta["episode_success"], dtype=bool)
        bounds = meta["action_bounds"]
        self.action_bounds: Bounds | None = (
            None if bounds is None else (np.array(bounds[0], np.float32), np.array(bounds[1], np.float32))
        )

    @property
    def num_episodes(self) -> int:
        return len(self.starts) - 1

    @property
    def num_rows(self) -> int:
        return len(self.frames)

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each episode, int64 (episodes,)."""
        return np.diff(self.starts)

    @property
    def action_dim(self) -> int:
        return self.actions.shape[1]

    def rows(self, episode: int) -> slice:
        """The rows of one episode, for slicing any of the arrays."""
        return slice(int(self.starts[episode]), int(self.starts[episode + 1]))

    @classmethod
    def build(
        cls,
        roots: Sequence[Path],
        *,
        cameras: Sequence[str] | None = None,
        size: tuple[int, int] | None = None,
        directory: Path | None = None,
        rescale_actions: bool = False,
    ) -> "FrameCache":
        """Open the cache of these datasets, building it first if there is none.

        `cameras`: the views and their order, all by default. `size`: (h, w) of one view, area down-sampled.
        `directory`: where caches lie, `<first root>/.cache` by default. `rescale_actions`: map the recorded range of
        each action dimension onto [-1, 1] instead of refusing actions outside it.
        Raises DataError for datasets that are damaged or do not fit together, and for a full disk.
        """
        if not roots:
            raise DataError("no dataset folder was given; pass at least one")
        readers = [DatasetReader(root) for root in roots]
        chosen = list(cameras) if cameras is not None else readers[0].cameras
        height, width = size if size is not None else view_size(readers[0], chosen)
        check_roots(readers, chosen, size=size)
        key = _key(readers, chosen, (height, width), rescale_actions=rescale_actions)
        directory = Path(directory) if directory is not None else readers[0].root / CACHE
        folder = directory / key
        if (folder / META).is_file():
            return cls(folder)
        bounds = _joint_bounds(readers) if rescale_actions else None
        if bounds is not None:
            readers = [DatasetReader(root, action_bounds=bounds) for root in roots]
        with _building(directory, key):
            if not (folder / META).is_file():
                builder = FrameBuilder(directory / f"{key}.tmp", cameras=chosen, view=(height, width))
                _write(builder, readers, key=key, bounds=bounds)
                os.replace(builder.folder, folder)
        return cls(folder)


def _write(builder: FrameBuilder, readers: list[DatasetReader], *, key: str, bounds: Bounds | None) -> None:
    height, width = builder.view
    needed = sum(int(reader.lengths.sum()) for reader in readers) * height * width * len(builder.cameras) * 3
    shutil.rmtree(builder.folder, ignore_errors=True)
    try:
        with write_errors_named(builder.folder.parent, needed_bytes=needed, kept="the dataset is untouched"):
            builder.folder.mkdir()
            meta = builder.write(readers)
            meta |= {"schema": SCHEMA, "hash": key, "fps": readers[0].fps, "cameras": builder.cameras}
            meta["action_bounds"] = None if bounds is None else [side.tolist() for side in bounds]
            (builder.folder / META).write_text(json.dumps(meta))
    except BaseException:
        shutil.rmtree(builder.folder, ignore_errors=True)
        raise
    logger.info("frame cache %s: %.0f MiB", builder.folder.with_suffix(""), needed / 2**20)


def _key(readers: list[DatasetReader], cameras: list[str], view: tuple[int, int], *, rescale_actions: bool) -> str:
    """Names the cache: content of the datasets and everything that shapes the arrays."""
    parts = [SCHEMA, [reader.content_hash() for reader in readers], cameras, list(view), rescale_actions]
    if any(reader.image_size(camera) != view for reader in readers for camera in cameras):
        parts.append("area")  # how views are resampled; caches of recorded sizes keep their names
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _joint_bounds(readers: list[DatasetReader]) -> Bounds:
    measured = [reader.measured_action_bounds() for reader in readers]
    low = np.min([low for low, _ in measured], axis=0)
    high = np.max([high for _, high in measured], axis=0)
    return low.astype(np.float32), high.astype(np.float32)


def _mapped(path: Path) -> np.memmap:
    frames = np.load(path, mmap_mode="r")
    if not isinstance(frames, np.memmap):
        raise ValueError(f"{path.name} cannot be memory-mapped")
    return frames


@contextmanager
def _building(directory: Path, key: str) -> Iterator[None]:
    """One process builds a cache while the others that want the same one wait."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / f"{key}.lock", os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise DataError(
            f"{directory}: cannot hold the frame cache ({error.strerror}); pass another directory"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
