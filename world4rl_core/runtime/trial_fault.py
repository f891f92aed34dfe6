"""Whose doing it was that a trial ended early: only what robot or sensors did is repeated."""

from typing import Literal

Culprit = Literal["policy", "robot", "sensor"]

POLICY_WORDS = ("policy", "reflex", "self_collision", "wrench", "velocity_violation", "limits_violation", "power_limit",
                "discontinuity", "instability")  # fmt: skip
"""What a motion causes: contact, or more speed than the robot allows. A careless policy must not be tried again for it.
"""
ROBOT_WORDS = ("communication_constraints", "fell silent", "more than one publisher", "out of memory", "cuda", "clock")
"""What machine and network do: also a policy node that is not heard for a moment has decided nothing wrong."""
SENSOR_WORDS = ("camera", "out of step", "disk", "recorder", "frame", "goes back", "advances by", "ms old", "ms apart",
                "no observation")  # fmt: skip


def culprit(reason: str) -> Culprit:
    """Who caused it, from the reason that arm node, recorder or policy gave.

    A broken connection, a user stop and everything unknown are the robot's.
    """
    text = reason.lower()
    if any(word in text for word in ROBOT_WORDS):
        return "robot"
    if any(word in text for word in SENSOR_WORDS):
        return "sensor"
    return "policy" if any(word in text for word in POLICY_WORDS) else "robot"
