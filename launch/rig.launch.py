"""The arm and its cameras, real or simulated: `ros2 launch world4rl rig.launch.py backend:=sim`."""

from launch import LaunchDescription

from world4rl.bringup import RIG_ARGUMENTS, rig_processes
from world4rl.ros_launch import declare, start


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*declare(RIG_ARGUMENTS), start(RIG_ARGUMENTS, rig_processes)])
