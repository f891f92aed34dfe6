"""The nodes of each launch file and the arguments they take: one list, for `ros2 launch` and for `world4rl up`."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from world4rl_core.errors import ConfigError
from world4rl_core.rig import Rig, load_rig, rig_names
from world4rl_core.sim.twin.tasks import TASKS

NAMESPACE = "w4rl"
SIMULATION_STARTS_S = 120.0
"""How long the arm node waits for a simulation that is started at the same time."""


@dataclass(frozen=True)
class Argument:
    """One argument of a launch file, given as name:=value."""

    help: str
    default: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Process:
    """One thing to start: a node of this package, or a foreign command."""

    executable: str
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    respawns: bool = False
    """A camera comes back by itself; the end of anything else ends everything (see docs: a half rig is no rig)."""
    ends_everything_well: bool = False
    """Its exit code 0 means that the work is done."""
    command: tuple[str, ...] = ()
    """The command line of something that is not a node of this package."""


RIG_ARGUMENTS = {
    "backend": Argument("the real arm and cameras, or their simulation", "sim", ("real", "sim")),
    "rig": Argument("rig file: a name in calibration/rigs or a path; empty takes twin in simulation", ""),
    "task": Argument(
        "what is to be done: one of the simulated tasks, or in your words on the real arm; stored with each episode",
        "press_button",
    ),
    "seed": Argument("seed of the simulated scene and of the random source", "0"),
    "needs_human": Argument("a policy moves nothing while no operator's device is heard", "true", ("true", "false")),
    "spread_m": Argument("how far the simulated objects are scattered at a reset, in m; 0 is the fixed scene", "0.03"),
    "override_drift": Argument(
        "reason to record on the real arm although a camera's drift check is missing, too old or FAIL", ""
    ),
    "shows_board": Argument(
        "where the simulated scene has a calibration board in place of a task", "none", ("none", "table", "hand")
    ),
}
COLLECT_ARGUMENTS = {
    "source": Argument("what drives the arm besides a person's touch", "human", ("human", "policy", "random")),
    "operator": Argument("whose hand is on the SpaceMouse", "spacemouse", ("spacemouse", "scripted")),
    "dataset": Argument("folder the episodes are added to; empty is datasets/<task>", ""),
    "episodes": Argument("stop after this many recorded episodes; 0 goes on until interrupted", "0"),
    "rate_hz": Argument("recorded rows and actions a second; 0 takes the rig's", "0"),
    "raw": Argument("also record every topic with `ros2 bag record -s mcap`", "false", ("true", "false")),
}


def rig_processes(values: Mapping[str, str]) -> list[Process]:
    """The cell without anybody working in it: the arm and its cameras, or the simulation of both."""
    rig = rig_of(values)
    common = node_parameters(values)
    arm = Process("arm", "arm", common | {"needs_human": values["needs_human"] == "true"})
    if values["backend"] == "sim":
        if values["task"] not in TASKS:
            raise ConfigError(f"unknown task '{values['task']}'; simulated tasks: {', '.join(TASKS)}")
        scene = {
            "task": values["task"],
            "seed": whole(values, "seed"),
            "spread_m": number(values, "spread_m"),
            "board": values["shows_board"],
        }
        arm.parameters["connect_s"] = SIMULATION_STARTS_S
        return [Process("sim", "sim", {"rig": common["rig"]} | scene), arm]
    cameras = [
        Process("camera", f"camera_{camera.name}", common | {"camera": camera.name}, respawns=True)
        for camera in rig.cameras
    ]
    return [arm, *cameras]


def collect_processes(values: Mapping[str, str]) -> list[Process]:
    """What records episodes in a running cell: operator, source, recorder."""
    common = node_parameters(values)
    rate = {"rate_hz": number(values, "rate_hz")}
    if values["operator"] == "scripted" and values["backend"] != "sim":
        raise ConfigError("operator:=scripted needs backend:=sim; on the real arm a person holds the SpaceMouse")
    if values["source"] == "policy":
        raise ConfigError("source:=policy: a policy is run by the launch file deploy, with bundle:=<folder>")
    device = simulated_device() if values["operator"] == "scripted" else ""
    found = [Process("teleop", "teleop", common | {"device": device})]
    if values["operator"] == "scripted":
        drives = {"device": device, "task": values["task"], "source": values["source"]}
        found.append(Process("operator", "operator", common | drives))
    if values["source"] == "random":
        found.append(Process("explorer", "explorer", common | rate | {"seed": whole(values, "seed")}))
    recorder = {
        "task": values["task"],
        "dataset": str(Path(values["dataset"] or f"datasets/{values['task']}").resolve()),
        "episodes": whole(values, "episodes"),
        "source": values["source"],
        "seed": whole(values, "seed"),
        **drift_parameters(values),
    }
    found.append(Process("recorder", "recorder", common | rate | recorder, ends_everything_well=True))
    if values["raw"] == "true":
        folder = f"{recorder['dataset']}-raw"
        found.append(Process("bag", "bag", command=("ros2", "bag", "record", "-s", "mcap", "-a", "-o", folder)))
    return found


def read_arguments(known: Mapping[str, Argument], words: list[str]) -> dict[str, str]:
    """The value of every known argument, from words of the form name:=value. Raises ConfigError with the valid ones."""
    values = {name: argument.default for name, argument in known.items()}
    for word in words:
        name, assigns, value = word.partition(":=")
        if not assigns:
            raise ConfigError(f"argument '{word}': wanted name:=value, as in task:=press_button")
        if name not in known:
            raise ConfigError(f"unknown argument '{name}'; known arguments: {', '.join(known)}")
        choices = known[name].choices
        if choices and value not in choices:
            raise ConfigError(f"{name}:={value}: wanted one of {', '.join(choices)}")
        values[name] = value
    return values


def simulated_device() -> str:
    """Where the simulated SpaceMouse is plugged in: a socket of this user and this ROS domain."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or f"{tempfile.gettempdir()}/world4rl-{os.getuid()}"
    return f"unix:{folder}/spacemouse-{os.environ.get('ROS_DOMAIN_ID', '0')}.sock"


def node_parameters(values: Mapping[str, str]) -> dict[str, Any]:
    """What every node is told: its rig, and whose clock."""
    return {"rig": _rig_name(values), "use_sim_time": values["backend"] == "sim"}


def drift_parameters(values: Mapping[str, str]) -> dict[str, Any]:
    """Whether the recorder wants a fresh drift check of each camera, and the reason to do without."""
    return {"needs_drift_check": values["backend"] == "real", "override_drift": values["override_drift"]}


def _rig_name(values: Mapping[str, str]) -> str:
    if values["rig"]:
        return values["rig"]
    if values["backend"] == "sim":
        return "twin"
    raise ConfigError(f"backend:=real needs rig:=<name or path>; rigs here: {', '.join(rig_names())}")


def rig_of(values: Mapping[str, str]) -> Rig:
    """Raises RigError, or ConfigError where a real rig is not named."""
    return load_rig(_rig_name(values))


def whole(values: Mapping[str, str], name: str) -> int:
    """An argument as a whole number >= 0. Raises ConfigError."""
    if not values[name].isdecimal():
        raise ConfigError(f"{name}:={values[name]}: wanted a whole number of at least 0")
    return int(values[name])


def number(values: Mapping[str, str], name: str) -> float:
    """An argument as a finite number >= 0. Raises ConfigError."""
    try:
        value = float(values[name])
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise ConfigError(f"{name}:={values[name]}: wanted a number of at least 0")
    return value
