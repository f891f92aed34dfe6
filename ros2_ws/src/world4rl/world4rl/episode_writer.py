"""The thread that writes finished episodes, so that recording never waits for the disk."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from world4rl_core.data.layout import IMAGE_PREFIX, INFO, read_info
from world4rl_core.data.robot_episode import to_episode
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.errors import DataError, World4RLError
from world4rl_core.pixels import crop_and_resize
from world4rl_core.rig import Rig
from world4rl_core.robot.step import Step
from world4rl_core.runtime.episode import Finished


def open_dataset(root: Path, rig: Rig) -> DatasetWriter:
    """A new dataset, or one to add to. Raises DataError for a folder of another schema, rate or set of cameras."""
    fps = rig.action.rate_hz
    if not (root / INFO).exists():
        return DatasetWriter.create(root, fps=fps, robot_type=rig.robot.model)
    info = read_info(root)
    if info["fps"] != fps:
        raise DataError(f"{root}: has {info['fps']} rows a second, this rig records {fps}; use another folder")
    known = {key: tuple(one["shape"]) for key, one in info["features"].items() if key.startswith(IMAGE_PREFIX)}
    ours = {f"{IMAGE_PREFIX}{camera.name}": (camera.size, camera.size, 3) for camera in rig.cameras}
    if known and known != ours:
        raise DataError(f"{root}: has the pictures {known}, this rig records {ours}; use another folder")
    return DatasetWriter.open(root)


def as_recorded(step: Step, rig: Rig) -> Step:
    """The step with each picture cropped and resized as the rig file says."""
    cameras = {
        camera.name: replace(
            step.cameras[camera.name],
            image=crop_and_resize(step.cameras[camera.name].image, camera.crop, (camera.size, camera.size)),
        )
        for camera in rig.cameras
    }
    return replace(step, cameras=cameras)


class EpisodeWriter:
    """One episode after the other into one dataset; `on_written(outcome, problem)` is called in the thread."""

    def __init__(self, dataset: DatasetWriter, *, seed: int, on_written: Callable[[str, str], None]) -> None:
        self._dataset, self._seed, self._on_written = dataset, seed, on_written
        self._queue: queue.SimpleQueue[Finished | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def write(self, finished: Finished) -> None:
        self._queue.put(finished)

    def close(self) -> None:
        """Writes what waits, then releases the dataset."""
        self._queue.put(None)
        self._thread.join()
        self._dataset.close()

    def _run(self) -> None:
        while (finished := self._queue.get()) is not None:
            self._on_written(finished.outcome, self._write(finished))

    def _write(self, finished: Finished) -> str:
        """What went wrong, or nothing."""
        steps: Sequence[Step] = finished.steps
        labels = {"task": finished.task, "source": finished.source, "outcome": finished.outcome}
        try:
            self._dataset.add(to_episode(steps, **labels, seed=self._seed, note=finished.note))
        except World4RLError as error:
            return str(error)
        return ""
