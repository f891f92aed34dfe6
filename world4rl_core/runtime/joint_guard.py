"""Slows a Cartesian twist that would drive a joint to its limit or the arm into a singularity."""

import numpy as np

from world4rl_core.rig import JOINT_RANGES_RAD
from world4rl_core.robot.kinematics import condition_number, jacobian, joint_speeds

SOFT_MARGIN_RAD, HARD_MARGIN_RAD = 0.1, 0.03
SOFT_CONDITION, HARD_CONDITION = 17.0, 30.0  # the defaults of MoveIt Servo for this arm
LOOK_AHEAD_S = 0.02


class JointGuard:
    """Knows one arm's joint ranges."""

    def __init__(self, model: str) -> None:
        low, high = JOINT_RANGES_RAD[model]
        self._low, self._high = np.array(low), np.array(high)

    def scale(self, twist: np.ndarray, q: np.ndarray) -> tuple[float, tuple[str, ...]]:
        """A factor in [0, 1] for the twist (6,) in base, and why it is below 1; motion away is never slowed."""
        if not twist.any():
            return 1.0, ()
        J = jacobian(q)
        speeds = joint_speeds(q, twist, J=J)
        by_joint = self._joint_scale(q, speeds)
        by_condition = self._condition_scale(float(np.linalg.cond(J)), q, speeds)
        reasons = [name for name, scale in (("joint_limit", by_joint), ("singularity", by_condition)) if scale < 1]
        return min(by_joint, by_condition), tuple(reasons)

    def margin_rad(self, q: np.ndarray) -> float:
        """Distance of the joint nearest to one of its limits; negative beyond."""
        return float(np.minimum(q - self._low, self._high - q).min())

    def _joint_scale(self, q: np.ndarray, speeds: np.ndarray) -> float:
        left = np.where(speeds > 0, self._high - q, q - self._low)
        share = np.clip((left - HARD_MARGIN_RAD) / (SOFT_MARGIN_RAD - HARD_MARGIN_RAD), 0, 1)
        return float(np.where(np.abs(speeds) > 1e-6, share, 1.0).min())

    def _condition_scale(self, now: float, q: np.ndarray, speeds: np.ndarray) -> float:
        if now <= SOFT_CONDITION or condition_number(q + LOOK_AHEAD_S * speeds) <= now:
            return 1.0
        return float(np.clip((HARD_CONDITION - now) / (HARD_CONDITION - SOFT_CONDITION), 0, 1))
