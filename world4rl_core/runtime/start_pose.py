"""Whether the arm stands where a motion may begin."""

import numpy as np

from world4rl_core.rig import Rig
from world4rl_core.robot.interface import ArmState
from world4rl_core.runtime.joint_guard import HARD_MARGIN_RAD, JointGuard
from world4rl_core.runtime.workspace import OUTSIDE_M


def pose_obstacles(state: ArmState, rig: Rig) -> list[str]:
    """Why arming is refused here, each with the next step; empty inside the box and away from joint limits."""
    limits = rig.limits
    low, high = np.array(limits.box_low_m) - OUTSIDE_M, np.array(limits.box_high_m) + OUTSIDE_M
    found = []
    if (state.position_m < low).any() or (state.position_m > high).any():
        at = ", ".join(f"{value:.3f}" for value in state.position_m)
        found.append(f"the end effector is outside the box at ({at}) m; call home, or guide it inside by hand")
    if JointGuard(rig.robot.model).margin_rad(state.q) < HARD_MARGIN_RAD:
        found.append("a joint is at its limit; call home, or guide it away by hand")
    return found
