"""The deployment bundle as the robot reads it: what it holds, whether it is whole, and whether it fits the rig.

policy.onnx    one uint8 input a camera, one float32 output `action`; crop, resize, normalisation and clipping inside
manifest.json  what the policy needs to be true of the rig, and where it comes from
golden.npz     inputs `<camera>` (n, h, w, 3) and the original policy's `action` (n, d) for them
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from world4rl_core.config_json import from_json, to_json
from world4rl_core.errors import BundleError, CheckpointError
from world4rl_core.files import sha256_of
from world4rl_core.pixels import Crop
from world4rl_core.rig import CameraRig, Rig

SCHEMA = 1
MODEL, MANIFEST, GOLDEN = "policy.onnx", "manifest.json", "golden.npz"
FACTS_KEY = "world4rl_facts"
AGAIN = "export the policy again with `world4rl export`"


@dataclass(frozen=True)
class BundleCamera:
    """One camera, from the raw picture to what was recorded of it."""

    name: str
    height: int
    width: int
    """Pixels of the raw picture."""
    crop: Crop
    """(top, bottom, left, right) shares of the raw picture that the recorder kept."""
    size: tuple[int, int]
    """Height and width of the recorded picture."""
    serial: str | None = None
    mount: str | None = None
    exposure_us: float | None = None


@dataclass(frozen=True)
class BundleAction:
    """What the numbers of the output mean; one action lasts 1 / rate_hz."""

    dim: int
    rate_hz: float
    meaning: tuple[str, ...]
    """One phrase a dimension."""
    translation_m: float | None = None
    """Displacement of the end effector by an action of 1; None without a rig."""
    rotation_rad: float | None = None
    frame: str | None = None


@dataclass(frozen=True)
class Facts:
    """What must be true of the rig; stored in the manifest and again inside the ONNX file."""

    rig: str | None
    """None for a policy that was trained in a simulator without a rig: it can be checked, not deployed."""
    robot_model: str | None
    cameras: tuple[BundleCamera, ...]
    """In the order of the views in the policy's frame, left to right."""
    view: tuple[int, int]
    """Height and width of one view in the policy's frame."""
    action: BundleAction
    normalisation: str = "image: x / 127.5 - 1; action: trained in [-1, 1], clipped to it"


@dataclass(frozen=True)
class Origin:
    """Where the policy comes from."""

    checkpoint_sha256: str
    dataset_hash: str | None
    """Names the content of the frames it was trained on."""
    datasets: tuple[str, ...]
    training: dict[str, Any]
    """The resolved configuration of its training."""


@dataclass(frozen=True)
class Parity:
    """Largest differences between ONNX and the original policy, of any action dimension."""

    golden: float
    random: float
    random_inputs: int
    tolerance: float


@dataclass(frozen=True)
class Manifest:
    """manifest.json."""

    schema: int
    created: str
    facts: Facts
    origin: Origin
    parity: Parity
    files: dict[str, str]
    """SHA-256 of each other file of the bundle."""
    versions: dict[str, str]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle whose files are those it names. Raises BundleError saying what to do."""
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder}: no deployment bundle there ({MANIFEST} is missing); {AGAIN}")
    try:
        found = json.loads(path.read_text())
        if isinstance(found, dict) and found.get("schema") != SCHEMA:
            raise BundleError(f"{path}: schema {found.get('schema')}, this version reads {SCHEMA}; {AGAIN}")
        manifest = from_json(Manifest, found, where=str(path))
    except (OSError, ValueError, TypeError, CheckpointError) as error:
        raise BundleError(f"{path}: damaged ({error}); {AGAIN}") from error
    _refuse_changed_files(folder, manifest)
    return manifest


def _refuse_changed_files(folder: Path, manifest: Manifest) -> None:
    wrong = []
    for name in (MODEL, GOLDEN):
        if not (folder / name).is_file():
            wrong.append(f"{name} is missing")
        elif sha256_of(folder / name) != manifest.files.get(name):
            wrong.append(f"{name} has changed since the export")
    if wrong:
        raise BundleError(f"{folder}: {'; '.join(wrong)}; {AGAIN}")


def refuse_other_facts(inside: str | None, manifest: Manifest, *, where: Path) -> None:
    """Raises BundleError unless the facts inside the ONNX file are the manifest's, which anybody could edit."""
    try:
        found = json.loads(inside or "{}")
    except ValueError as error:
        raise BundleError(f"{where / MODEL}: its facts cannot be read ({error}); {AGAIN}") from error
    wanted = to_json(manifest.facts)
    differing = [key for key in sorted({*found, *wanted}) if found.get(key) != wanted.get(key)]
    if differing:
        raise BundleError(
            f"{where / MANIFEST}: {', '.join(differing)} differ from what {MODEL} was exported with; {AGAIN}"
        )


def refuse_other_rig(manifest: Manifest, rig: Rig) -> None:
    """Raises BundleError with every disagreement between bundle and rig."""
    found = disagreements(manifest.facts, rig)
    if found:
        listed = "".join(f"\n  {line}" for line in found)
        raise BundleError(
            f"the bundle does not fit rig {rig.name}:{listed}\n"
            f"use the rig it was exported for, or train on data of this one and run "
            f"`world4rl export --policy RUN --rig {rig.name} --out BUNDLE`"
        )


def disagreements(facts: Facts, rig: Rig) -> list[str]:
    """One line for each fact of the rig that is not what the policy needs; empty when it may run."""
    if facts.rig is None:
        return ["the bundle was exported without a rig: it names no serial numbers and no action scale"]
    lines = _differing("", {"rig": facts.rig, "robot model": facts.robot_model}, {
        "rig": rig.name, "robot model": rig.robot.model,
    })  # fmt: skip
    action = facts.action
    lines += _differing(
        "action ",
        {
            "dimension": action.dim, "rate_hz": action.rate_hz, "translation_m": action.translation_m,
            "rotation_rad": action.rotation_rad, "frame": action.frame,
        },
        {
            "dimension": rig.action.dim, "rate_hz": rig.action.rate_hz, "translation_m": rig.action.translation_m,
            "rotation_rad": rig.action.rotation_rad, "frame": rig.action.frame,
        },
    )  # fmt: skip
    there = {camera.name: camera for camera in rig.cameras}
    for camera in facts.cameras:
        if camera.name not in there:
            lines.append(f"camera {camera.name}: the rig has none of that name, only {', '.join(there)}")
            continue
        wanted = to_json(camera)
        found = to_json(camera_of(there[camera.name]))
        lines += _differing(f"camera {camera.name}: ", wanted, found)
    return lines


def camera_of(camera: CameraRig) -> BundleCamera:
    """A camera of the rig file as a bundle states it."""
    return BundleCamera(
        name=camera.name,
        height=camera.height,
        width=camera.width,
        crop=camera.crop,
        size=(camera.size, camera.size),
        serial=camera.serial,
        mount=camera.mount,
        exposure_us=camera.exposure_us,
    )


def _differing(prefix: str, bundle: dict[str, Any], rig: dict[str, Any]) -> list[str]:
    return [
        f"{prefix}{key} is {value} in the bundle, {rig[key]} in the rig"
        for key, value in bundle.items()
        if value != rig[key]
    ]
