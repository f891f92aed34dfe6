"""Judge exported policies in trials.

`ros2 launch world4rl evaluate.launch.py bundles:=cloned=runs/a,refined=runs/b session:=runs/session backend:=sim`
"""

from pathlib import Path

from launch import LaunchDescription

from world4rl.bringup import RIG_ARGUMENTS
from world4rl.deployment import EVALUATE_ARGUMENTS, evaluate_processes, evaluate_rig
from world4rl.ros_launch import declare, include, start

RIG = Path(__file__).parent / "rig.launch.py"


def generate_launch_description() -> LaunchDescription:
    known = RIG_ARGUMENTS | EVALUATE_ARGUMENTS
    return LaunchDescription([*declare(known), include(RIG, known, evaluate_rig), start(known, evaluate_processes)])
