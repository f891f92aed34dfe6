"""Run an exported policy and record what it does.

`ros2 launch world4rl deploy.launch.py bundle:=runs/bundle backend:=sim`
"""

from pathlib import Path

from launch import LaunchDescription

from world4rl.bringup import RIG_ARGUMENTS
from world4rl.deployment import DEPLOY_ARGUMENTS, deploy_processes, deploy_rig
from world4rl.ros_launch import declare, include, start

RIG = Path(__file__).parent / "rig.launch.py"


def generate_launch_description() -> LaunchDescription:
    known = RIG_ARGUMENTS | DEPLOY_ARGUMENTS
    return LaunchDescription([*declare(known), include(RIG, known, deploy_rig), start(known, deploy_processes)])
