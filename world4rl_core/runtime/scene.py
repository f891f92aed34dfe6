"""Whether the scene in front of a camera is the one that was asked for: overlay for a person, camera shift for us."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

STANDS_STILL = 0.25
"""Correlation without a shift, over the highest, from which on the camera stands. With three pictures of other scenes
it is at least .35 on every task of the twin; with one, a cabinet or toaster that fills the picture takes it to .06."""
FEWEST_SCENES = 3
"""Pictures of other scenes it takes to tell a moved camera from moved objects."""
Picture = UInt8[np.ndarray, "h w 3"]


def overlay(target: Picture, live: Picture) -> Picture:
    """The target in red over the live picture in cyan: grey where they agree."""
    red, cyan = _grey(target), _grey(live)
    return np.stack([red, cyan, cyan], axis=-1).round().astype(np.uint8)


def shift_px(references: Sequence[Picture], live: Picture) -> float:
    """How far the whole picture has moved, in pixels, up to half its size (phase correlation).

    references: what the camera saw before: one picture of this scene, or at least FEWEST_SCENES of other scenes. Their
    correlations are added: what stands still adds up, objects are elsewhere in each. What stands still decides: only
    where nothing is where it was has the camera moved.
    """
    window = np.outer(*(np.hanning(size) for size in live.shape[:2]))
    spectrum = _spectrum(live, window)
    cross = [_spectrum(reference, window) * spectrum.conj() for reference in references]
    whitened = sum(one / np.maximum(np.abs(one), 1e-9) for one in cross)
    peak = np.fft.irfft2(whitened, s=live.shape[:2])
    if np.roll(peak, (1, 1), axis=(0, 1))[:3, :3].max() >= STANDS_STILL * peak.max():
        return 0.0
    row, column = np.unravel_index(int(peak.argmax()), peak.shape)
    moved = [min(at, size - at) for at, size in zip((row, column), peak.shape, strict=True)]
    return float(np.linalg.norm(moved))


def _spectrum(image: Picture, window: np.ndarray) -> np.ndarray:
    grey = _grey(image)
    return np.fft.rfft2((grey - grey.mean()) * window)


def _grey(image: Picture) -> np.ndarray:
    return image.astype(np.float64).mean(axis=-1)
