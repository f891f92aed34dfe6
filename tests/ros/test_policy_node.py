"""The policy node: pace, output, and faults 57 to 63, on a clock that the test moves."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml
from policy_world import world
from std_srvs.srv import Trigger

from bundles import export, write_policy  # isort: skip - policy_world shows where it is
from test_inference import poisoned  # isort: skip

from rclpy.parameter import Parameter

from world4rl_core.errors import BundleError, DataError
from world4rl_core.rig import RIGS, Rig, load_rig
from world4rl_core.runtime.action import twist_of_action
from world4rl_core.runtime.action_queue import QueueConfig
from world4rl_core.runtime.bundle import MANIFEST
from world4rl_core.runtime.deployed import Deployed, DeployedPolicies
from world4rl_core.runtime.policy_loop import LoopConfig, PolicyLoop


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("policy")


def write_rig(path: Path, **action) -> Path:
    """The twin's rig with small raw pictures."""
    facts = yaml.safe_load((RIGS / "twin.yaml").read_text())
    facts["action"] |= action
    for camera in facts["cameras"]:
        camera |= {"height": 24, "width": 32, "size": 16}
    path.write_text(yaml.safe_dump(facts))
    return path


@pytest.fixture(scope="module")
def rig_file(root) -> Path:
    return write_rig(root / "rig.yaml")


@pytest.fixture(scope="module")
def rig(rig_file) -> Rig:
    return load_rig(rig_file)


@pytest.fixture(scope="module")
def bundle(root, rig) -> Path:
    run = write_policy(root / "run", cameras=("external", "wrist"), height=16, width=32, action_dim=7)
    return export(run, root / "bundle", rig=rig)


@pytest.fixture(scope="module")
def other(root, rig) -> Path:
    run = write_policy(root / "run2", cameras=("external",), height=16, width=16, action_dim=7, seed=5)
    return export(run, root / "other", rig=rig)


def moving(twists) -> list[np.ndarray]:
    return [twist for _, twist, _ in twists if np.abs(twist).max() > 0]


def test_the_policy_acts_once_a_period_of_the_ros_clock_and_its_twist_never_grows_old(rig, rig_file, bundle):
    with world(rig, rig_file, bundles=str(bundle)) as here:
        here.advance(0.2)
        assert not here.twists, "silent until an episode begins"
        here.record()
        here.advance(1.0)
        images = {name: here.picture(name) for name in here.cameras}
        wanted = twist_of_action(here.node.policies._bundles["bundle"].policy.act(images), rig)
        assert 10 <= here.node.policies.steps <= 12
        stamps_s = [stamp_s for stamp_s, _, _ in here.twists]
        assert np.diff(stamps_s).max() <= 0.051 and np.diff(stamps_s).min() >= 0
        np.testing.assert_allclose(here.twists[-1][1], wanted, atol=1e-6)
        assert {frame for _, _, frame in here.twists} == {rig.action.frame} and set(here.grips) <= {1.0, -1.0}
        assert here.status["observation_to_command_ms"][0] < 100


def test_a_clock_that_is_set_back_does_not_leave_the_last_action_running(rig, rig_file, bundle):
    """Fault 73."""
    with world(rig, rig_file, bundles=str(bundle)) as here:
        here.record()
        here.advance(0.3)
        steps = here.node.policies.steps
        here.now_s -= 20.0
        here.spin_clock()
        here.spin()
        assert here.node.policies.steps > steps and not here.twists[-1][1].any()
        here.advance(0.4)
        assert not here.twists[-1][1].any(), "the episode is held: nothing in it is older than its newest observation"
        here.record(False)
        here.record()
        here.advance(0.4)
        assert here.twists[-1][1].any()


