"""Actions in [-1, 1] as twists of the end effector, and back."""

import numpy as np

from world4rl_core.errors import ConfigError
from world4rl_core.geometry import twist_in_ee
from world4rl_core.rig import Rig


def _twist_of_one(rig: Rig) -> np.ndarray:
    """The twist (6,) that an action of all ones means."""
    action = rig.action
    return np.repeat([action.translation_m * action.rate_hz, action.rotation_rad * action.rate_hz], 3)


def twist_of_action(action: np.ndarray, rig: Rig) -> np.ndarray:
    """Twist (6,) in m/s and rad/s, in the axes of `rig.action.frame`, of an action (7,) held for one period.

    Values outside [-1, 1] are clipped; NaN stays NaN, for the safety filter to refuse. Raises ConfigError for another
    shape.
    """
    if action.shape != (rig.action.dim,):
        raise ConfigError(f"an action of this rig has shape ({rig.action.dim},), got {action.shape}")
    return np.clip(action[:6].astype(np.float64), -1, 1) * _twist_of_one(rig)


def action_of_twist(twist: np.ndarray, gripper: float, rig: Rig, *, quat_xyzw: np.ndarray | None = None) -> np.ndarray:
    """Action (7,) float32 of a twist (6,) in base and a gripper state (+1 open, -1 closed), clipped to [-1, 1].

    `quat_xyzw` is the end effector's orientation, needed where `rig.action.frame` is ee.
    """
    if rig.action.frame == "ee":
        if quat_xyzw is None:
            raise ConfigError("this rig's actions are along the end effector's axes: pass its orientation, quat_xyzw")
        twist = twist_in_ee(twist, quat_xyzw)
    return np.clip(np.append(twist / _twist_of_one(rig), gripper), -1, 1).astype(np.float32)
