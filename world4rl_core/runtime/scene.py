"""Whether the scene in front of a camera is the one that was asked for: overlay for a person, camera shift for us."""

import numpy as np
from jaxtyping import UInt8

STANDS_STILL = 0.25
"""Correlation without a shift, over the highest: .29 where the twin's cabinet moved, .2 where the camera did."""
Picture = UInt8[np.ndarray, "h w 3"]


def overlay(target: Picture, live: Picture) -> Picture:
    """The target in red over the live picture in cyan: grey where they agree."""
    red, cyan = _grey(target), _grey(live)
    return np.stack([red, cyan, cyan], axis=-1).round().astype(np.uint8)


def shift_px(reference: Picture, live: Picture) -> float:
    """How far the whole picture has moved, in pixels, up to half its size (phase correlation).

    What stands still decides: a moved object among a fixed background is no shift, however much of the picture it
    fills. Only where nothing is where it was has the camera moved.
    """
    window = np.outer(*(np.hanning(size) for size in reference.shape[:2]))
    first, second = (np.fft.rfft2((_grey(image) - _grey(image).mean()) * window) for image in (reference, live))
    cross = first * second.conj()
    peak = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), s=reference.shape[:2])
    if np.roll(peak, (1, 1), axis=(0, 1))[:3, :3].max() >= STANDS_STILL * peak.max():
        return 0.0
    row, column = np.unravel_index(int(peak.argmax()), peak.shape)
    moved = [min(at, size - at) for at, size in zip((row, column), peak.shape, strict=True)]
    return float(np.linalg.norm(moved))


def _grey(image: Picture) -> np.ndarray:
    return image.astype(np.float64).mean(axis=-1)
