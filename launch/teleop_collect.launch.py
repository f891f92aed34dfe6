"""Record episodes by teleoperation: `ros2 launch world4rl teleop_collect.launch.py backend:=sim operator:=scripted`."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from world4rl.bringup import COLLECT_ARGUMENTS, RIG_ARGUMENTS, collect_processes
from world4rl.ros_launch import declare, start

RIG = Path(__file__).parent / "rig.launch.py"


def generate_launch_description() -> LaunchDescription:
    rig = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(RIG)),
        launch_arguments=[(name, LaunchConfiguration(name)) for name in RIG_ARGUMENTS],
    )
    known = RIG_ARGUMENTS | COLLECT_ARGUMENTS
    return LaunchDescription([*declare(known), rig, start(known, collect_processes)])
