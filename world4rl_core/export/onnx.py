"""A policy as ONNX: uint8 image in, clipped action out, checked against the original."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from world4rl_core.errors import CheckpointError
from world4rl_core.nets.checkpoint import write_atomically
from world4rl_core.nets.image import to_frames
from world4rl_core.policy.actor_critic import GaussianPolicy, load_policy

OPSET = 18


@dataclass(frozen=True)
class Config:
    """Options of `world4rl export`."""

    policy: Path
    """Run folder of a cloned or refined policy."""
    out: Path
    """The ONNX file to write."""
    checks: int = 100
    """Random images on which ONNX and torch are compared."""
    tolerance: float = 1e-4
    """Largest difference of an action allowed."""


class Deployed(nn.Module):
    """The policy with conversion and clipping inside: uint8 (n, h, w, 3) to action (n, d) in [-1, 1]."""

    def __init__(self, policy: GaussianPolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, image: Tensor) -> Tensor:
        return self.policy(to_frames(image)).clamp(-1.0, 1.0)


def run(config: Config) -> Path:
    """Writes the file. Raises CheckpointError, and writes nothing, when ONNX and torch differ too much."""
    deployed = Deployed(load_policy(config.policy)).eval()
    shape = deployed.policy.config
    example = torch.zeros(2, shape.height, shape.width, 3, dtype=torch.uint8)
    payload = to_onnx(deployed, example)
    error = parity_error(deployed, payload, shape=tuple(example.shape[1:]), checks=config.checks)
    if error > config.tolerance:
        raise CheckpointError(
            f"ONNX and torch actions differ by {error:.2e}, allowed {config.tolerance:.2e}; not exported"
        )
    write_atomically(config.out, payload)
    return config.out


def to_onnx(module: nn.Module, example: Tensor) -> bytes:
    """The module as an ONNX model with a free batch dimension, input `image`, output `action`."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)  # it warns of every library that is not installed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, (example,), input_names=["image"], output_names=["action"], opset_version=OPSET, dynamo=True,
            dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1)}}, verbose=False,
        )  # fmt: skip
    exporter.setLevel(level)
    if program is None:
        raise CheckpointError("torch could not express the policy as ONNX")
    return program.model_proto.SerializeToString()


def parity_error(module: nn.Module, payload: bytes, *, shape: tuple[int, ...], checks: int, seed: int = 0) -> float:
    """Largest absolute difference between ONNX (CPU) and torch over random images and a black and a white one."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(payload, options, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(seed).integers(0, 256, (checks, *shape), dtype=np.uint8)
    images = np.concatenate([images, np.zeros_like(images[:1]), np.full_like(images[:1], 255)])
    with torch.no_grad():
        wanted = module(torch.from_numpy(images)).numpy()
    got = session.run(None, {"image": images})[0]
    difference = float(np.abs(np.asarray(got) - wanted).max())
    return difference if np.isfinite(difference) else float("inf")
