"""What a policy was trained on, and what must therefore be true of the rig that it runs on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from world4rl_core.data.reader import DatasetReader
from world4rl_core.errors import CheckpointError, DataError
from world4rl_core.files import sha256_of
from world4rl_core.nets.checkpoint import load_model_state, model_file
from world4rl_core.pixels import WHOLE
from world4rl_core.rig import Rig
from world4rl_core.runtime.bundle import BundleAction, BundleCamera, Facts, camera_of

RIG_MEANING = (
    *(f"translation {axis}, x translation_m" for axis in "xyz"),
    *(f"rotation vector {axis}, x rotation_rad" for axis in "xyz"),
    "gripper: -1 closed, +1 open",
)
RECORDED_FRAMES = 4


@dataclass(frozen=True)
class Trained:
    """What a policy's checkpoint tells."""

    path: Path
    sha256: str
    height: int
    width: int
    """Pixels of the frame it sees: all views side by side."""
    action_dim: int
    dataset_hash: str | None
    datasets: tuple[str, ...]
    training: dict[str, Any]

    @property
    def dataset(self) -> DatasetReader | None:
        """The first dataset it was trained on, or None when it is not where it was."""
        there = [Path(root) for root in self.datasets if (Path(root) / "meta" / "info.json").is_file()]
        return DatasetReader(there[0]) if there else None


def trained_with(policy: Path) -> Trained:
    """Reads a run folder or file. Raises CheckpointError when it is missing, damaged or of another kind."""
    path = model_file(policy)
    state = load_model_state(path, "policy")
    provenance = state.get("provenance", {})
    training = provenance.get("training", {})
    return Trained(
        path=path,
        sha256=sha256_of(path),
        height=state["config"]["height"],
        width=state["config"]["width"],
        action_dim=state["config"]["action_dim"],
        dataset_hash=provenance.get("data"),
        datasets=tuple(training.get("data", ())),
        training=training,
    )


def facts_of(trained: Trained, rig: Rig | None, *, cameras: Sequence[str] | None) -> Facts:
    """What must be true where this policy runs: cameras and action from the rig, else as its data was recorded.

    Raises CheckpointError or DataError when training, data and rig do not agree, RigError for an unknown camera.
    """
    reader = trained.dataset
    names = _cameras(trained, reader, cameras)
    if trained.width % len(names):
        raise CheckpointError(
            f"{trained.path}: a frame {trained.width} pixels wide cannot be {len(names)} equal views "
            f"({', '.join(names)}); pass --cameras as in its training"
        )
    chosen = [_recorded_camera(reader, name) for name in names] if rig is None else _of_rig(trained, reader, rig, names)
    return Facts(
        rig=None if rig is None else rig.name,
        robot_model=None if rig is None else rig.robot.model,
        cameras=tuple(chosen),
        view=(trained.height, trained.width // len(names)),
        action=_action(trained, reader, rig),
    )


def recorded_frames(trained: Trained, facts: Facts) -> list[dict[str, np.ndarray]]:
    """A few frames of the first episode of the training data, by camera; empty when the data is gone."""
    reader = trained.dataset
    if reader is None:
        return []
    images = reader.episode(0, cameras=[camera.name for camera in facts.cameras]).images
    rows = next(iter(images.values())).shape[0]
    chosen = np.unique(np.linspace(0, rows - 1, RECORDED_FRAMES).round().astype(int))
    return [{name: frames[row] for name, frames in images.items()} for row in chosen.tolist()]


def _cameras(trained: Trained, reader: DatasetReader | None, asked: Sequence[str] | None) -> list[str]:
    names = asked or trained.training.get("cameras") or (reader.cameras if reader is not None else None)
    if not names:
        raise CheckpointError(
            f"{trained.path}: which cameras it sees is unknown, and its data "
            f"({', '.join(trained.datasets) or 'not named'}) is not there; pass --cameras"
        )
    if len(set(names)) < len(names) or "action" in names:
        raise CheckpointError(
            f"{trained.path}: a camera is named twice or like the output ({', '.join(names)}); pass each view once"
        )
    return list(names)


def _recorded_camera(reader: DatasetReader | None, name: str) -> BundleCamera:
    """The camera as the dataset has it: its recorded picture is the raw one."""
    if reader is None:
        raise DataError("the data that the policy was trained on is not there; pass --rig, or put the data back")
    height, width = reader.image_size(name)
    return BundleCamera(name=name, height=height, width=width, crop=WHOLE, size=(height, width))


def _of_rig(trained: Trained, reader: DatasetReader | None, rig: Rig, names: Sequence[str]) -> list[BundleCamera]:
    chosen = [camera_of(rig.camera(name)) for name in names]
    wrong = []
    if trained.action_dim != rig.action.dim:
        wrong.append(f"the policy has {trained.action_dim} action dimensions, the rig {rig.action.dim}")
    if reader is not None and reader.fps != rig.action.rate_hz:
        wrong.append(f"its data was recorded at {reader.fps} Hz, the rig acts at {rig.action.rate_hz} Hz")
    for camera in chosen:
        recorded = None if reader is None else reader.image_size(camera.name)
        if recorded is not None and tuple(recorded) != camera.size:
            wrong.append(f"camera {camera.name} was recorded at {recorded}, the rig records {camera.size} pixels")
    if wrong:
        raise CheckpointError(
            f"{trained.path} does not fit rig {rig.name}: {'; '.join(wrong)}; export for the rig of its data"
        )
    return chosen


def _action(trained: Trained, reader: DatasetReader | None, rig: Rig | None) -> BundleAction:
    if rig is None:
        rate_hz = reader.fps if reader is not None else 0.0
        meaning = tuple(f"action dimension {index} of the simulator" for index in range(trained.action_dim))
        return BundleAction(dim=trained.action_dim, rate_hz=rate_hz, meaning=meaning)
    return BundleAction(
        dim=rig.action.dim,
        rate_hz=rig.action.rate_hz,
        meaning=RIG_MEANING,
        translation_m=rig.action.translation_m,
        rotation_rad=rig.action.rotation_rad,
        frame=rig.action.frame,
    )
