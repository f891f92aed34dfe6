"""The list of nodes as actions of ROS's launch system. Imported only by the launch files: `launch` may not be here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from launch import LaunchContext
from launch.action import Action
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from world4rl.bringup import NAMESPACE, Argument, Process

RESPAWN_DELAY_S = 1.0


def declare(known: Mapping[str, Argument]) -> list[Action]:
    """The arguments with their help and their valid values, as `ros2 launch --show-args` prints them."""
    return [
        DeclareLaunchArgument(name, default_value=one.default, description=one.help, choices=list(one.choices) or None)
        for name, one in known.items()
    ]


def start(known: Mapping[str, Argument], processes: Callable[[Mapping[str, str]], list[Process]]) -> Action:
    """Starts what the list names once the arguments have their values."""

    def actions(context: LaunchContext) -> list[Action]:
        values = {name: LaunchConfiguration(name).perform(context) for name in known}
        return [_action(process) for process in processes(values)]

    return OpaqueFunction(function=actions)


def include(
    path: Path, known: Mapping[str, Argument], arguments: Callable[[Mapping[str, str]], Mapping[str, str] | None]
) -> Action:
    """Another launch file, with arguments that follow from ours; None leaves it out."""

    def actions(context: LaunchContext) -> list[Action]:
        values = {name: LaunchConfiguration(name).perform(context) for name in known}
        passed = arguments(values)
        if passed is None:
            return []
        return [IncludeLaunchDescription(PythonLaunchDescriptionSource(str(path)), launch_arguments=passed.items())]

    return OpaqueFunction(function=actions)


def _action(process: Process) -> Action:
    if process.command:
        return ExecuteProcess(cmd=list(process.command), name=process.name, output="screen")
    ending = {"respawn": True, "respawn_delay": RESPAWN_DELAY_S}
    if not process.respawns:
        ending = {"on_exit": Shutdown(reason=f"{process.name} ended")}
    return Node(
        package="world4rl",
        executable=process.executable,
        name=process.name,
        namespace=NAMESPACE,
        parameters=[{name: _typed(value) for name, value in process.parameters.items()}],
        output="screen",
        emulate_tty=True,
        **ending,
    )


def _typed(value: Any) -> Any:
    """Text stays text: launch would read `5` as a number and `down: really` as a table."""
    return ParameterValue(value, value_type=str) if isinstance(value, str) else value
