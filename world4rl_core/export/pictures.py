"""Raw pictures to compare an exported policy with the original on: recorded ones, plain ones, noise of all scales."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from world4rl_core.export.onnx import Images
from world4rl_core.pixels import crop_bounds
from world4rl_core.runtime.bundle import BundleCamera

BLOCKS = (1, 4, 16, 64)  # pixels that noise is enlarged by; fine noise alone would average to grey in every crop


def golden_pictures(
    cameras: Sequence[BundleCamera], recorded: Sequence[Mapping[str, np.ndarray]], *, noisy: int, seed: int
) -> list[Images]:
    """Recorded pictures put back into raw ones, then black, white and ramps, then `noisy` seeded ones."""
    raw = [{camera.name: raw_of(camera, frames[camera.name]) for camera in cameras} for frames in recorded]
    plain = [
        {camera.name: np.full((camera.height, camera.width, 3), level, np.uint8) for camera in cameras}
        for level in (0, 255)
    ]
    ramps = [{camera.name: _ramp(camera.height, camera.width) for camera in cameras}]
    return [*raw, *plain, *ramps, *random_pictures(cameras, noisy, rng=np.random.default_rng(seed))]


def random_pictures(cameras: Sequence[BundleCamera], count: int, *, rng: np.random.Generator) -> Iterator[Images]:
    """`count` times one picture a camera: noise in squares of 1 to 64 pixels, of varying brightness and contrast."""
    for number in range(count):
        block = BLOCKS[number % len(BLOCKS)]
        yield {camera.name: _noise(camera.height, camera.width, block, rng) for camera in cameras}


def raw_of(camera: BundleCamera, recorded: UInt8[np.ndarray, "_h _w 3"]) -> UInt8[np.ndarray, "_raw_h _raw_w 3"]:
    """A raw picture whose crop shows the recorded one, enlarged without smoothing; grey around it."""
    top, bottom, left, right = crop_bounds(camera.crop, camera.height, camera.width)
    rows = np.arange(bottom - top) * recorded.shape[0] // (bottom - top)
    columns = np.arange(right - left) * recorded.shape[1] // (right - left)
    raw = np.full((camera.height, camera.width, 3), 128, np.uint8)
    raw[top:bottom, left:right] = recorded[rows][:, columns]
    return raw


def _noise(height: int, width: int, block: int, rng: np.random.Generator) -> np.ndarray:
    low, high = np.sort(rng.integers(0, 257, 2))
    small = rng.integers(low, high + 1, (-(-height // block), -(-width // block), 3)).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(small.repeat(block, 0).repeat(block, 1)[:height, :width])


def _ramp(height: int, width: int) -> np.ndarray:
    rows, columns = np.linspace(0, 255, height)[:, None], np.linspace(255, 0, width)[None]
    return np.stack(np.broadcast_arrays(rows, columns, (rows + columns) / 2), axis=-1).astype(np.uint8)
