"""Record episodes as a LeRobotDataset v3.0: each one is either wholly on disk and counted, or not there at all."""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow.parquet as pq

from world4rl_core.data import recovery
from world4rl_core.data.episode import Episode
from world4rl_core.data.layout import (
    IMAGE_PREFIX,
    INFO,
    PARTIAL,
    STATS,
    TASKS,
    empty_info,
    features_of,
    file_paths,
    read_info,
    video_keys,
)
from world4rl_core.data.records import read_tasks
from world4rl_core.data.staging import Stage, lock, write_errors_named
from world4rl_core.data.stats import Stats, merge_all, to_json
from world4rl_core.data.tables import columns_of, data_table, episode_row, episode_stats, episode_table, tasks_table
from world4rl_core.data.video import encode_video
from world4rl_core.errors import DataError

logger = logging.getLogger(__name__)
SMALLEST_WRITE_BYTES = 16384


class DatasetWriter:
    """The one writer of a dataset folder; use as a context manager, or call `close`."""

    def __init__(
        self, root: Path, info: dict[str, Any], *, tasks: list[str], stats: dict[str, Stats], held: int
    ) -> None:
        self.root = root
        self._info = info
        self._tasks = tasks
        self._stats = stats
        self._held: int | None = held

    @classmethod
    def create(cls, root: Path, *, fps: int, robot_type: str) -> "DatasetWriter":
        """Start an empty dataset. Raises DataError when `root` already holds files."""
        root = Path(root)
        if fps < 1 or fps != int(fps):
            raise DataError(f"fps must be a whole number of at least 1, got {fps}")
        if (root / INFO).exists():
            raise DataError(f"{root}: already holds a dataset; resume it with DatasetWriter.open or use another folder")
        if root.is_file() or any(path.is_file() and root / PARTIAL not in path.parents for path in root.rglob("*")):
            raise DataError(f"{root}: exists and is not an empty folder; use another folder")
        info = empty_info(int(fps), robot_type)
        with write_errors_named(root, needed_bytes=SMALLEST_WRITE_BYTES, kept="no episode was recorded"):
            root.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(root / PARTIAL, ignore_errors=True)
            held = lock(root)
            try:
                stage = Stage(root, "create")
                stage.seal(info)
                stage.commit()
            except BaseException:
                os.close(held)
                raise
        return cls(root, info, tasks=[], stats={}, held=held)

    @classmethod
    def open(cls, root: Path) -> "DatasetWriter":
        """Resume a dataset this writer made; what a crash left behind is completed or quarantined first."""
        root = Path(root)
        if not (root / INFO).is_file():
            read_info(root)  # says what is wrong
        held = lock(root)
        try:
            with write_errors_named(root, needed_bytes=SMALLEST_WRITE_BYTES, kept="the counted episodes are intact"):
                lines = recovery.repair(root)
            for line in lines:
                logger.warning("%s: %s", root, line)
            info = read_info(root)
            return cls(root, info, tasks=read_tasks(root), stats=recovery.read_stats(root, info), held=held)
        except BaseException:
            os.close(held)
            raise

    @property
    def fps(self) -> int:
        return self._info["fps"]

    @property
    def num_episodes(self) -> int:
        return self._info["total_episodes"]

    @property
    def num_frames(self) -> int:
        return self._info["total_frames"]

    def add(self, episode: Episode) -> int:
        """Write one episode and count it; returns its index.

        Raises DataError when its features differ from the dataset's or the disk is full; the dataset is then as before.
        """
        if self._held is None:
            raise DataError(f"{self.root}: the writer is closed; resume with DatasetWriter.open")
        features = features_of(episode, self.fps)
        self._check_features(features)
        index = self.num_episodes
        needed = sum(frames.nbytes for frames in episode.images.values())
        stage = Stage(self.root, f"episode-{index:06d}")
        stage.discard()
        kept = f"the {index} episodes recorded so far are intact"
        with write_errors_named(self.root, needed_bytes=needed, kept=kept), _discarding_on_error(stage):
            tasks = self._tasks if episode.task in self._tasks else [*self._tasks, episode.task]
            stats = self._write_files(stage, episode, features, tasks)
            info = self._info_after(episode, features, total_tasks=len(tasks))
            stage.seal(info)
            stage.commit()
        self._info, self._tasks, self._stats = info, tasks, stats
        return index

    def _write_files(
        self, stage: Stage, episode: Episode, features: dict[str, dict[str, Any]], tasks: list[str]
    ) -> dict[str, Stats]:
        """Stage every file of the next episode but info.json; returns the statistics of the dataset with it."""
        place = {"fps": self.fps, "episode_index": self.num_episodes, "first_row": self.num_frames}
        keys = video_keys(features)
        *videos, data_path, metadata_path = file_paths(self.num_episodes, keys)
        columns = columns_of(episode, **place, task_index=tasks.index(episode.task))
        stats = episode_stats(episode, columns)
        total = merge_all(self._stats, stats)
        for key, path in zip(keys, videos, strict=True):
            encode_video(stage.path(path), episode.images[key.removeprefix(IMAGE_PREFIX)], fps=self.fps)
        pq.write_table(data_table(episode, columns, features), stage.path(data_path), compression="snappy")
        row = episode_row(episode, stats, **place, video_keys=keys)
        pq.write_table(episode_table(row), stage.path(metadata_path), compression="snappy")
        if len(tasks) > len(self._tasks):
            pq.write_table(tasks_table(tasks), stage.path(TASKS), compression="snappy")
        stage.path(STATS).write_text(json.dumps(to_json(total)) + "\n")
        return total

    def close(self) -> None:
        """Release the dataset for other writers; may be called twice."""
        if self._held is not None:
            with contextlib.suppress(OSError):
                (self.root / PARTIAL).rmdir()
            os.close(self._held)
            self._held = None

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_features(self, features: dict[str, dict[str, Any]]) -> None:
        known = self._info["features"]
        if not known:
            return
        for key in [*known, *features]:
            if known.get(key) != features.get(key):
                raise DataError(
                    f"{self.root}: feature '{key}' of the new episode is {_brief(features.get(key))}, the dataset has "
                    f"{_brief(known.get(key))}; record other cameras, sizes or robots into another folder"
                )

    def _info_after(self, episode: Episode, features: dict[str, dict[str, Any]], *, total_tasks: int) -> dict[str, Any]:
        episodes = self.num_episodes + 1
        return self._info | {
            "total_episodes": episodes,
            "total_frames": self.num_frames + episode.rows,
            "total_tasks": total_tasks,
            "splits": {"train": f"0:{episodes}"},
            "features": self._info["features"] or features,
        }


def _brief(feature: dict[str, Any] | None) -> str:
    return "absent" if feature is None else f"{feature['dtype']} {tuple(feature['shape'])}"


@contextlib.contextmanager
def _discarding_on_error(stage: Stage) -> Iterator[None]:
    """Remove an unfinished stage; a sealed one is complete and is counted by the next `open`."""
    try:
        yield
    except BaseException:
        if not stage.is_sealed:
            stage.discard()
        raise
