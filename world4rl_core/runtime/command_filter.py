"""The safety filter: the last thing between any command and the arm, in the arm's own process."""

from dataclasses import dataclass

import numpy as np

from world4rl_core.geometry import twist_in_base
from world4rl_core.rig import FRAMES, LimitsRig
from world4rl_core.robot.interface import ArmState
from world4rl_core.runtime.joint_guard import JointGuard
from world4rl_core.runtime.workspace import inside_box, inside_cone

STATE_TOO_OLD_S = 0.05
LARGEST_NUMBER = 1e6
LONGEST_STEP_S = 0.05  # a filter that was not called for a while does not accelerate by what it missed


@dataclass(frozen=True, eq=False)
class Command:
    """A twist that a person or a policy asks for."""

    time_s: float
    """The sender's stamp, on the ROS clock."""
    frame: str
    """Axes of the twist: base | ee. Its point is the end effector either way."""
    twist: np.ndarray  # (6,) m/s and rad/s
    source: str  # human | policy
    wall_time_s: float | None = None
    """When our process received it, on the machine's monotonic clock."""

    def age_s(self, now_s: float, wall_s: float | None = None) -> float:
        """The older of its stamp and its arrival, so that a standing ROS clock keeps nothing alive."""
        age = now_s - self.time_s
        if wall_s is None or self.wall_time_s is None:
            return age
        return max(age, wall_s - self.wall_time_s)


@dataclass(frozen=True, eq=False)
class Filtered:
    """What may be sent to the arm."""

    twist: np.ndarray  # (6,) in base
    reasons: tuple[str, ...]
    """Why the twist is not what was asked for, in the order of the checks."""
    is_stopped: bool
    """The command was refused as a whole: the twist is zero."""

    @property
    def is_clipped(self) -> bool:
        return bool(self.reasons)


class CommandFilter:
    """finite, frame, stale, speed, acceleration, box, tilt, wrench, joints: `step` once a control period.

    The state is the twist it let through last, which bounds the acceleration. Stopping is never slowed.
    """

    def __init__(self, limits: LimitsRig, *, model: str = "panda") -> None:
        self._limits = limits
        self._joints = JointGuard(model)
        self._last = np.zeros(6)
        self._last_s: float | None = None

    def reset(self) -> None:
        """The arm stands: the next command accelerates from zero."""
        self._last = np.zeros(6)
        self._last_s = None

    def step(self, command: Command | None, state: ArmState, now_s: float, *, wall_s: float | None = None) -> Filtered:
        """The twist to send now, in base. Never raises, whatever the numbers are."""
        refusal = self._refusal(command, state, now_s, wall_s)
        if command is None or refusal is not None:
            self._remember(np.zeros(6), now_s)
            return Filtered(np.zeros(6), (refusal,) if refusal else (), is_stopped=True)
        twist = np.clip(command.twist, -LARGEST_NUMBER, LARGEST_NUMBER)  # squares of larger numbers overflow
        twist = twist_in_base(twist, state.quat_xyzw) if command.frame == "ee" else twist
        reasons: list[str] = []
        twist = self._slower(twist, reasons)
        twist = self._smoother(twist, now_s, reasons)
        twist = self._relieving(twist, state.wrench, reasons)
        twist[:3], reason = inside_box(twist[:3], state.position_m, self._limits)
        reasons += [reason] if reason else []
        twist[3:], reason = inside_cone(twist[3:], state.quat_xyzw, self._limits.max_tilt_rad)
        reasons += [reason] if reason else []
        twist = self._not_pressing(twist, state.wrench)
        scale, guarded = self._joints.scale(twist, state.q)
        twist = scale * twist
        if not np.isfinite(twist).all():
            self._remember(np.zeros(6), now_s)
            return Filtered(np.zeros(6), ("not_finite",), is_stopped=True)
        self._remember(twist, now_s)
        return Filtered(twist, (*reasons, *guarded), is_stopped=False)

    def _refusal(self, command: Command | None, state: ArmState, now_s: float, wall_s: float | None) -> str | None:
        """Why the whole command is refused, or None."""
        if command is None:
            return None
        readings = (command.twist, state.position_m, state.quat_xyzw, state.q, state.wrench)
        age_s = command.age_s(now_s, wall_s)
        faults = {
            "not_finite": command.twist.shape != (6,) or not np.isfinite(command.twist).all(),
            "frame": command.frame not in FRAMES,
            "stale": not age_s <= self._limits.stale_stop_s,
            "from_the_future": not age_s >= -self._limits.future_s,
            "state_not_finite": not all(np.isfinite(part).all() for part in readings[1:]),
            "state_stale": not abs(now_s - state.time_s) <= STATE_TOO_OLD_S,
            "no_orientation": not np.linalg.norm(state.quat_xyzw) > 0.5,
        }
        return next((name for name, is_wrong in faults.items() if is_wrong), None)

    def _slower(self, twist: np.ndarray, reasons: list[str]) -> np.ndarray:
        """Speed and rotation speed within their limits, direction kept."""
        limits = (self._limits.linear_mps, self._limits.angular_radps)
        shares = [_share(twist[part], most) for part, most in zip((slice(0, 3), slice(3, 6)), limits, strict=True)]
        if min(shares) < 1:
            reasons.append("speed")
        return twist * np.repeat(shares, 3)

    def _smoother(self, twist: np.ndarray, now_s: float, reasons: list[str]) -> np.ndarray:
        """At most the acceleration limit away from the last twist."""
        step_s = 0.0 if self._last_s is None else min(max(now_s - self._last_s, 0.0), LONGEST_STEP_S)
        step_s = step_s or 0.02  # the first command of a motion gets one control period
        change = twist - self._last
        shares = [
            _share(change[:3], self._limits.linear_mps2 * step_s),
            _share(change[3:], self._limits.angular_radps2 * step_s),
        ]
        if min(shares) < 1:
            reasons.append("acceleration")
        return self._last + change * np.repeat(shares, 3)

    def _relieving(self, twist: np.ndarray, wrench: np.ndarray, reasons: list[str]) -> np.ndarray:
        """Above the soft wrench only what gives way to it remains."""
        kept = twist.copy()
        for name, part, along in self._high(wrench):
            kept[part] -= min(float(twist[part] @ along), 0.0) * along
            reasons.append(name)
        return kept

    def _not_pressing(self, twist: np.ndarray, wrench: np.ndarray) -> np.ndarray:
        """Nothing where the box or the cone took away so much of a twist that what is left presses on."""
        kept = twist.copy()
        for _, part, along in self._high(wrench):
            if kept[part] @ along < -1e-9:
                kept[part] = 0
        return kept

    def _high(self, wrench: np.ndarray) -> list[tuple[str, slice, np.ndarray]]:
        """Force and torque above their soft limits: name, part of the wrench, direction."""
        parts = (
            ("force", slice(0, 3), self._limits.soft_force_n),
            ("torque", slice(3, 6), self._limits.soft_torque_nm),
        )
        wrench = np.clip(wrench, -LARGEST_NUMBER, LARGEST_NUMBER)
        sizes = [float(np.linalg.norm(wrench[part])) for _, part, _ in parts]
        return [
            (name, part, wrench[part] / size)
            for (name, part, most), size in zip(parts, sizes, strict=True)
            if size > most
        ]

    def _remember(self, twist: np.ndarray, now_s: float) -> None:
        self._last, self._last_s = twist, now_s


def _share(vector: np.ndarray, most: float) -> float:
    """The factor that brings the length of the vector down to `most`."""
    length = float(np.linalg.norm(vector))
    return 1.0 if length <= most else most / length
