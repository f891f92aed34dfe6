"""The start scenes of a session: what each looked like the first time, to be arranged again for the next bundle."""

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from world4rl_core.errors import TrialError
from world4rl_core.evaluation.video import write_png
from world4rl_core.rig import Rig
from world4rl_core.runtime.scene import FEWEST_SCENES, overlay, shift_px

FOLDER, OVERLAYS = "scenes", "overlays"


class TrialScenes:
    """Pictures `scenes/<start>-<camera>.png`, which may be put there beforehand, and overlays beside the trials."""

    def __init__(self, session: Path, rig: Rig, *, max_shift_px: float) -> None:
        self._folder, self._rig, self._max_shift_px = session, rig, max_shift_px

    def target(self, start: int, camera: str) -> np.ndarray | None:
        """How the scene looked when it was first arranged; None before that."""
        path = self._path(start, camera)
        if not path.is_file():
            return None
        try:
            return np.asarray(Pillow.open(path).convert("RGB"))
        except OSError as error:
            raise TrialError(
                f"{path}: damaged ({error}); delete it, and the next trial's scene takes its place"
            ) from error

    def overlays(self, start: int, live: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The target over the live picture of each camera; the live picture alone where there is no target."""
        found = {}
        for camera, image in live.items():
            target = self.target(start, camera)
            found[camera] = image if target is None or target.shape != image.shape else overlay(target, image)
        return found

    def drift(self, start: int, live: dict[str, np.ndarray]) -> list[str]:
        """Fixed cameras that have moved since the session began, as far as its pictures tell."""
        found = []
        for camera in self._rig.cameras:
            if camera.mount != "fixed" or camera.name not in live:
                continue
            image, references = live[camera.name], self._references(start, camera.name)
            differing = [one for one in references if one.shape != image.shape]
            if differing:
                found.append(f"camera {camera.name} gives {image.shape}, the session began with {differing[0].shape}")
            elif references and (moved_px := shift_px(references, image)) > self._max_shift_px:
                found.append(
                    f"camera {camera.name} has moved by {moved_px:.0f} pixels since the session began, allowed "
                    f"{self._max_shift_px:g}; put it back"
                )
        return found

    def _references(self, start: int, camera: str) -> list[np.ndarray]:
        """The picture of this very scene, or those of the others where there are enough."""
        if (own := self.target(start, camera)) is not None:
            return [own]
        names = sorted(path.name for path in (self._folder / FOLDER).glob(f"[0-9][0-9][0-9][0-9]-{camera}.png"))
        others = [self.target(int(name[:4]), camera) for name in names]
        return [one for one in others if one is not None] if len(others) >= FEWEST_SCENES else []

    def keep(self, start: int, live: dict[str, np.ndarray], *, name: str) -> None:
        """The overlays of the trial that begins, and the scene itself where it is new."""
        for camera, image in self.overlays(start, live).items():
            write_png(self._folder / OVERLAYS / f"{name}-{camera}.png", image)
        for camera, image in live.items():
            if not self._path(start, camera).is_file():
                write_png(self._path(start, camera), image)

    def _path(self, start: int, camera: str) -> Path:
        return self._folder / FOLDER / f"{start:04d}-{camera}.png"
