"""The exported policy behind one small class: fixed buffers, one thread, and no answer that was not checked.

What a policy node does with it, in this order:

1. `BundlePolicy.open(folder, ...)` and `refuse_other_rig(policy.manifest, rig)` when it is configured; a BundleError
   stops the node (faults 59, 60).
2. `policy.warm_up()` before it is armed.
3. every period: `policy.act({camera: raw rgb8 picture})`; an InferenceFault ends the episode with R2 (fault 57).
"""

import logging
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors  # pyright: ignore[reportAttributeAccessIssue]

from world4rl_core.errors import BundleError
from world4rl_core.runtime.bundle import AGAIN, FACTS_KEY, MODEL, Manifest, read_manifest, refuse_other_facts

logger = logging.getLogger(__name__)
Provider = Literal["auto", "cpu", "cuda", "tensorrt"]
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
ORT_ERRORS = (ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.InvalidProtobuf, ort_errors.InvalidGraph,
              ort_errors.NoSuchFile, ort_errors.NotImplemented, ort_errors.RuntimeException)  # fmt: skip
GPU_DEVICE = Path("/dev/nvidiactl")
"""There where NVIDIA's driver is loaded."""
OUTPUT = "action"
SLACK = 1e-6


class InferenceFault(Exception):
    """The policy cannot answer for this observation (fault 57); the arm must be held and the episode aborted."""


@dataclass(frozen=True)
class SessionConfig:
    """How a policy is run."""

    provider: str = "auto"
    """auto, cpu, cuda or tensorrt; `auto` takes CUDA where onnxruntime was built with it, else the CPU."""
    allow_cpu: bool = False
    """Go on when the wanted provider cannot be started and onnxruntime falls back to the CPU."""
    threads: int = 1
    """Threads inside one operator; they compete with the arm's own loop."""


class BundlePolicy:
    """The policy of a bundle. `act` maps raw pictures to one action in [-1, 1]; it allocates nothing but the answer.

    Not safe to call from two threads at once.
    """

    def __init__(self, session: onnxruntime.InferenceSession, manifest: Manifest) -> None:
        self.manifest = manifest
        self.provider: str = session.get_providers()[0]
        self._session = session
        self._shapes = {c.name: (c.height, c.width, 3) for c in manifest.facts.cameras}
        self._inputs = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.uint8))
            for name, shape in self._shapes.items()
        }
        self._action = np.zeros(manifest.facts.action.dim, np.float32)
        self._binding = session.io_binding()
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        self._binding.bind_output(
            OUTPUT, "cpu", 0, np.float32, self._action.shape, self._action.ctypes.data
        )  # straight into our array

    @classmethod
    def open(cls, folder: Path, config: SessionConfig = SessionConfig()) -> "BundlePolicy":
        """The policy of a bundle folder, on the provider that was asked for.

        Raises BundleError for a folder that is incomplete or changed, a graph that is not the manifest's, and for a
        provider that silently became the CPU.
        """
        manifest = read_manifest(folder)
        session = _start(folder / MODEL, config)
        inside = session.get_modelmeta().custom_metadata_map.get(FACTS_KEY)
        refuse_other_facts(inside, manifest, where=folder)
        _refuse_other_graph(session, manifest, where=folder)
        return cls(session, manifest)

    @property
    def action_dim(self) -> int:
        return len(self._action)

    def act(self, images: Mapping[str, np.ndarray]) -> np.ndarray:
        """The action (d,) float32 for one raw uint8 (h, w, 3) picture of each camera.

        Raises InferenceFault for missing, additional or other pictures and for an answer that is no action.
        """
        self._refuse_other_images(images)
        self._action.fill(np.nan)  # a run that writes nothing must not repeat the last answer
        try:
            for name, value in self._inputs.items():
                value.update_inplace(np.ascontiguousarray(images[name]))
            self._session.run_with_iobinding(self._binding)
        except (*ORT_ERRORS, RuntimeError) as error:
            raise InferenceFault(f"the policy could not be run: {error}") from error
        if not np.isfinite(self._action).all():
            raise InferenceFault(f"the policy answered {self._action.tolist()}; wanted finite numbers")
        if np.abs(self._action).max() > 1 + SLACK:
            raise InferenceFault(f"the policy answered {self._action.tolist()}; wanted numbers in [-1, 1]")
        return self._action.copy()

    def warm_up(self, runs: int = 3) -> float:
        """Runs on black pictures, whose first run is slow, and returns the seconds of the last run."""
        black = {name: np.zeros(shape, np.uint8) for name, shape in self._shapes.items()}
        elapsed = 0.0
        for _ in range(max(1, runs)):
            started = time.perf_counter()
            self.act(black)
            elapsed = time.perf_counter() - started
        return elapsed

    def _refuse_other_images(self, images: Mapping[str, np.ndarray]) -> None:
        if images.keys() != self._shapes.keys():
            raise InferenceFault(
                f"the policy needs cameras {', '.join(self._shapes)}; got {', '.join(images) or 'none'}"
            )
        for name, shape in self._shapes.items():
            image = images[name]
            if image.shape != shape or image.dtype != np.uint8:
                raise InferenceFault(f"camera {name}: wanted uint8 {shape}, got {image.dtype} {image.shape}")


