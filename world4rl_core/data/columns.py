"""From the columns of a LeRobot data file to the arrays of an Episode, ours or anyone's."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from einops import rearrange
from PIL import Image

from world4rl_core.data.layout import IMAGE_PREFIX
from world4rl_core.errors import DataError

EIGHT_BIT_MODES = {"RGB", "RGBA", "L", "P", "1"}


def camera_features(features: dict[str, dict[str, Any]]) -> dict[str, str]:
    """RGB cameras of a dataset: name -> feature key, sorted by name; depth maps are left out."""
    cameras: dict[str, str] = {}
    for key, feature in features.items():
        if _is_rgb(key, feature):
            name = key.removeprefix(IMAGE_PREFIX) if key.startswith(IMAGE_PREFIX) else key.removeprefix("observation.")
            cameras[key if name in cameras else name] = key
    return dict(sorted(cameras.items()))


def _is_rgb(key: str, feature: dict[str, Any]) -> bool:
    info = feature.get("info") or feature.get("video_info") or {}
    if info.get("is_depth_map") or info.get("video.is_depth_map"):
        return False
    if feature["dtype"] in ("image", "video"):
        return True
    shape = list(feature["shape"])
    return key.startswith("observation.") and len(shape) == 3 and 3 in (shape[0], shape[2])


def image_size(feature: dict[str, Any]) -> tuple[int, int]:
    """Height and width of a camera feature, stored channels last or first."""
    shape = [int(n) for n in feature["shape"]]
    names = feature.get("names")
    channels_first = shape[0] in (1, 3) and shape[-1] not in (1, 3)
    if isinstance(names, list) and names and str(names[0]).startswith("channel"):
        channels_first = True
    return (shape[1], shape[2]) if channels_first else (shape[0], shape[1])


def vector(table: pa.Table, key: str, dtype: type[np.generic]) -> np.ndarray:
    """A numeric column as (rows, k), with k = 1 for scalars. Raises DataError for nulls and ragged rows."""
    column = table.column(key).combine_chunks()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    rows = len(column)
    if column.null_count:
        raise DataError(f"'{key}' has {column.null_count} empty values; fix or drop the episode")
    while pa.types.is_nested(column.type):
        column = column.flatten()
    if rows and len(column) % rows:
        raise DataError(f"'{key}' has rows of different lengths; fix or drop the episode")
    try:
        values = column.to_numpy(zero_copy_only=False).astype(dtype)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise DataError(f"'{key}' is {column.type}, wanted numbers; leave it out or convert it") from error
    return values.reshape(rows, -1)


def images(table: pa.Table, key: str, feature: dict[str, Any], *, folder: Path) -> np.ndarray:
    """An image column as uint8 RGB (rows, h, w, 3); raises DataError for 16-bit or damaged images."""
    column = table.column(key)
    if not pa.types.is_struct(column.type):
        return _array_images(vector(table, key, np.float32), feature, key)
    frames: np.ndarray | None = None
    for row, cell in enumerate(column):
        frame = _decode(cell.as_py(), key=key, row=row, folder=folder)
        if frames is None:
            frames = np.empty((len(column), *frame.shape), dtype=np.uint8)
        if frame.shape != frames.shape[1:]:
            raise DataError(f"'{key}': frame {row} is {frame.shape[:2]}, the first is {frames.shape[1:3]}")
        frames[row] = frame
    if frames is None:
        raise DataError(f"'{key}' has no frames")
    return frames


def _decode(cell: dict[str, Any] | None, *, key: str, row: int, folder: Path) -> np.ndarray:
    if not cell or not (cell.get("bytes") or cell.get("path")):
        raise DataError(f"'{key}': row {row} has no image; fix or drop the episode")
    try:
        source = io.BytesIO(cell["bytes"]) if cell.get("bytes") else folder / cell["path"]
        with Image.open(source) as image:
            if image.mode not in EIGHT_BIT_MODES:
                raise DataError(f"'{key}': row {row} is a {image.mode} image, wanted 8-bit RGB; leave this camera out")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"'{key}': the image of row {row} cannot be read ({error}); restore the file") from error


def _array_images(flat: np.ndarray, feature: dict[str, Any], key: str) -> np.ndarray:
    """Images stored as plain numbers (rows, h*w*3), channels first or last, 0 to 255 or 0 to 1."""
    shape = [int(n) for n in feature["shape"]]
    height, width = image_size(feature)
    if flat.shape[1] != height * width * 3:
        raise DataError(f"'{key}': {flat.shape[1]} numbers in a frame, info.json says {shape}")
    pattern = "r (h w c) -> r h w c" if shape == [height, width, 3] else "r (c h w) -> r h w c"
    frames = rearrange(flat, pattern, h=height, w=width, c=3)
    low, high = float(frames.min()), float(frames.max())
    if not (np.isfinite(low) and low >= 0 and high <= 255):
        raise DataError(f"'{key}': pixels reach from {low:.3g} to {high:.3g}, wanted 0 to 255 or 0 to 1")
    is_float = str(feature["dtype"]).startswith("float")
    return np.round(frames * 255 if is_float and high <= 1 else frames).astype(np.uint8)
