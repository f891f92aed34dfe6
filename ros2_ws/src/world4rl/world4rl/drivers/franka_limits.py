"""Every limit of franky, set explicitly before the first motion.

franky's own tables are exchanged: a build for the Panda allows what only an FR3 may. So none of them is relied on:
each limit is the least of the rig's, the Panda's, the FR3's, and what this build allows at all.
"""

from typing import Any

import numpy as np

from world4rl_core.rig import LimitsRig

# libfranka's rate_limiting.h: Panda in 0.9.2, FR3 from 0.10 on; here the lower of the two.
TRANSLATION = (1.7, 9.0, 4500.0)  # m/s, m/s², m/s³
ROTATION = (2.5, 17.0, 8500.0)  # rad/s, rad/s², rad/s³
ELBOW = (2.175, 10.0, 5000.0)
JOINT_VELOCITY = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])
JOINT_ACCELERATION = np.array([10.0, 7.5, 10.0, 10.0, 10.0, 10.0, 10.0])
JOINT_JERK = np.array([5000.0, 3750.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0])


def wanted_limits(rig: LimitsRig) -> dict[str, Any]:
    """franky's limit → its value."""
    return {
        "translation_velocity_limit": min(rig.linear_mps, TRANSLATION[0]),
        "translation_acceleration_limit": min(rig.linear_mps2, TRANSLATION[1]),
        "translation_jerk_limit": TRANSLATION[2],
        "rotation_velocity_limit": min(rig.angular_radps, ROTATION[0]),
        "rotation_acceleration_limit": min(rig.angular_radps2, ROTATION[1]),
        "rotation_jerk_limit": ROTATION[2],
        "elbow_velocity_limit": ELBOW[0],
        "elbow_acceleration_limit": ELBOW[1],
        "elbow_jerk_limit": ELBOW[2],
        "joint_velocity_limit": JOINT_VELOCITY,
        "joint_acceleration_limit": JOINT_ACCELERATION,
        "joint_jerk_limit": JOINT_JERK,
    }


def set_limits(robot: Any, rig: LimitsRig) -> None:
    """Possible only while nothing moves."""
    for name, value in wanted_limits(rig).items():
        limit = getattr(robot, name)
        limit.set(np.minimum(value, limit.max) if isinstance(value, np.ndarray) else min(value, limit.max))
