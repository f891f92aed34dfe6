"""Files that are whole or absent, also after a kill or a full disk."""

import contextlib
import errno
import hashlib
import os
from pathlib import Path

from world4rl_core.errors import World4RLError

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def replace_file(path: Path, payload: bytes, *, error: type[World4RLError], kept: str) -> None:
    """Replaces `path` by a file with `payload`, durable when this returns. Any failure leaves the old file.

    Raises `error`, which says that `kept` is safe, when the disk is full or refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as cause:
        with contextlib.suppress(OSError):  # where the folder is no folder
            temporary.unlink(missing_ok=True)
        raise error(write_failure(path, cause, kept=kept)) from cause


def write_failure(path: Path, cause: OSError, *, kept: str) -> str:
    """What to tell a person whose disk did not take a file."""
    if cause.errno in NO_SPACE:
        return f"{path}: the disk is full; {kept}; free some space and run the same command again"
    return f"{path}: cannot write ({cause.strerror}); {kept}; check the path and its rights"


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
