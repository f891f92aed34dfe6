"""Nested training state as one safetensors file, written so that a kill at any moment leaves the old or the new one."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from world4rl_core.errors import CheckpointError

State = dict[str, Any]
_LEAF = "__tensor__"


def save_state(path: Path, state: State) -> None:
    """Writes a nest of dicts, lists, tensors and JSON values. Raises CheckpointError when the disk is full."""
    tensors: dict[str, Tensor] = {}
    skeleton = _split(state, "", tensors)
    payload = save(tensors, metadata={"world4rl": json.dumps(skeleton)})
    write_atomically(path, payload)


def load_state(path: Path, *, device: str | torch.device = "cpu") -> State:
    """The nest that `save_state` wrote. Raises CheckpointError when the file is missing or damaged."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; run the training that makes it first")
    try:
        with safe_open(str(path), framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            if "world4rl" not in metadata:
                raise CheckpointError(f"{path}: not written by World4RL; pass a checkpoint of `world4rl train`")
            return _join(json.loads(metadata["world4rl"]), file)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged checkpoint ({error}); restore it or train again") from error


def write_atomically(path: Path, payload: bytes) -> None:
    """Replaces `path` by a file with `payload`. Raises CheckpointError, and leaves the old file, on a full disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise CheckpointError(
                f"{path}: disk full, {len(payload) / 2**20:.0f} MiB wanted; free some space and run the same command"
            ) from error
        raise


def _split(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[name] = value.detach().contiguous().cpu().clone()
        return {_LEAF: name}
    if isinstance(value, dict):
        pairs = [[key, _split(item, f"{name}/{key}", tensors)] for key, item in value.items()]
        return {"__dict__": pairs}
    if isinstance(value, list | tuple):
        return [_split(item, f"{name}/{index}", tensors) for index, item in enumerate(value)]
    return value


def _join(skeleton: Any, file: Any) -> Any:
    if isinstance(skeleton, list):
        return [_join(item, file) for item in skeleton]
    if isinstance(skeleton, dict):
        if _LEAF in skeleton:
            return file.get_tensor(skeleton[_LEAF])
        return {key: _join(item, file) for key, item in skeleton["__dict__"]}
    return skeleton


def model_file(path: Path) -> Path:
    """The weight file of a run folder, or `path` itself when it is a file already."""
    if path.is_dir():
        if not (path / "model.safetensors").is_file():
            raise CheckpointError(f"{path}: the training there is not complete; run its command again to finish it")
        return path / "model.safetensors"
    return path


def load_model_state(path: Path, kind: str, *, device: str | torch.device = "cpu") -> State:
    """The state in a run folder or file. Raises CheckpointError when it is not of `kind`."""
    state = load_state(model_file(path), device=device)
    if state.get("kind") != kind:
        raise CheckpointError(f"{path}: holds a {state.get('kind')} checkpoint, wanted {kind}")
    return state


def load_weights(module: torch.nn.Module, weights: dict[str, Tensor], *, path: Path) -> None:
    """Fills the module. Raises CheckpointError when the architecture differs."""
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: made for another architecture: {error}") from error