def chosen_provider(asked: str) -> str:
    """onnxruntime's name of the provider that `asked` stands for; `auto` says where it leaves a GPU unused.

    Raises BundleError for an unknown one.
    """
    if asked == "auto":
        if PROVIDERS["cuda"] in onnxruntime.get_available_providers():
            return PROVIDERS["cuda"]
        if GPU_DEVICE.exists():
            logger.warning(
                "this machine has an NVIDIA GPU, but this onnxruntime can only use the CPU, and so will the policy: "
                "install onnxruntime-gpu in its place, or say --provider cpu"
            )
        return PROVIDERS["cpu"]
    if asked not in PROVIDERS:
        raise BundleError(f"unknown provider {asked!r}; known: auto, {', '.join(PROVIDERS)}")
    return PROVIDERS[asked]


def _start(path: Path, config: SessionConfig) -> onnxruntime.InferenceSession:
    wanted = chosen_provider(config.provider)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = config.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning steals the arm's core
    options.log_severity_level = 4  # what matters is raised below, in words
    fallback = [] if wanted == PROVIDERS["cpu"] else [PROVIDERS["cpu"]]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a provider that is not there: refused below
            session = onnxruntime.InferenceSession(str(path), options, providers=[wanted, *fallback])
    except (*ORT_ERRORS, ValueError, RuntimeError) as error:
        raise BundleError(f"{path}: onnxruntime cannot load it ({_first_line(error)}); {AGAIN}") from error
    used = session.get_providers()[0]
    if used != wanted and not config.allow_cpu:
        raise BundleError(
            f"{wanted} was asked for, but onnxruntime silently fell back to {used}; this onnxruntime offers "
            f"{', '.join(onnxruntime.get_available_providers())}: install onnxruntime-gpu with its CUDA libraries, "
            "or allow the CPU (--allow-cpu)"
        )
    return session


def _refuse_other_graph(session: onnxruntime.InferenceSession, manifest: Manifest, *, where: Path) -> None:
    facts = manifest.facts
    wanted = {c.name: ("tensor(uint8)", [c.height, c.width, 3]) for c in facts.cameras}
    wanted[OUTPUT] = ("tensor(float)", [facts.action.dim])
    found: dict[str, Any] = {item.name: (item.type, item.shape) for item in session.get_inputs()}
    found |= {item.name: (item.type, item.shape) for item in session.get_outputs()}
    if found != wanted:
        raise BundleError(f"{where / MODEL}: has {found}, the manifest says {wanted}; {AGAIN}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
