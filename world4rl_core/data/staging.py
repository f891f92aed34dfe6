"""Crash-safe commits: files are staged and sealed under `.partial/`, then moved into place, `info.json` last.

A sealed stage is a redo log: whatever a crash interrupted, moving the remaining files completes the commit.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from world4rl_core.data.layout import INFO, PARTIAL, QUARANTINE
from world4rl_core.errors import DataError

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
REASON = "reason.txt"


class Stage:
    """Files of one commit, side by side in `.partial/<name>/`, each named after its place under the root."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.folder = root / PARTIAL / name

    @property
    def is_sealed(self) -> bool:
        """Whether everything the commit needs is on disk: the staged info.json is the last file written."""
        return self._staged(INFO).is_file()

    def path(self, relative: Path) -> Path:
        """Where to write the file that will lie at `relative`."""
        if not self.folder.is_dir():
            _make_folder(self.folder, self.root)
        return self._staged(relative)

    def seal(self, info: dict[str, Any]) -> None:
        """Flush every staged file to disk, then add info.json: from here on the commit survives a crash."""
        unsealed = self.path(INFO.with_suffix(".unsealed"))
        unsealed.write_text(json.dumps(info, indent=4) + "\n")
        for path in self.folder.iterdir():
            _fsync(path)
        os.replace(unsealed, self._staged(INFO))
        _fsync(self.folder)

    def commit(self) -> None:
        """Move the files of a sealed stage into place, info.json last; may be repeated after a crash."""
        files = [Path(unquote(path.name)) for path in sorted(self.folder.iterdir())]
        for folder in {self._move(relative) for relative in files if relative != INFO}:
            _fsync(folder)
        _fsync(self._move(INFO))
        self.discard()

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _staged(self, relative: Path) -> Path:
        return self.folder / quote(str(relative), safe="")

    def _move(self, relative: Path) -> Path:
        target = self.root / relative
        if not target.parent.is_dir():
            _make_folder(target.parent, self.root)
        os.replace(self._staged(relative), target)
        return target.parent


def _make_folder(folder: Path, root: Path) -> None:
    """Create `folder` below `root` so that its entry in every parent survives a crash."""
    folder.mkdir(parents=True, exist_ok=True)
    for parent in folder.relative_to(root).parents:
        _fsync(root / parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def complete_or_quarantine(root: Path) -> list[str]:
    """Finish every sealed stage a crash left behind and set aside the others; returns one line for each."""
    partial = root / PARTIAL
    lines = []
    for folder in sorted(partial.iterdir()) if partial.is_dir() else []:
        stage = Stage(root, folder.name)
        if stage.is_sealed:
            stage.commit()
            lines.append(f"{folder.name}: was complete, is now counted")
        elif not any(folder.iterdir()):
            stage.discard()
        else:
            reason = "the recorder stopped while it was writing this"
            lines.append(quarantine(root, folder.name, [Path(PARTIAL) / folder.name], reason=reason))
    return lines


def quarantine(root: Path, name: str, paths: list[Path], *, reason: str) -> str:
    """Move `paths` (relative to the root) into `.quarantine/<name>/` with the reason beside them; returns one line."""
    folder = root / QUARANTINE / name
    attempt = 1
    while folder.exists():
        attempt += 1
        folder = root / QUARANTINE / f"{name}-{attempt}"
    folder.mkdir(parents=True)
    for path in paths:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(root / path, target)
    (folder / REASON).write_text(reason + "\n")
    return f"{name}: {reason}; moved to {folder.relative_to(root)}"


@contextlib.contextmanager
def write_errors_named(folder: Path, *, needed_bytes: int, kept: str) -> Iterator[None]:
    """Turn a full disk, or a refusing one, into a DataError naming the folder, the bytes needed and what is safe."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise DataError(f"{folder}: cannot write ({error}); {kept}; check the path and its rights") from error
        existing = next(path for path in (folder, *folder.resolve().parents) if path.exists())
        free_mib = shutil.disk_usage(existing).free / 2**20
        raise DataError(
            f"{folder}: no space for about {needed_bytes} bytes ({needed_bytes / 2**20:.1f} MiB), "
            f"{free_mib:.1f} MiB are free ({error.strerror}); {kept}; free some space or use another folder"
        ) from error


def lock(root: Path) -> int:
    """Hold the dataset for one writer; returns the descriptor to close. Raises DataError when another one has it."""
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise DataError(f"{root}: another process is recording into this dataset; wait for it or stop it") from error
    except OSError:
        pass  # a file system without locks (some network mounts): record without the protection
    return descriptor
