"""Find a camera's pose: `ros2 launch world4rl calibrate.launch.py camera:=wrist mode:=eye_in_hand backend:=sim`."""

from pathlib import Path

from launch import LaunchDescription

from world4rl.bringup import RIG_ARGUMENTS
from world4rl.calibrating import CALIBRATE_ARGUMENTS, calibrate_processes, calibrate_rig
from world4rl.ros_launch import declare, include, start

RIG = Path(__file__).parent / "rig.launch.py"


def generate_launch_description() -> LaunchDescription:
    known = RIG_ARGUMENTS | CALIBRATE_ARGUMENTS
    return LaunchDescription([*declare(known), include(RIG, known, calibrate_rig), start(known, calibrate_processes)])
