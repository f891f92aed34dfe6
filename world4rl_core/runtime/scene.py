"""Whether the scene in front of a camera is the one that was asked for: overlay for a person, camera shift for us."""

import numpy as np
from jaxtyping import UInt8

Picture = UInt8[np.ndarray, "h w 3"]


def overlay(target: Picture, live: Picture) -> Picture:
    """The target in red over the live picture in cyan: grey where they agree."""
    red, cyan = _grey(target), _grey(live)
    return np.stack([red, cyan, cyan], axis=-1).round().astype(np.uint8)


def shift_px(reference: Picture, live: Picture) -> float:
    """How far the whole picture has moved, in pixels, up to half its size (phase correlation).

    What stands still decides: a moved object among a fixed background is no shift.
    """
    window = np.outer(*(np.hanning(size) for size in reference.shape[:2]))
    first, second = (np.fft.rfft2((_grey(image) - _grey(image).mean()) * window) for image in (reference, live))
    cross = first * second.conj()
    peak = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), s=reference.shape[:2])
    row, column = np.unravel_index(int(peak.argmax()), peak.shape)
    moved = [min(at, size - at) for at, size in zip((row, column), peak.shape, strict=True)]
    return float(np.linalg.norm(moved))


def _grey(image: Picture) -> np.ndarray:
    return image.astype(np.float64).mean(axis=-1)
