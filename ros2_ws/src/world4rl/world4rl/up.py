"""`world4rl up`: the nodes of a launch file as child processes, for a machine without ROS's launch system.

Their output is shown line by line under their names. When one ends, all end; when this process dies, so do they.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shutil import which
from typing import Annotated, TextIO

import tyro

from world4rl.bringup import NAMESPACE, Argument, Process, read_arguments
from world4rl.launches import LAUNCHES
from world4rl_core.errors import ConfigError, RobotError

POLL_S = 0.1
RESPAWN_DELAY_S = 1.0
GRACE_S = (15.0, 5.0, 5.0)
"""How long a process may take after it was asked, told and made to end; the recorder first writes its episode."""
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _argument_help() -> str:
    """The arguments of each launch file, those of the rig once."""
    shared = LAUNCHES["rig"].arguments
    lines = ["all launch files:", *_described(shared)]
    for name, launch in LAUNCHES.items():
        own = {key: one for key, one in launch.arguments.items() if key not in shared}
        lines += [f"{name}: {launch.help}{', and' if own else ''}", *_described(own)]
    return "\n".join(lines)


def _described(known: Mapping[str, Argument]) -> list[str]:
    return [f"{name}:={'|'.join(one.choices) or one.default}  {one.help}" for name, one in known.items()]


Name = Annotated[str, tyro.conf.arg(metavar="|".join(LAUNCHES), help="which launch file")]
Arguments = Annotated[
    tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME:=VALUE ...", help=_argument_help())
]


def up(launch: Name, arguments: Arguments = ()) -> str:
    """Starts the nodes of `launch` and waits. Raises RobotError when one fails, ConfigError for unknown names."""
    if launch not in LAUNCHES:
        raise ConfigError(f"unknown launch '{launch}'; known: {', '.join(LAUNCHES)}")
    values = read_arguments(LAUNCHES[launch].arguments, list(arguments))
    processes = LAUNCHES[launch].processes(values)
    for process in processes:
        if process.command and which(process.command[0]) is None:
            raise ConfigError(f"{process.name} needs the command `{process.command[0]}`, which is not installed here")
    return Supervisor(processes, sys.stdout).run()


@dataclass
class _Child:
    process: Process
    popen: subprocess.Popen[str]
    reader: threading.Thread
    respawn_at_s: float | None = None


class Supervisor:
    """Runs processes until one that must not end has ended."""

    def __init__(self, processes: Sequence[Process], output: TextIO) -> None:
        self._processes = processes
        self._output = output
        self._width = max(len(process.name) for process in processes)

    def run(self) -> str:
        """What ended the work well. Raises RobotError naming what ended it badly; KeyboardInterrupt passes through."""
        children: list[_Child] = []
        # A plain `kill` of this process must stop the arm as Ctrl-C does.
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            children += [self._start(process) for process in self._processes]
            while (ended := self._first_end(children)) is None:
                time.sleep(POLL_S)
        finally:
            signal.signal(signal.SIGTERM, before)
            codes = {child.process.name: child.popen.poll() for child in children}
            stop(children)
        code = codes[ended.name]
        if ended.ends_everything_well and code == 0:
            return f"{ended.name} has finished; everything is stopped"
        raise RobotError(f"{ended.name} ended with {_spell(code)}; the others were stopped. Its last lines are above.")

    def _start(self, process: Process) -> _Child:
        popen = subprocess.Popen(
            command_line(process),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop them in order
            preexec_fn=_die_with_parent,
        )
        reader = threading.Thread(target=self._show, args=(process.name, popen), daemon=True)
        reader.start()
        return _Child(process, popen, reader)

    def _show(self, name: str, popen: subprocess.Popen[str]) -> None:
        assert popen.stdout is not None
        for line in popen.stdout:
            with contextlib.suppress(BrokenPipeError, ValueError):  # the reader of our output has left
                self._output.write(f"[{name:>{self._width}}] {line}")
                self._output.flush()

    def _first_end(self, children: list[_Child]) -> Process | None:
        """Looks at each child once; cameras that ended are started again."""
        for index, child in enumerate(children):
            if child.popen.poll() is None:
                continue
            if not child.process.respawns:
                return child.process
            if child.respawn_at_s is None:
                child.respawn_at_s = time.monotonic() + RESPAWN_DELAY_S
            elif time.monotonic() >= child.respawn_at_s:
                children[index] = self._start(child.process)
        return None


def command_line(process: Process) -> list[str]:
    """How one process is started, without ROS's launch system."""
    if process.command:
        return list(process.command)
    words = [sys.executable, "-m", f"world4rl.nodes.{process.executable}", "--ros-args"]
    words += ["-r", f"__node:={process.name}", "-r", f"__ns:=/{NAMESPACE}"]
    for name, value in process.parameters.items():
        words += ["-p", f"{name}:={_yaml(value)}"]
    return words


def stop(children: Sequence[_Child]) -> None:
    """Asks every child at once to end, then terminates and kills what is left.

    A node is asked by SIGTERM, which is silent also while it is still starting, a foreign command by Ctrl-C's SIGINT;
    its own children are then its business, and ours only when it does not end.
    """
    for step, grace_s in enumerate(GRACE_S):
        alive = [child for child in children if child.popen.poll() is None]
        for child in alive:
            with contextlib.suppress(ProcessLookupError):
                if step == 0:
                    child.popen.send_signal(signal.SIGINT if child.process.command else signal.SIGTERM)
                else:
                    os.killpg(child.popen.pid, signal.SIGTERM if step == 1 else signal.SIGKILL)
        until_s = time.monotonic() + grace_s
        for child in alive:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.popen.wait(max(0.0, until_s - time.monotonic()))
    for child in children:
        child.reader.join(1.0)


def _yaml(value: object) -> str:
    """A parameter value that ROS reads back with its type: text is quoted, numbers and truth values are bare."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else repr(value)


def _spell(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