def test_the_end_of_the_recording_ends_with_a_zero_twist_and_then_silence(rig, rig_file, bundle):
    with world(rig, rig_file, bundles=str(bundle)) as here:
        here.record()
        here.advance(0.3)
        assert moving(here.twists)
        here.record(False)
        here.spin()
        assert not here.twists[-1][1].any()
        count = len(here.twists)
        here.advance(0.3)
        assert len(here.twists) == count


def test_a_policy_that_answers_nan_is_refused_before_anything_moves(rig, rig_file, bundle, tmp_path):
    """Fault 57 when it is loaded."""
    broken = poisoned(bundle, tmp_path / "bundle", float("nan"))
    with pytest.raises(BundleError, match="nan"), world(rig, rig_file, bundles=str(broken)):
        pass


def test_a_picture_of_another_shape_ends_the_episode_and_holds_still(rig, rig_file, bundle):
    """Fault 57 while acting."""
    with world(rig, rig_file, bundles=str(bundle)) as here:
        here.record()
        here.advance(0.2)
        here.picture = lambda name: np.zeros((10, 10, 3), np.uint8)
        here.advance(0.2)
        assert "wanted uint8 (24, 32, 3)" in here.status["fault"] and here.status["state"] == "idle"
        assert not here.twists[-1][1].any()


def test_slow_inference_repeats_once_and_then_stands_still(rig, rig_file, bundle):
    """Fault 58."""
    with world(rig, rig_file, bundles=str(bundle)) as here:
        seconds = [0.0]
        ticks = iter(lambda: seconds[0], None)

        def timer() -> float:
            seconds[0] += duration_s / 2
            return next(ticks)

        duration_s = 0.002
        policy = here.node.policies._bundles["bundle"].policy
        limits = LoopConfig(queue=QueueConfig(period_s=0.1))
        loop = PolicyLoop(policy.act, 7, limits, timer=timer)
        here.node.policies = DeployedPolicies({"bundle": Deployed(policy, loop)})
        here.record()
        here.advance(0.3)
        assert moving(here.twists)
        duration_s = 0.3
        here.advance(0.5)
        assert not here.twists[-1][1].any() and "no action in time" in here.status["held"][0]
        assert here.node.policies.is_running
        duration_s = 0.002
        here.advance(0.3)
        assert here.twists[-1][1].any() and not here.status["held"]


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is there")
def test_a_silent_fall_back_to_the_cpu_is_refused_unless_allowed(rig, rig_file, bundle):
    """Fault 59."""
    refused = pytest.raises(BundleError, match="silently fell back to CPUExecutionProvider")
    with refused, world(rig, rig_file, bundles=str(bundle), provider="cuda"):
        pass
    with world(rig, rig_file, bundles=str(bundle), provider="cuda", allow_cpu=True) as here:
        assert here.status["provider"] == "CPUExecutionProvider"


def test_a_bundle_that_does_not_fit_the_rig_or_was_changed_is_refused(rig, bundle, rig_file, tmp_path):
    """Fault 60."""
    slower = write_rig(tmp_path / "rig.yaml", rate_hz=5, translation_m=0.02)
    refused = pytest.raises(BundleError, match=r"rate_hz is 10.* in the bundle, 5 in the rig")
    with refused, world(rig, slower, bundles=str(bundle)):
        pass
    changed = tmp_path / "changed"
    shutil.copytree(bundle, changed)
    (changed / MANIFEST).write_text(
        (changed / MANIFEST).read_text().replace('"translation_m": 0.025', '"translation_m": 0.05')
    )
    refused = pytest.raises(BundleError, match="differ from what policy.onnx was exported with")
    with refused, world(rig, rig_file, bundles=str(changed)):
        pass


