"""The newest observation a policy may act on: pictures of all cameras that belong together, and the arm's state."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROBOT = "robot"
KEPT_S = 0.5
SILENT_S = 0.1
"""A camera that is further behind the others is on its own: its age shall show, and theirs not grow with it."""
NOTHING = np.zeros(0)


@dataclass(frozen=True, eq=False)
class Observation:
    """Raw pictures by camera, and when each of them and the arm's state (`robot`) was taken, on the ROS clock."""

    images: dict[str, np.ndarray]  # uint8 (h, w, 3)
    stamps_s: dict[str, float]


class ObservationSync:
    """Keeps the last readings of each stream. Pictures of unlike age are never paired when better ones are there."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self._images: dict[str, deque[tuple[float, np.ndarray]]] = {camera: deque() for camera in cameras}
        self._states: deque[tuple[float, np.ndarray]] = deque()

    def add_image(self, camera: str, image: np.ndarray, stamp_s: float) -> None:
        """A raw picture; those of other cameras are ignored."""
        if camera in self._images:
            _keep(self._images[camera], (stamp_s, image))

    def add_state(self, stamp_s: float) -> None:
        _keep(self._states, (stamp_s, NOTHING))

    def newest(self) -> Observation:
        """The newest instant that every camera has a picture of (silent ones aside), with the readings nearest to it.

        Empty as long as a stream has not been heard.
        """
        if not self._states or not all(self._images.values()):
            return Observation({}, {})
        newest_s = [frames[-1][0] for frames in self._images.values()]
        at_s = max(min(newest_s), max(newest_s) - SILENT_S)
        found = {camera: _nearest(frames, at_s) for camera, frames in self._images.items()}
        stamps_s = {camera: stamp_s for camera, (stamp_s, _) in found.items()}
        state_s, _ = _nearest(self._states, at_s)
        return Observation({camera: image for camera, (_, image) in found.items()}, stamps_s | {ROBOT: state_s})


def _keep(items: deque, item: tuple[float, np.ndarray]) -> None:
    """In order of time; a stamp before the newest means that the clock was set back."""
    while items and items[-1][0] >= item[0]:
        items.pop()
    items.append(item)
    while items[0][0] < item[0] - KEPT_S:
        items.popleft()


def _nearest(items: deque, at_s: float) -> tuple[float, np.ndarray]:
    return min(items, key=lambda item: abs(item[0] - at_s))
