"""The ROS package `world4rl`: built by colcon, or installed by pip beside `world4rl-core`."""

from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "world4rl"
NODES = ("arm", "calibrate", "camera", "explorer", "operator", "policy", "recorder", "sim", "teleop", "trial")


def shared(pattern: str) -> list[str]:
    """Files behind the links to the repository's top folders. Stops where a copied tree has lost them."""
    found = sorted(name for name in glob(pattern) if Path(name).is_file())
    if not found:
        raise SystemExit(
            f"{PACKAGE}: no file matches {pattern}; `launch` and `calibration` are links to the repository's top "
            "folders, so build inside a complete checkout (in a Dockerfile: copy the whole repository)"
        )
    return found


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Teleoperate, record, deploy and judge policies on a Franka arm: the ROS 2 side of World4RL",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", shared("launch/*.launch.py")),
        (f"share/{PACKAGE}/calibration/rigs", shared("calibration/rigs/*.yaml")),
    ],
    install_requires=["setuptools", "world4rl-core"],
    zip_safe=False,
    entry_points={
        "console_scripts": [f"{node} = {PACKAGE}.nodes.{node}:main" for node in NODES],
        "world4rl.commands": [f"robot = {PACKAGE}.commands:COMMANDS"],
        "world4rl.teleop_devices": [f"spacemouse = {PACKAGE}.drivers.spacemouse:spacemouse"],
    },
)
