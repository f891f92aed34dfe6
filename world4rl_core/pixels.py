"""The crop and the down-sampling of a camera picture, exact to the last bit wherever they are computed.

The recorder, the frame cache and the exported graph must see the same pixels, so the resampling is defined in integers:
each new pixel is the mean of the area it covers, rounded half up (OpenCV's INTER_AREA, within one level).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8

from world4rl_core.errors import ConfigError

Crop = tuple[float, float, float, float]
WHOLE: Crop = (0.0, 1.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Taps:
    """Which old pixels make a new one, along one axis: `index` and `weight`, (taps, new); weights sum to `old`."""

    index: Int[np.ndarray, "taps new"]
    weight: Int[np.ndarray, "taps new"]


def area_taps(old: int, new: int) -> Taps:
    """Overlaps of `new` equal intervals with `old` pixels, in 1/new of a pixel. Raises ConfigError unless both > 0."""
    if min(old, new) < 1:
        raise ConfigError(f"a picture needs at least one pixel along each axis, got {old} resized to {new}")
    first = np.arange(new) * old // new
    last = -(-(np.arange(1, new + 1) * old) // new) - 1
    index = np.minimum(first + np.arange(int((last - first).max()) + 1)[:, None], old - 1)
    low = np.maximum(np.arange(new) * old, index * new)
    high = np.minimum(np.arange(1, new + 1) * old, (index + 1) * new)
    repeated = np.arange(len(index))[:, None] > last - first
    return Taps(index.astype(np.int64), np.where(repeated, 0, np.maximum(high - low, 0)).astype(np.int32))


def crop_bounds(crop: Crop, height: int, width: int) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of `crop`, shares of the picture, in whole pixels; bottom and right are exclusive.

    Raises ConfigError for shares outside [0, 1], in the wrong order, or for a crop without a pixel.
    """
    top, bottom, left, right = crop
    if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
        raise ConfigError(f"a crop is top < bottom, left < right in [0, 1], got {tuple(crop)}")
    bounds = (round(top * height), round(bottom * height), round(left * width), round(right * width))
    if bounds[0] >= bounds[1] or bounds[2] >= bounds[3]:
        raise ConfigError(f"crop {tuple(crop)} of a picture of {height}x{width} leaves no pixel; widen it")
    return bounds


def resize(image: UInt8[np.ndarray, "h w 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "new_h new_w 3"]:
    """The picture at another height and width, area by area."""
    height, width = image.shape[:2]
    if (height, width) == tuple(size):
        return np.ascontiguousarray(image)
    rows, columns = area_taps(height, size[0]), area_taps(width, size[1])
    tall = np.zeros((size[0], width, 3), np.int32)
    for index, weight in zip(rows.index, rows.weight, strict=True):
        tall += image[index].astype(np.int32) * weight[:, None, None]
    total = np.zeros((*size, 3), np.int32)
    for index, weight in zip(columns.index, columns.weight, strict=True):
        total += tall[:, index] * weight[None, :, None]
    area = height * width
    return ((total + area // 2) // area).astype(np.uint8)


def crop_and_resize(
    image: UInt8[np.ndarray, "h w 3"], crop: Crop, size: tuple[int, int]
) -> UInt8[np.ndarray, "new_h new_w 3"]:
    """The part of a raw picture that is recorded, at the size it is recorded in."""
    top, bottom, left, right = crop_bounds(crop, *image.shape[:2])
    return resize(image[top:bottom, left:right], size)
