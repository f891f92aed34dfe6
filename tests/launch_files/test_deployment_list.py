"""The lists of deploy and evaluate: what they start, and what they refuse before anything is started."""

import importlib
import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
sys.path.insert(0, str(Path(__file__).parents[1] / "ros"))
from line_bundles import UP, line_bundle

from world4rl.bringup import RIG_ARGUMENTS, read_arguments
from world4rl.deployment import deploy_rig, evaluate_rig
from world4rl.launches import LAUNCHES
from world4rl_core.errors import BundleError, ConfigError
from world4rl_core.rig import RIGS
from world4rl_core.runtime.bundle import GOLDEN


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return line_bundle(tmp_path_factory.mktemp("line"), RIGS / "twin.yaml", UP)


def processes(launch, *words):
    known = LAUNCHES[launch]
    return {process.name: process for process in known.processes(read_arguments(known.arguments, list(words)))}


def values(launch, *words):
    return read_arguments(LAUNCHES[launch].arguments, list(words))


def test_a_simulated_deployment_starts_these_nodes(bundle):
    found = processes("deploy", f"bundle:={bundle}", "time_limit_s:=8")
    assert list(found) == ["sim", "arm", "teleop", "operator", "policy", "recorder"]
    assert found["operator"].parameters["source"] == found["recorder"].parameters["source"] == "policy"
    assert found["recorder"].parameters["longest_s"] == found["policy"].parameters["time_limit_s"] == 8.0
    assert found["arm"].parameters["needs_human"] is True
    assert found["policy"].parameters["dry_run"] is False
    assert processes("deploy", f"bundle:={bundle}", "mode:=dry_run")["policy"].parameters["dry_run"] is True


def test_a_replay_needs_neither_arm_nor_cameras(bundle):
    found = processes("deploy", f"bundle:={bundle}", "mode:=replay", "dataset:=datasets/press", "episode:=3")
    assert list(found) == ["policy"] and found["policy"].ends_everything_well
    assert found["policy"].parameters["replay_episode"] == 3
    assert deploy_rig(values("deploy", "mode:=replay")) is None


def test_a_simulated_session_runs_without_a_person(bundle):
    found = processes("evaluate", f"bundles:=only={bundle}", "session:=runs/session", "trials:=2")
    assert list(found) == ["sim", "arm", "policy", "recorder", "trial"]
    assert found["arm"].parameters["needs_human"] is False
    assert found["policy"].parameters["follows_recorder"] is False
    assert found["trial"].parameters["judge"] == "predicate" and found["trial"].ends_everything_well
    assert found["recorder"].parameters["dataset"].endswith("runs/session/dataset")


def test_a_session_with_a_person_waits_for_the_spacemouse(bundle):
    words = [f"bundles:=only={bundle}", "session:=runs/session", "operator:=spacemouse", "judge:=operator"]
    found = processes("evaluate", *words)
    assert "teleop" in found and found["arm"].parameters["needs_human"] is True
    assert found["trial"].parameters["judge"] == "operator"


def test_both_ways_in_give_the_rig_the_same_arguments(bundle):
    """`ros2 launch` includes rig.launch.py with these; `world4rl up` lists its nodes directly."""
    given = evaluate_rig(values("evaluate", "task:=close_drawer"))
    assert set(given) == set(RIG_ARGUMENTS) and given["needs_human"] == "false" and given["task"] == "close_drawer"
    assert deploy_rig(values("deploy"))["needs_human"] == "true"


@pytest.mark.parametrize("launch", ["deploy", "evaluate"])
def test_every_node_and_parameter_of_the_list_exists(bundle, launch):
    given = {"deploy": [f"bundle:={bundle}"], "evaluate": [f"bundles:={bundle}", "session:=s", "operator:=spacemouse"]}
    for process in processes(launch, *given[launch]).values():
        module = importlib.import_module(f"world4rl.nodes.{process.executable}")
        nodes = [one for one in vars(module).values() if getattr(one, "__module__", "") == module.__name__]
        config = next(one.Config for one in nodes if hasattr(one, "Config"))
        assert set(process.parameters) - {"use_sim_time"} <= set(config.__dataclass_fields__), process.name


@pytest.mark.parametrize(
    ("launch", "words", "message"),
    [
        ("deploy", [], "bundle:=<folder> is missing; `world4rl export"),
        ("evaluate", ["session:=s"], "bundles:=<name>=<folder>,<name>=<folder> is missing"),
        ("evaluate", ["bundles:=x"], "session:=<folder> is missing"),
        ("deploy", ["mode:=walk"], "mode:=walk: wanted one of run, dry_run, replay"),
        ("evaluate", ["judge:=coin"], "judge:=coin: wanted one of auto, operator, predicate"),
    ],
)
def test_a_wrong_or_missing_argument_names_what_is_wanted(launch, words, message):
    with pytest.raises(ConfigError, match=message):
        processes(launch, *words)


def test_the_real_arm_needs_a_person_and_a_definition_of_success(bundle):
    real = ["backend:=real", "rig:=twin", f"bundles:=a={bundle}", "session:=s"]
    with pytest.raises(ConfigError, match="on the real arm a person is needed"):
        processes("evaluate", *real, "operator:=none", "success:=it is down")
    with pytest.raises(ConfigError, match="success:=<what counts as success, in words> is missing"):
        processes("evaluate", *real)
    with pytest.raises(ConfigError, match="time_limit_s:=0: wanted more than 0"):
        processes("deploy", f"bundle:={bundle}", "time_limit_s:=0")


def test_a_bundle_that_does_not_fit_is_refused_before_anything_is_started(bundle, tmp_path):
    with pytest.raises(BundleError, match="does not fit rig panda"):
        processes("deploy", f"bundle:={bundle}", "backend:=real", "rig:=panda")
    with pytest.raises(BundleError, match="no deployment bundle there"):
        processes("deploy", f"bundle:={tmp_path}")
    changed = tmp_path / "changed"
    shutil.copytree(bundle, changed)
    (changed / GOLDEN).write_bytes(b"other")
    with pytest.raises(BundleError, match=r"golden.npz has changed since the export; export the policy again"):
        processes("evaluate", f"bundles:=a={changed}", "session:=s")
