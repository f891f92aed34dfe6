"""How bad it is: from what the robot, its driver and its state say to a reaction."""

from dataclasses import dataclass

import numpy as np

from world4rl_core.robot.interface import ArmError, ArmFault, ArmMode, ArmState
from world4rl_core.runtime.latch import Reaction, Trip

STATE_STALE_S = 0.05
STATE_STALE_WALL_S = 0.3  # a simulation slower than real time is no fault, one that stands still is
STATE_LOST_S = 1.0
SUCCESS_WARN, SUCCESS_MIN = 0.95, 0.90
SUCCESS_LOW_S = 1.0

REACTION_TO: dict[ArmFault, Reaction] = {
    ArmFault.REFLEX: Reaction.LATCH,
    ArmFault.LIMIT: Reaction.LATCH,
    ArmFault.COMMUNICATION: Reaction.LATCH,
    ArmFault.OTHER: Reaction.LATCH,
    ArmFault.USER_STOP: Reaction.OPERATOR,
    ArmFault.MANUAL_RECOVERY: Reaction.OPERATOR,
    ArmFault.FCI_OFF: Reaction.OPERATOR,
    ArmFault.CONNECTION_LOST: Reaction.RECREATE,
    ArmFault.WRONG_VERSION: Reaction.RECREATE,
    ArmFault.NO_REALTIME: Reaction.RECREATE,
}

# What libfranka and franky write into an exception, most specific first (libfranka: src/control_loop, src/network).
FAULT_OF_TEXT: tuple[tuple[str, ArmFault], ...] = (
    ("user stop", ArmFault.USER_STOP),
    ("manual error recovery", ArmFault.MANUAL_RECOVERY),
    ("incompatible library version", ArmFault.WRONG_VERSION),
    ("incompatibleversion", ArmFault.WRONG_VERSION),
    ("realtimeexception", ArmFault.NO_REALTIME),
    ("real-time", ArmFault.NO_REALTIME),
    ("realtime", ArmFault.NO_REALTIME),
    ("fci", ArmFault.FCI_OFF),
    ("connection refused", ArmFault.FCI_OFF),
    ("communication_constraints_violation", ArmFault.COMMUNICATION),
    ("net exception", ArmFault.CONNECTION_LOST),
    ("networkexception", ArmFault.CONNECTION_LOST),
    ("protocolexception", ArmFault.CONNECTION_LOST),
    ("udp receive", ArmFault.CONNECTION_LOST),
    ("tcp", ArmFault.CONNECTION_LOST),
    ("attempted to start multiple motions", ArmFault.CONNECTION_LOST),
    ("discontinuity", ArmFault.LIMIT),
    ("limits_violation", ArmFault.LIMIT),
    ("velocity_violation", ArmFault.LIMIT),
    ("exceeds maximum", ArmFault.LIMIT),
    ("reflex", ArmFault.REFLEX),
    ("preempted by safety", ArmFault.REFLEX),
)

NO_AUTO_RECOVERY = ("self_collision", "power_limit", "instability", "communication_constraints", "start_elbow")


def fault_of(kind: str, message: str) -> ArmFault:
    """The class of a vendor exception, from its type's name and its text; OTHER when neither says more."""
    text = f"{kind} {message}".lower()
    return next((fault for part, fault in FAULT_OF_TEXT if part in text), ArmFault.OTHER)


def trip_of_error(error: ArmError) -> Trip:
    """The reaction to an error of a driver. One that names an earlier motion is the fault of that motion: no retry."""
    return Trip(REACTION_TO[error.fault], f"{error.fault.value}: {error}")


def may_recover_by_itself(errors: tuple[str, ...]) -> bool:
    """Whether a homing motion may clear these errors without a person; a teleoperated motion never may."""
    return not any(part in error for error in errors for part in NO_AUTO_RECOVERY)


