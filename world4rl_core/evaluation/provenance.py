"""Where a figure comes from: command, date, machine and versions, kept beside every measured number."""

import os
import platform
import shlex
import sys
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

import torch

from world4rl_core import __version__

PACKAGES = ("torch", "numpy", "gymnasium", "metaworld", "mujoco")


@dataclass(frozen=True)
class Provenance:
    """What somebody needs to repeat a measurement."""

    command: str
    date: str
    machine: str
    versions: dict[str, str]


def provenance(now: datetime) -> Provenance:
    """Describe this process; `now` becomes the date, in ISO 8601 with its offset."""
    called = Path(sys.argv[0])
    program = "python -m world4rl_core" if called.parent.name == "world4rl_core" else called.name
    versions = {"world4rl-core": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # the simulator is an optional dependency
            continue
    return Provenance(
        command=" ".join([program, *map(shlex.quote, sys.argv[1:])]),
        date=now.isoformat(timespec="seconds"),
        machine=f"{_processor()}, {_cores()} cores, {_accelerator()}, {platform.system()}",
        versions=versions,
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    """Those this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _accelerator() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