@pytest.mark.parametrize(
    ("silent", "late", "reason"),
    [({"wrist"}, {}, "wrist"), ({"robot"}, {}, "robot"), (set(), {"external": 0.3}, "ms apart|external is")],
)
def test_an_old_or_skewed_observation_holds_the_arm_and_a_fresh_one_goes_on(
    rig, rig_file, bundle, silent, late, reason
):
    """Fault 61."""
    with world(rig, rig_file, bundles=str(bundle)) as here:
        here.record()
        here.advance(0.3)
        here.silent, here.late_s = silent, late
        here.advance(0.5)
        assert not here.twists[-1][1].any()
        assert here.status["held"] and any(word in here.status["held"][0] for word in reason.split("|"))
        assert np.diff([stamp_s for stamp_s, _, _ in here.twists]).max() <= 0.051, "held is not silent"
        here.silent, here.late_s = set(), {}
        here.advance(0.4)
        assert here.twists[-1][1].any() and here.status["state"] == "running"


def test_the_time_limit_ends_the_episode_as_timeout(rig, rig_file, bundle):
    """Fault 63."""
    with world(rig, rig_file, bundles=str(bundle), time_limit_s=0.5) as here:
        here.record()
        here.advance(0.8)
        assert (here.status["ended"], here.status["fault"], here.status["state"]) == ("timeout", "", "idle")
        assert not here.twists[-1][1].any()


def test_a_dry_run_decides_everything_and_publishes_nothing_that_moves(rig, rig_file, bundle):
    with world(rig, rig_file, bundles=str(bundle), dry_run=True) as here:
        here.record()
        here.advance(0.5)
        assert here.status["step"] >= 5 and len(here.status["action"]) == 7 and here.status["dry_run"]
        assert here.helper.count_publishers("policy/twist") == here.helper.count_publishers("policy/gripper") == 0


def test_one_of_several_bundles_is_chosen_between_episodes_only(rig, rig_file, bundle, other):
    with world(rig, rig_file, bundles=f"cloned={bundle},refined={other}", follows_recorder=False) as here:

        def choose(name):
            return here.node.set_parameters([Parameter("bundle", value=name)])[0]

        def ask(name):
            client = here.helper.create_client(Trigger, f"policy/{name}")
            here.spin_until(client.service_is_ready, name)
            future = client.call_async(Trigger.Request())
            here.spin_until(future.done, name)
            return future.result().success, future.result().message

        assert here.status["bundle"] == "cloned"
        assert "known: cloned, refined" in choose("third").reason
        assert choose("refined").successful
        here.spin_until(lambda: here.status["bundle"] == "refined", "the choice")
        assert ask("start") == (True, "done")
        here.advance(0.3)
        assert here.status["step"] >= 3
        assert "refined is acting" in choose("cloned").reason
        assert not ask("start")[0]
        assert ask("stop") == (True, "done") and choose("cloned").successful


def test_the_gripper_starts_an_episode_as_it_is(rig, rig_file, bundle):
    with world(rig, rig_file, bundles=str(bundle)) as here:
        here.tell_arm(gripper=-1.0)
        here.silent = set(here.cameras)
        here.advance(1.0)
        here.record()
        here.advance(0.2)
        assert set(here.grips) == {-1.0}, "nothing was seen yet, so nothing is asked for"


def test_the_hand_is_opened_with_zero_twists_only(rig, rig_file, bundle):
    with world(rig, rig_file, bundles=str(bundle), follows_recorder=False) as here:
        here.tell_arm(gripper=-1.0)
        here.tell_width(0.0)
        client = here.helper.create_client(Trigger, "policy/open_hand")
        here.spin_until(client.service_is_ready, "the service")
        future = client.call_async(Trigger.Request())
        here.spin_until(lambda: here.grips, "a request")
        here.tell_arm(gripper=1.0)
        here.tell_width(0.079)
        here.spin_until(future.done, "the answer")
        assert future.result().success and set(here.grips) == {1.0} and not moving(here.twists)


def test_a_replay_of_nothing_is_refused(rig, rig_file, bundle, tmp_path):
    refused = pytest.raises(DataError, match="nothing")
    with refused, world(rig, rig_file, bundles=str(bundle), replay=str(tmp_path / "nothing")):
        pass
