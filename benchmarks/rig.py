"""Speed and stopping of the real-time twin: `python -m benchmarks.rig` prints one JSON line.

The nodes are those of `world4rl up rig backend:=sim` and the teleop node, whose SpaceMouse this program plays.
Simulation steps and pictures are counted per second of the wall while the arm moves. Latencies are wall time from the
first twist that is not neutral to the command that left for the arm, and to the hand's first 0.5 mm. Stop times are
simulation time from SIGKILL until the hand stays within 1 mm; other programs on the machine lengthen all but these.
Then the recorder works for some minutes: see recording.py.
"""

import math
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks.cell import PUSH, START_S, Rig
from benchmarks.recording import recording
from benchmarks.timing import report

WANTED_STEPS_PER_S, WANTED_FPS, LONGEST_STOP_S = 800, 15, 0.3


@dataclass(frozen=True)
class Config:
    """Options of `python -m benchmarks.rig`."""

    seconds: float = 60.0
    """How long steps and pictures are counted."""
    pushes: int = 40
    """Starts of a motion whose latency is measured."""
    kills: int = 3
    """SIGKILLs of each of the two nodes."""
    minutes: float = 5.0
    """How long the recorder records, on the simulation's clock; 0 leaves it out."""


def main(config: Config) -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder))
        try:
            rig.start()
            rig.wait(lambda: rig.hand and rig.status, "the nodes", timeout_s=START_S)
            rig.get_ready()
            figures = rates(rig, config.seconds) | latencies(rig, config.pushes) | stops(rig, config.kills)
            figures |= recording(rig, config.minutes, Path(folder)) if config.minutes else {}
        finally:
            rig.close()
    slowest = min(figures[f"{name}_fps"] for name in rig.cameras)
    figures["ok"] = bool(
        figures["steps_per_s"] >= WANTED_STEPS_PER_S
        and slowest >= WANTED_FPS
        and max(figures["stop_after_teleop_killed_s"], figures["stop_after_arm_killed_s"]) <= LONGEST_STOP_S
    )
    report(figures | {"load_average": os.getloadavg()[0], "cores": os.cpu_count()})


def rates(rig: Rig, seconds: float) -> dict[str, Any]:
    """Steps and pictures per second while the hand goes back and forth."""
    for seen in rig.pictures_s.values():
        seen.clear()
    began_s, steps_s, used_s = time.monotonic(), rig.now_s(), rig.processor_s("sim")
    while (wall_s := time.monotonic() - began_s) < seconds:
        is_armed = rig.status["level"] == "armed"
        rig.axes = PUSH * math.sin(2 * math.pi * wall_s / 4) if is_armed else np.zeros(6)
        time.sleep(0.02)
    steps = (rig.now_s() - steps_s) * 1000
    rig.axes = np.zeros(6)
    found = {"steps_per_s": steps / wall_s, "steps_per_core_s": steps / (rig.processor_s("sim") - used_s)}
    return found | {f"{name}_fps": float(1 / np.diff(rig.pictures_s[name]).mean()) for name in rig.cameras}


def latencies(rig: Rig, pushes: int) -> dict[str, Any]:
    """From the first twist to the command that left for the arm, and to the hand's motion."""
    delays: dict[str, list[float]] = {"applied": [], "moved": []}
    while len(delays["moved"]) < pushes:
        rig.get_ready()
        rig.sleep(0.3)
        for _ in range(10):
            seen = rig.push()
            rig.axes = np.zeros(6)
            if not {"asked", "applied", "moved"} <= set(seen):
                break  # held, because commands came late on a busy machine
            for name, values in delays.items():
                values.append(seen[name] - seen["asked"])
            rig.sleep(0.7)
    names = {"applied": "command_to_arm", "moved": "command_to_motion"}
    figures = {
        f"{names[name]}_p{share}_ms": 1000 * float(np.percentile(values, share))
        for name, values in delays.items()
        for share in (50, 99)
    }
    return figures | {"pushes": len(delays["moved"])}


def stops(rig: Rig, kills: int) -> dict[str, Any]:
    """The longest of `kills` stops for each node, at 0.1 m/s."""
    longest = {}
    for name in ("teleop", "arm"):
        times = []
        for _ in range(kills):
            rig.get_ready()
            rig.push()
            rig.sleep(0.3)
            times.append(rig.stop_time_s(rig.kill(name)))
            rig.axes = np.zeros(6)
            rig.status.clear()
            rig.start(name)
            rig.wait(lambda: rig.status, "the arm node", timeout_s=START_S)
        longest[f"stop_after_{name}_killed_s"] = max(times)
    return longest | {"kills": kills}


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
