"""A run folder: resolved config, log, TensorBoard, checkpoints; the same command continues where it stopped.

config.json            what was asked for, resolved
log.jsonl              one object a logged step
events.out.tfevents.*  the same for TensorBoard
checkpoint.safetensors newest training state: weights, optimiser, step, which data
model.safetensors      the result; there only when the run is complete
iterates/              of a refinement: the policy at each evaluation
.lock                  held by the process that trains here
"""

import fcntl
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from world4rl_core import progress
from world4rl_core.config_json import from_json, to_json
from world4rl_core.errors import ConfigError
from world4rl_core.nets.checkpoint import State, load_state, save_state, write_atomically
from world4rl_core.train.distributed import World

logger = logging.getLogger(__name__)
MODEL, CHECKPOINT, LOG, CONFIG = "model.safetensors", "checkpoint.safetensors", "log.jsonl", "config.json"
DATA_HASH = "data_hash"
EPHEMERAL = ("out", "device", "save_every_s", "override_trust")


class Run:
    """The folder of one training. Only the main process writes.

    Raises ConfigError when the folder holds a run with another config.
    """

    def __init__(self, folder: Path, *, kind: str, config: Any, world: World) -> None:
        self.folder, self.kind, self.world = folder, kind, world
        self.save_every_s: float = getattr(config, "save_every_s", 30.0)
        self._saved_s = time.monotonic()
        self._resolved = {"kind": kind, **to_json(config)}
        if (folder / CONFIG).is_file():
            _refuse_other_config(_asked_before(folder / CONFIG, kind, type(config)), self._resolved, folder)
        self._writer: SummaryWriter | None = None
        self._lock: IO[str] | None = None
        self._data = ""

    @property
    def is_complete(self) -> bool:
        """Whether the result has been written."""
        return (self.folder / MODEL).is_file()

    @property
    def has_state(self) -> bool:
        """Whether there is something to continue from."""
        return (self.folder / CHECKPOINT).is_file()

    def resume(self, *, data: str) -> State | None:
        """The newest training state, or None at the start; the log is cut back to it.

        To be called when everything that could be refused has been checked: it is what claims the folder.
        data: the hash of the frame cache (`FrameCache.hash`), kept in every state from here on.
        Raises ConfigError while another process trains in it, and where the state is of a training on other data.
        """
        if self.world.is_main:
            self._lock = _claim(self.folder)
        state = load_state(self.folder / CHECKPOINT) if self.has_state else None
        if state is not None and state.get(DATA_HASH, data) != data:
            raise ConfigError(
                f"{self.folder}: the datasets are not as they were when this training was interrupted, so episodes "
                "held out then could train now; restore them, or train anew: choose another --out or delete the folder"
            )
        self._data = data
        step = -1 if state is None else int(state["step"])
        if self.world.is_main:
            write_atomically(self.folder / CONFIG, json.dumps(self._resolved, indent=1).encode())
            self._cut_log(step)
            self._writer = SummaryWriter(str(self.folder), purge_step=step + 1)
        if state is not None:
            logger.info("continuing %s at step %d", self.folder, step)
        return state

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Appends one line to the log and to TensorBoard."""
        if not self.world.is_main:
            return
        with (self.folder / LOG).open("a") as file:
            file.write(json.dumps({"step": step, **{key: float(value) for key, value in figures.items()}}) + "\n")
        if self._writer is not None:
            for key, value in figures.items():
                self._writer.add_scalar(key, value, step)

    def save(self, state: State) -> None:
        """Replaces the training state; `state["step"]` counts finished steps."""
        if self.world.is_main:
            save_state(self.folder / CHECKPOINT, state | {DATA_HASH: self._data})
        self._saved_s = time.monotonic()

    def keep(self, name: str, state: State) -> None:
        """Writes a state that stays, beside the newest one."""
        if self.world.is_main:
            save_state(self.folder / name, state)

    def save_if_due(self, make_state: Callable[[], State]) -> None:
        """Saves when `save_every_s` have passed since the last time."""
        if self.world.is_main and time.monotonic() - self._saved_s >= self.save_every_s:
            self.save(make_state())

    def finish(self, state: State) -> None:
        """Writes the result; after this the run is complete and its training state is removed."""
        if self.world.is_main:
            save_state(self.folder / MODEL, state)
            (self.folder / CHECKPOINT).unlink(missing_ok=True)
            if self._writer is not None:
                self._writer.close()
            if self._lock is not None:
                self._lock.close()
        self.world.barrier()

    def progress(self, total: int, *, done: int, unit: str = "step") -> "tqdm[Any]":
        """A bar with rate and time left; silent in all but the main process."""
        return progress.bar(total=total, initial=done, unit=unit, desc=self.kind, disable=not self.world.is_main)

    def _cut_log(self, step: int) -> None:
        path = self.folder / LOG
        if not path.is_file():
            return
        lines = [line for line in path.read_text().splitlines() if line.endswith("}")]
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        write_atomically(path, "".join(line + "\n" for line in kept).encode())


def _claim(folder: Path) -> IO[str]:
    """The folder's lock, which ends with this process at the latest, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / ".lock").open("a")
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise ConfigError(f"another process is training in {folder}; wait for it, or pass another --out") from error
    return lock


def _asked_before(file: Path, kind: str, config: type) -> dict[str, Any]:
    """The config in a run folder; an option that is newer than the folder has its default there.

    Raises ConfigError where it is the folder of another kind of run.
    """
    found = json.loads(file.read_text())
    if (other := found.pop("kind")) != kind:
        raise ConfigError(f"{file.parent} holds a {other} run, not a {kind} one; choose another --out")
    return {"kind": kind, **to_json(from_json(config, found, where=str(file)))}


def _refuse_other_config(found: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    differing = [
        key for key in sorted({*found, *wanted} - set(EPHEMERAL)) if found.get(key, "unset") != wanted.get(key, "unset")
    ]
    if differing:
        key = differing[0]
        raise ConfigError(
            f"{folder} holds a run with another config: {key} was {found.get(key, 'unset')}, now "
            f"{wanted.get(key, 'unset')}; choose another --out or delete the folder"
        )
