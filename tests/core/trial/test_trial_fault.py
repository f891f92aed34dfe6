"""A trial is repeated for what robot or sensors did, never for what the policy did."""

import pytest

from world4rl_core.runtime.trial_fault import culprit


@pytest.mark.parametrize(
    ("reason", "who"),
    [
        ("policy: the policy answered [nan]; wanted finite numbers", "policy"),
        ("policy: a command that is not a number", "policy"),
        ("policy: fell silent while it was moving the arm", "robot"),
        ("policy: more than one publisher, all are ignored", "robot"),
        ("policy: its clock is 0.4 s ahead of ours", "robot"),
        ("policy: onnxruntime failed (CUDA failure 2: out of memory)", "robot"),
        ("policy: wrist is 300 ms old, limit 150 ms; is its node running?", "sensor"),
        ("policy: external and robot are 80 ms apart, limit 50 ms", "sensor"),
        ("cartesian_reflex", "policy"),
        ("joint_velocity_violation", "policy"),
        ("wrench: the external force or torque is above its soft limit", "policy"),
        ("communication_constraints_violation", "robot"),
        ("connection lost", "robot"),
        ("e_stop", "robot"),
        ("the arm is latched: the state is 1.2 s old", "robot"),
        ("camera wrist is silent", "sensor"),
        ("camera_silent: external", "sensor"),
        ("5.0% of the rows are out of step", "sensor"),
        ("recorder_stalled: a row is 1.7 s late", "sensor"),
        ("disk_full", "sensor"),
    ],
)
def test_the_reason_tells_who_caused_it(reason, who):
    assert culprit(reason) == who
