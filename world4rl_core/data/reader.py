"""Read LeRobotDataset v3.0 folders as episodes: those of DatasetWriter and those lerobot wrote."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from world4rl_core.data.columns import camera_features, image_size, images, vector
from world4rl_core.data.episode import Episode
from world4rl_core.data.labels import labels, outcome_arrays
from world4rl_core.data.layout import column_keys, read_info
from world4rl_core.data.records import Record, read_records, read_tasks
from world4rl_core.data.rows import RowFiles
from world4rl_core.data.video import decode_video
from world4rl_core.errors import DataError

Bounds = tuple[np.ndarray, np.ndarray]  # lowest and highest action, float32 (d,) each
HASH_BLOCK = 1 << 20
VECTORS = (
    "observation.state",
    "action",
    "action.requested",
    "next.reward",
    "next.success",
    "next.done",
    "next.terminated",
    "next.truncated",
    "task_index",
)


class DatasetReader:
    """One dataset folder, checked on opening; episodes are read one at a time.

    `action_bounds` rescales recorded actions from [low, high] to [-1, 1]; without it actions outside are refused.
    Raises DataError when the folder is missing, empty, damaged, of another version, or has no camera or action.
    """

    def __init__(self, root: Path, *, action_bounds: Bounds | None = None) -> None:
        self.root = Path(root)
        self.info = read_info(self.root)
        self.fps: float = self.info["fps"]
        self.features: dict[str, dict[str, Any]] = self.info["features"]
        if not self.info["total_episodes"]:
            raise DataError(f"{self.root}: the dataset has no episodes; record some with `world4rl collect`")
        self._camera_keys = camera_features(self.features)
        self._check_features()
        self.records: list[Record] = read_records(self.root, self.info)
        self.tasks: list[str] = read_tasks(self.root)
        self._bounds = action_bounds
        self._row_files = RowFiles(self.root, self.records)
        self._hash: str | None = None

    @property
    def cameras(self) -> list[str]:
        return list(self._camera_keys)

    @property
    def action_dim(self) -> int:
        return int(np.prod(self.features["action"]["shape"]))

    @property
    def state_dim(self) -> int:
        """Size of observation.state; 0 when the dataset has none."""
        feature = self.features.get("observation.state")
        return int(np.prod(feature["shape"])) if feature else 0

    @property
    def num_episodes(self) -> int:
        return len(self.records)

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each episode, int64 (episodes,)."""
        return np.array([record.length for record in self.records], dtype=np.int64)

    @property
    def has_success(self) -> bool:
        """Whether the dataset labels success; where it does not, every label reads False."""
        return "next.success" in self.features

    def image_size(self, camera: str) -> tuple[int, int]:
        """Height and width of a camera's frames as info.json states them."""
        return image_size(self.features[self._camera_keys[camera]])

    def episodes(self, *, cameras: Sequence[str] | None = None) -> Iterator[Episode]:
        """Every episode in order, one in memory at a time."""
        for index in range(self.num_episodes):
            yield self.episode(index, cameras=cameras)

    def episode(self, index: int, *, cameras: Sequence[str] | None = None) -> Episode:
        """Decode one episode, with the frames of `cameras` (all by default). Raises DataError naming what is wrong."""
        keys = self.camera_keys(cameras)
        if not 0 <= index < self.num_episodes:
            raise DataError(f"{self.root}: no episode {index}; it has episodes 0 to {self.num_episodes - 1}")
        record = self.records[index]
        try:
            stored = [key for key in keys.values() if key not in record.videos]
            table = self._row_files.read(record, [*self._vectors(), *column_keys(self.features), *stored])
            frames = {camera: self._frames(record, table, key) for camera, key in keys.items()}
            return self._to_episode(record, table, frames)
        except DataError as error:
            raise DataError(f"{self.root}: episode {index}: {error}") from error

    def camera_keys(self, cameras: Sequence[str] | None = None) -> dict[str, str]:
        """Feature key of each named camera, all by default. Raises DataError for an unknown one."""
        chosen = self.cameras if cameras is None else list(cameras)
        for camera in chosen:
            if camera not in self._camera_keys:
                raise DataError(f"{self.root}: no camera '{camera}'; its cameras are {', '.join(self.cameras)}")
        return {camera: self._camera_keys[camera] for camera in chosen}

    def columns(self, index: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Numeric columns of one episode as stored, (rows, k) each; nothing is checked or rescaled."""
        table = self._row_files.read(self.records[index], names)
        return {name: vector(table, name, np.float64) for name in names}

    def labels(self, index: int) -> dict[str, Any]:
        """Task, source, outcome, seed, note and ending of one episode, without decoding its frames."""
        record = self.records[index]
        return labels(self._row_files.read(record, self._vectors()), record, self.tasks)

    def measured_action_bounds(self) -> Bounds:
        """Lowest and highest recorded value of each action dimension over the whole dataset."""
        low = np.full(self.action_dim, np.inf, dtype=np.float32)
        high = -low
        for index in range(self.num_episodes):
            actions = self.columns(index, ["action"])["action"].astype(np.float32)
            low, high = np.minimum(low, actions.min(axis=0)), np.maximum(high, actions.max(axis=0))
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise DataError(f"{self.root}: actions contain NaN or infinite values; fix or drop those episodes")
        return low, high

    def content_hash(self) -> str:
        """SHA-256 over fps, features, labels and the bytes of all data and video files; moving the folder keeps it."""
        if self._hash is None:
            labelled = [(r.length, r.tasks, r.source, r.outcome, r.seed) for r in self.records]
            digest = hashlib.sha256(repr((self.fps, sorted(self.features), self.tasks, labelled)).encode())
            for relative in self.files():
                digest.update(str(relative).encode())
                with open(self.root / relative, "rb") as file:
                    while block := file.read(HASH_BLOCK):
                        digest.update(block)
            self._hash = digest.hexdigest()
        return self._hash

    def files(self) -> list[Path]:
        """Data and video files the episodes refer to, relative to the root, sorted.

        Raises DataError when one is missing.
        """
        spans = (span.path for record in self.records for span in record.videos.values())
        paths = sorted({record.data_path for record in self.records} | set(spans))
        for path in paths:
            if not (self.root / path).is_file():
                raise DataError(f"{self.root}: {path} is missing, but an episode refers to it; restore it from a copy")
        return paths

    def _check_features(self) -> None:
        known = ", ".join(self.features)
        if "action" not in self.features:
            raise DataError(f"{self.root}: no 'action' feature; it has {known}")
        if not self._camera_keys:
            raise DataError(f"{self.root}: no RGB image or video feature under 'observation.'; it has {known}")

    def _vectors(self) -> list[str]:
        return [key for key in VECTORS if key in self.features]

    def _frames(self, record: Record, table: pa.Table, key: str) -> np.ndarray:
        if key in record.videos:
            span = record.videos[key]
            return decode_video(self.root / span.path, start_s=span.start_s, rows=record.length, fps=self.fps)
        return images(table, key, self.features[key], folder=self.root)

    def _to_episode(self, record: Record, table: pa.Table, frames: dict[str, np.ndarray]) -> Episode:
        action = self._rescaled(vector(table, "action", np.float32))
        asked = "action.requested" in table.column_names
        requested = self._rescaled(vector(table, "action.requested", np.float32)) if asked else action.copy()
        action[-1], requested[-1] = 0, 0  # another program's last action has no following frame either
        if np.abs(action).max() > 1 and "action.requested" not in self.features:
            self._refuse_range(action)
        has_state = "observation.state" in table.column_names
        return Episode(
            images=frames,
            state=vector(table, "observation.state", np.float32)
            if has_state
            else np.zeros((record.length, 0), np.float32),
            action=action,
            requested=requested,
            columns=self._columns(table),
            **outcome_arrays(table),
            **labels(table, record, self.tasks),
        )

    def _columns(self, table: pa.Table) -> dict[str, np.ndarray]:
        dtypes = {key: np.dtype(self.features[key]["dtype"]).type for key in column_keys(self.features)}
        return {key: vector(table, key, dtype)[:, 0] for key, dtype in dtypes.items()}

    def _rescaled(self, action: np.ndarray) -> np.ndarray:
        """A writable copy, mapped from the bounds to [-1, 1] when there are any; a constant dimension maps to 0."""
        if self._bounds is None:
            return action.copy()
        low, high = self._bounds
        span = np.where(high > low, high - low, np.inf)
        return np.clip(np.where(high > low, 2 * (action - low) / span - 1, 0), -1, 1).astype(np.float32)

    def _refuse_range(self, action: np.ndarray) -> None:
        raise DataError(
            f"actions reach from {np.nanmin(action):.4g} to {np.nanmax(action):.4g}, wanted [-1, 1]; "
            "`train world-model` and `train reward` map the recorded range onto [-1, 1] with --rescale-actions; "
            "to clone, refine or export, convert the dataset"
        )
