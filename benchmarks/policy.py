"""Latency of a deployed policy, raw pictures to action: `python -m benchmarks.policy` prints one JSON line.

Without `--bundle`, an untrained policy of the usual architecture is exported for a rig with two 480x640 cameras that
are recorded at 128x128, the size at which crop and resize inside the graph cost most.
"""

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.timing import report
from world4rl_core.config_json import to_json
from world4rl_core.export.bundle import Config as ExportConfig
from world4rl_core.export.bundle import export_for
from world4rl_core.export.check import measure
from world4rl_core.nets.checkpoint import save_state
from world4rl_core.policy.actor_critic import GaussianPolicy, PolicyConfig
from world4rl_core.rig import Rig, load_rig
from world4rl_core.runtime.inference import BundlePolicy, SessionConfig


@dataclass(frozen=True)
class Config:
    """What is measured."""

    bundle: Path | None = None
    runs: int = 1000
    provider: str = "auto"
    threads: int = 1


def two_cameras() -> Rig:
    """The twin's rig with cameras of 480x640, cropped and recorded at 128x128."""
    rig = load_rig("twin")
    cameras = tuple(
        dataclasses.replace(camera, height=480, width=640, crop=(0.1, 1.0, 0.15, 0.85), size=128)
        for camera in rig.cameras
    )
    return dataclasses.replace(rig, cameras=cameras)


def made_up(folder: Path, rig: Rig) -> Path:
    """A bundle of an untrained policy on all cameras of the rig, side by side."""
    size = rig.cameras[0].size
    shape = PolicyConfig(height=size, width=size * len(rig.cameras), action_dim=7)
    training = {"cameras": [camera.name for camera in rig.cameras]}
    save_state(
        folder / "run" / "model.safetensors",
        {"kind": "policy", "config": to_json(shape), "weights": GaussianPolicy(shape).state_dict(),
         "provenance": {"training": training}},
    )  # fmt: skip
    return export_for(rig, ExportConfig(folder / "run", folder / "bundle", random_inputs=20))


def main(config: Config) -> dict[str, object]:
    """Measures, prints and returns the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        bundle = config.bundle or made_up(Path(scratch), two_cameras())
        policy = BundlePolicy.open(bundle, SessionConfig(provider=config.provider, threads=config.threads))
        latency = measure(policy, runs=config.runs)
    cameras = policy.manifest.facts.cameras
    figures: dict[str, object] = {
        "benchmark": "policy",
        "raw": [f"{camera.name} {camera.height}x{camera.width}" for camera in cameras],
        "frame": list(policy.manifest.facts.view),
        "latency_p50_ms": 1e3 * latency.p50_s,
        "latency_p99_ms": 1e3 * latency.p99_s,
        "runs": latency.runs,
        "provider": policy.provider,
        "session_threads": config.threads,
    }
    report(figures)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Config))