def trips_of_mode(state: ArmState) -> list[Trip]:
    """Reactions to the mode and the error flags that the robot reports."""
    errors = ", ".join(state.errors)
    if state.mode is ArmMode.USER_STOPPED:
        return [Trip(Reaction.OPERATOR, "user_stop: the user stop is pressed")]
    if state.mode is ArmMode.REFLEX:
        return [Trip(Reaction.LATCH, f"reflex: {errors or 'the robot stopped by itself'}")]
    if state.errors:
        return [Trip(Reaction.LATCH, f"robot_error: {errors}")]
    if state.mode is ArmMode.GUIDING:
        return [Trip(Reaction.HOLD, "guiding: a person moves the arm by hand")]
    if state.mode in (ArmMode.RECOVERY, ArmMode.OTHER):
        return [Trip(Reaction.HOLD, f"robot_mode: {state.mode.value}")]
    return []


@dataclass
class GapWatch:
    """Whether the control loop was away for so long that the arm's last command has run out: it stands, and stays."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._stepped_s = float("-inf")

    def step(self, at_s: float) -> list[Trip]:
        """Call once a control period, with the monotonic clock where there is one."""
        gap_s, self._stepped_s = at_s - self._stepped_s, at_s
        if not self._longest_s < gap_s < float("inf"):
            return []
        return [Trip(Reaction.HOLD, f"control: no decision was made for {1e3 * gap_s:.0f} ms")]


class StateWatch:
    """Notices a state that is old, stands still or is not a number, and packets that do not arrive in time."""

    _robot_time_s: float | None = None
    _advanced_s: float = 0.0
    _advanced_wall_s: float = 0.0
    _success_low_since_s: float | None = None

    def step(self, state: ArmState | None, now_s: float, *, wall_s: float | None = None) -> list[Trip]:
        """Reactions to the newest state, None when there never was one; call once a control period.

        `wall_s` is the machine's monotonic clock: with it a state is noticed that stands still with the ROS clock.
        """
        wall_s = now_s if wall_s is None else wall_s
        if state is None:
            return [Trip(Reaction.HOLD, "state: none received from the arm yet")]
        if self._robot_time_s is None or state.robot_time_s != self._robot_time_s:
            self._robot_time_s = state.robot_time_s
            self._advanced_s, self._advanced_wall_s = min(state.time_s, now_s), wall_s
        self._advanced_s = min(self._advanced_s, now_s)  # the clock was set back
        self._watch_success(state, now_s)
        age_s, wall_age_s = max(now_s - self._advanced_s, now_s - state.time_s), wall_s - self._advanced_wall_s
        if max(age_s, wall_age_s) > STATE_LOST_S:
            return [Trip(Reaction.RECREATE, f"state: nothing new from the arm for {STATE_LOST_S:g} s")]
        if age_s > STATE_STALE_S or wall_age_s > STATE_STALE_WALL_S:
            return [Trip(Reaction.HOLD, f"state: older than {1e3 * STATE_STALE_S:g} ms")]
        if not all(np.isfinite(part).all() for part in (state.q, state.position_m, state.quat_xyzw, state.wrench)):
            return [Trip(Reaction.LATCH, "state: not a number")]
        return trips_of_mode(state)

    def _watch_success(self, state: ArmState, now_s: float) -> None:
        is_low = state.mode is ArmMode.MOVE and state.success_rate < SUCCESS_MIN
        if not is_low and (state.mode is ArmMode.MOVE or self._success_low_since_s is None):
            self._success_low_since_s = None
        elif is_low and self._success_low_since_s is None:
            self._success_low_since_s = now_s

    def is_network_poor(self, now_s: float) -> bool:
        """The success rate was below SUCCESS_MIN for SUCCESS_LOW_S of motion: no new episode should start."""
        return self._success_low_since_s is not None and now_s - self._success_low_since_s >= SUCCESS_LOW_S

    def warnings(self, state: ArmState, now_s: float) -> list[str]:
        """What `/diagnostics` shows, and nothing acts on."""
        found = []
        if state.mode is ArmMode.MOVE and state.success_rate < SUCCESS_WARN:
            found.append(f"success rate {state.success_rate:.2f}, wanted {SUCCESS_WARN:g}; check network and kernel")
        if self.is_network_poor(now_s):
            found.append(f"success rate below {SUCCESS_MIN:g} for {SUCCESS_LOW_S:g} s; episodes are refused")
        return found
