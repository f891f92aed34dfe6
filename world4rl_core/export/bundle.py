"""`world4rl export`: a trained policy as a deployment bundle that proves itself, or no bundle at all."""

import hashlib
import json
import logging
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from world4rl_core import __version__
from world4rl_core.config_json import to_json
from world4rl_core.errors import BundleError, ConfigError
from world4rl_core.export.geometry import Trained, facts_of, recorded_frames, trained_with
from world4rl_core.export.graph import Deployed
from world4rl_core.export.onnx import Images, parity_error, to_onnx
from world4rl_core.export.pictures import golden_pictures, random_pictures
from world4rl_core.files import sync_folder, write_failure
from world4rl_core.pixels import crop_and_resize, resize
from world4rl_core.policy.actor_critic import ImagePolicy, load_policy
from world4rl_core.rig import Rig, load_rig
from world4rl_core.runtime.bundle import (
    FACTS_KEY,
    GOLDEN,
    MANIFEST,
    MODEL,
    SCHEMA,
    Facts,
    Manifest,
    Origin,
    Parity,
    read_manifest,
)
from world4rl_core.runtime.inference import OUTPUT

logger = logging.getLogger(__name__)
PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Config:
    """Options of `world4rl export`."""

    policy: Path
    """Run folder of a cloned or refined policy."""
    out: Path
    """The bundle's folder; there afterwards only when every check has passed."""
    rig: str | None = None
    """Rig that the policy will run on. Without one, the bundle can be checked but not deployed."""
    cameras: tuple[str, ...] | None = None
    """Views in the policy's frame, left to right (default: those of its training)."""
    random_inputs: int = 1000
    """Random pictures on which ONNX and the original are compared."""
    tolerance: float = 1e-4
    """Largest difference of an action allowed."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.random_inputs < 1:
            raise ConfigError(f"random_inputs must be at least 1, got {self.random_inputs}; a bundle proves itself")


def run(config: Config) -> Path:
    """Writes the bundle and returns its folder.

    Raises BundleError, and leaves nothing behind, when ONNX and the original differ by more than the tolerance, the
    folder is taken or the disk is full; CheckpointError or RigError when policy, data and rig do not fit together.
    """
    return export_for(None if config.rig is None else load_rig(config.rig), config)


def export_for(rig: Rig | None, config: Config) -> Path:
    """`run` for a rig that has been read already."""
    trained = trained_with(config.policy)
    facts = facts_of(trained, rig, cameras=config.cameras)
    if config.out.exists():
        return _same_bundle(config.out, trained, facts)
    graph, original = (
        Deployed(load_policy(config.policy), facts.cameras, view=facts.view).eval(),
        Original(config, facts),
    )
    example = [torch.zeros(camera.height, camera.width, 3, dtype=torch.uint8) for camera in facts.cameras]
    names = [camera.name for camera in facts.cameras]
    payload = to_onnx(graph, example, inputs=names, output=OUTPUT, metadata={FACTS_KEY: json.dumps(to_json(facts))})
    golden = golden_pictures(facts.cameras, recorded_frames(trained, facts), noisy=len(names) + 3, seed=config.seed)
    parity = _parity(config, facts, payload, golden, original)
    write_bundle(config.out, payload, golden=golden, actions=[original(images) for images in golden],
                 manifest=_manifest(facts, trained, parity))  # fmt: skip
    return config.out


class Original:
    """The policy as training and simulators call it, behind the recorder's own crop and resize."""

    def __init__(self, config: Config, facts: Facts) -> None:
        self._policy, self._facts = ImagePolicy(load_policy(config.policy)), facts

    def __call__(self, images: Images) -> np.ndarray:
        views = [
            resize(crop_and_resize(images[camera.name], camera.crop, camera.size), self._facts.view)
            for camera in self._facts.cameras
        ]
        return self._policy.act(np.concatenate(views, axis=1), np.zeros(0, np.float32))


def _parity(config: Config, facts: Facts, payload: bytes, golden: Sequence[Images], original: Original) -> Parity:
    noise = random_pictures(facts.cameras, config.random_inputs, rng=np.random.default_rng([config.seed, 1]))
    parity = Parity(
        golden=parity_error(payload, golden, original),
        random=parity_error(payload, noise, original),
        random_inputs=config.random_inputs,
        tolerance=config.tolerance,
    )
    if not max(parity.golden, parity.random) <= config.tolerance:
        raise BundleError(
            f"ONNX and the original policy differ by {parity.golden:.2e} on golden and {parity.random:.2e} on random "
            f"pictures, allowed {config.tolerance:.2e}; nothing was written: report it with the versions of torch "
            "and onnxruntime"
        )
    return parity


def _manifest(facts: Facts, trained: Trained, parity: Parity) -> Manifest:
    versions = {"world4rl-core": __version__, "python": platform.python_version()}
    return Manifest(
        schema=SCHEMA,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        facts=facts,
        origin=Origin(
            checkpoint_sha256=trained.sha256,
            dataset_hash=trained.dataset_hash,
            datasets=tuple(trained.datasets),
            training=trained.training,
        ),
        parity=parity,
        files={},
        versions=versions | {name: metadata.version(name) for name in PACKAGES},
    )


def write_bundle(
    out: Path, payload: bytes, *, golden: Sequence[Images], actions: Sequence[np.ndarray], manifest: Manifest
) -> None:
    """Writes all files beside `out` and moves them there together. Raises BundleError when the disk is full."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        (partial / MODEL).write_bytes(payload)
        arrays = {name: np.stack([images[name] for images in golden]) for name in golden[0]}
        with (partial / GOLDEN).open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays, **{OUTPUT: np.stack(actions)})  # pyright: ignore
        files = {name: hashlib.sha256((partial / name).read_bytes()).hexdigest() for name in (MODEL, GOLDEN)}
        whole = to_json(manifest) | {"files": files}
        (partial / MANIFEST).write_text(json.dumps(whole, indent=1) + "\n")
        for path in (*partial.iterdir(), partial):
            sync_folder(path)
        partial.rename(out)
        sync_folder(out.parent)
    except OSError as cause:
        raise BundleError(write_failure(out, cause, kept="no bundle was written")) from cause
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _same_bundle(out: Path, trained: Trained, facts: Facts) -> Path:
    """The bundle that is there, when it is the one asked for. Raises BundleError for anything else at `out`."""
    found = read_manifest(out)
    if found.origin.checkpoint_sha256 != trained.sha256 or found.facts != facts:
        raise BundleError(f"{out}: holds the bundle of another policy or rig; choose another --out or delete it")
    logger.info("%s: is already the bundle of this policy", out)
    return out
