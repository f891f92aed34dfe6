"""Every launch file: its arguments and its nodes, for `ros2 launch` and for `world4rl up`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from world4rl.bringup import COLLECT_ARGUMENTS, RIG_ARGUMENTS, Argument, Process, collect_processes, rig_processes
from world4rl.calibrating import CALIBRATE_ARGUMENTS, calibrate
from world4rl.deployment import DEPLOY_ARGUMENTS, EVALUATE_ARGUMENTS, deploy, evaluate


@dataclass(frozen=True)
class Launch:
    """One launch file."""

    help: str
    arguments: dict[str, Argument]
    processes: Callable[[Mapping[str, str]], list[Process]]


LAUNCHES = {
    "rig": Launch("the arm and its cameras, real or simulated", RIG_ARGUMENTS, rig_processes),
    "teleop_collect": Launch(
        "record episodes by teleoperation",
        RIG_ARGUMENTS | COLLECT_ARGUMENTS,
        lambda values: [*rig_processes(values), *collect_processes(values)],
    ),
    "calibrate": Launch(
        "find a camera's pose with the arm and a board", RIG_ARGUMENTS | CALIBRATE_ARGUMENTS, calibrate
    ),
    "deploy": Launch("run an exported policy, and record what it does", RIG_ARGUMENTS | DEPLOY_ARGUMENTS, deploy),
    "evaluate": Launch("judge exported policies in trials", RIG_ARGUMENTS | EVALUATE_ARGUMENTS, evaluate),
}
