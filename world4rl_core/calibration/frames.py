"""The static transforms of a rig, with frame names as ROS's REP 103 and 105 want them."""

from dataclasses import dataclass

import numpy as np

from world4rl_core.geometry import quat_of_matrix
from world4rl_core.rig import Rig

BASE, HAND = "base", "ee"
"""The robot's base and the end effector that the arm reports (libfranka's O_T_EE)."""


@dataclass(frozen=True, eq=False)
class StaticTransform:
    """Where a child frame is in its parent."""

    parent: str
    child: str
    position_m: np.ndarray  # (3,)
    quat_xyzw: np.ndarray  # (4,)


def optical_frame(camera: str) -> str:
    """The frame of a camera's pictures: z along the view, x right, y down."""
    return f"{camera}_color_optical_frame"


def static_transforms(rig: Rig) -> list[StaticTransform]:
    """One for each camera that is calibrated."""
    transforms = []
    for camera in rig.cameras:
        if camera.T_parent_cam is not None:
            T = np.array(camera.T_parent_cam).reshape(4, 4)
            parent = HAND if camera.mount == "hand" else BASE
            transforms.append(StaticTransform(parent, optical_frame(camera.name), T[:3, 3], quat_of_matrix(T[:3, :3])))
    return transforms
