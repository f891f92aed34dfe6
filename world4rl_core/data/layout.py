"""Where a LeRobotDataset v3.0 keeps its files, and what its `info.json` says."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from world4rl_core.data.episode import COLUMN_DTYPES, RESERVED, Episode
from world4rl_core.errors import DataError

VERSION = "v3.0"
CHUNK_FILES = 1000
LARGEST_IMAGE_PX = 256  # larger frames are stored as video
IMAGE_PREFIX = "observation.images."
INFO = Path("meta/info.json")
STATS = Path("meta/stats.json")
TASKS = Path("meta/tasks.parquet")
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
PARTIAL = ".partial"
QUARANTINE = ".quarantine"
CACHE = ".cache"

FIXED_FEATURES: dict[str, tuple[str, int]] = {
    "next.reward": ("float32", 1),
    "next.success": ("bool", 1),
    "next.done": ("bool", 1),
    "next.terminated": ("bool", 1),
    "next.truncated": ("bool", 1),
    "timestamp": ("float32", 1),
    "frame_index": ("int64", 1),
    "episode_index": ("int64", 1),
    "index": ("int64", 1),
    "task_index": ("int64", 1),
}


def chunk_and_file(episode_index: int) -> tuple[int, int]:
    """Chunk and file number of an episode: one file each, CHUNK_FILES of them in a folder."""
    return divmod(episode_index, CHUNK_FILES)


def file_paths(episode_index: int, video_keys: list[str]) -> list[Path]:
    """The files of one of our episodes relative to the root: videos, then data, then metadata."""
    chunk, file = chunk_and_file(episode_index)
    videos = [VIDEO_PATH.format(video_key=key, chunk_index=chunk, file_index=file) for key in video_keys]
    names = [*videos, *(path.format(chunk_index=chunk, file_index=file) for path in (DATA_PATH, EPISODES_PATH))]
    return [Path(name) for name in names]


def features_of(episode: Episode, fps: int) -> dict[str, dict[str, Any]]:
    """The `features` entry of info.json for episodes shaped like this one."""
    features: dict[str, dict[str, Any]] = {}
    for camera in sorted(episode.images):
        features[IMAGE_PREFIX + camera] = _image_feature(camera, episode.images[camera], fps)
    if episode.state.shape[1]:
        features["observation.state"] = _vector_feature("float32", episode.state.shape[1])
    features["action"] = _vector_feature("float32", episode.action.shape[1])
    features["action.requested"] = _vector_feature("float32", episode.requested.shape[1])
    features |= {key: _vector_feature(dtype, size) for key, (dtype, size) in FIXED_FEATURES.items()}
    return features | {key: _vector_feature(str(values.dtype), 1) for key, values in sorted(episode.columns.items())}


def column_keys(features: dict[str, dict[str, Any]]) -> list[str]:
    """Further columns of our own recordings; another program's columns may hold anything and are left alone."""
    if "action.requested" not in features:
        return []
    return [
        key
        for key, feature in features.items()
        if feature["dtype"] in COLUMN_DTYPES and list(feature["shape"]) == [1] and not key.startswith(RESERVED)
    ]


def _vector_feature(dtype: str, size: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [size], "names": None}


def _image_feature(camera: str, frames: np.ndarray, fps: int) -> dict[str, Any]:
    height, width = (int(n) for n in frames.shape[1:3])
    feature: dict[str, Any] = {
        "dtype": "image",
        "shape": [height, width, 3],
        "names": ["height", "width", "channels"],
    }
    if max(height, width) <= LARGEST_IMAGE_PX:
        return feature
    if height % 2 or width % 2:
        raise DataError(f"camera '{camera}': video needs an even height and width, got {height}x{width}; crop a row")
    info = {
        "video.height": height,
        "video.width": width,
        "video.codec": "h264",
        "video.pix_fmt": "yuv420p",
        "video.fps": fps,
        "video.channels": 3,
        "has_audio": False,
        "video.is_depth_map": False,  # the key of lerobot 0.4 and 0.5
        "is_depth_map": False,  # the key since 0.6
    }
    return feature | {"dtype": "video", "info": info}


def video_keys(features: dict[str, dict[str, Any]]) -> list[str]:
    return [key for key, feature in features.items() if feature["dtype"] == "video"]


def empty_info(fps: int, robot_type: str) -> dict[str, Any]:
    """info.json of a dataset without episodes; the features follow from the first episode."""
    return {
        "codebase_version": VERSION,
        "robot_type": robot_type,
        "total_episodes": 0,
        "total_frames": 0,
        "total_tasks": 0,
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": {},
    }


def read_info(root: Path) -> dict[str, Any]:
    """The parsed info.json of a v3 dataset. Raises DataError when it is missing, damaged or of another version."""
    path = root / INFO
    if not root.is_dir():
        raise DataError(f"{root}: no such dataset folder; record one with `world4rl collect`, or check the path")
    if not path.is_file():
        raise DataError(f"{root}: not a LeRobot dataset, {INFO} is missing; point at the folder that contains meta/")
    try:
        info = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); restore it from a copy") from error
    if not isinstance(info, dict):
        raise DataError(f"{path}: wanted a JSON object, got {type(info).__name__}")
    _check_info(path, info)
    return info


def _check_info(path: Path, info: dict[str, Any]) -> None:
    version = str(info.get("codebase_version", "none"))
    if not version.startswith("v3."):
        raise DataError(
            f"{path}: codebase_version is {version}, wanted v3.x; convert with lerobot's "
            "`python -m lerobot.datasets.v30.convert_dataset_v21_to_v30`"
        )
    wanted = {"fps": (int, float), "total_episodes": int, "total_frames": int, "features": dict}
    for key, kind in wanted.items():
        if not isinstance(info.get(key), kind):
            raise DataError(f"{path}: '{key}' is missing or malformed, got {info.get(key)!r}; restore the file")
    if info["fps"] <= 0:
        raise DataError(f"{path}: fps must be positive, got {info['fps']}")
    for key, feature in info["features"].items():
        if not isinstance(feature, dict) or "dtype" not in feature or "shape" not in feature:
            raise DataError(f"{path}: feature '{key}' needs a dtype and a shape, got {feature!r}")
