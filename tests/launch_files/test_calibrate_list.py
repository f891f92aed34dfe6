"""The list of calibrate: what it starts, and what it refuses before anything is started."""

import importlib

import pytest

pytest.importorskip("rclpy")
from world4rl.bringup import read_arguments
from world4rl.calibrating import calibrate_rig
from world4rl.launches import LAUNCHES
from world4rl_core.errors import ConfigError, RigError
from world4rl_core.rig import load_rig


def values(*words):
    return read_arguments(LAUNCHES["calibrate"].arguments, list(words))


def processes(*words):
    return {process.name: process for process in LAUNCHES["calibrate"].processes(values(*words))}


def test_the_simulated_arm_calibrates_by_itself_on_a_rig_file_of_its_own(tmp_path):
    found = processes("camera:=wrist", f"samples:={tmp_path}")
    assert list(found) == ["sim", "arm", "calibrate"]
    assert found["sim"].parameters["board"] == "table" and found["arm"].parameters["needs_human"] is False
    assert found["calibrate"].parameters["mode"] == "eye_in_hand" and found["calibrate"].ends_everything_well
    rigs = {process.parameters["rig"] for process in found.values()}
    assert rigs == {str(tmp_path / "rig.yaml")} and load_rig(rigs.pop()).camera("wrist").width == 640


def test_a_fixed_camera_looks_at_a_board_in_the_hand(tmp_path):
    found = processes("camera:=external", "mode:=eye_to_hand", f"samples:={tmp_path}")
    assert found["sim"].parameters["board"] == "hand" and found["calibrate"].parameters["mode"] == "eye_to_hand"


def test_the_real_arm_needs_a_person_unless_it_is_guided():
    real = ["backend:=real", "rig:=panda", "camera:=wrist"]
    found = processes(*real)
    assert list(found) == ["arm", "camera_external", "camera_wrist", "teleop", "calibrate"]
    assert found["arm"].parameters["needs_human"] is True and not found["calibrate"].parameters["simulated"]
    with pytest.raises(ConfigError, match="a person holds the SpaceMouse"):
        processes(*real, "operator:=none")
    guided = processes(*real, "operator:=none", "guide:=true")
    assert "teleop" not in guided and guided["calibrate"].parameters["guide"] is True


def test_both_ways_in_give_the_rig_the_same_arguments(tmp_path):
    """`ros2 launch` includes rig.launch.py with these; `world4rl up` lists its nodes directly."""
    given = calibrate_rig(values("camera:=wrist", f"samples:={tmp_path}"))
    assert given["shows_board"] == "table" and given["needs_human"] == "false"
    assert set(given) == set(LAUNCHES["rig"].arguments)


def test_every_node_and_parameter_of_the_list_exists(tmp_path):
    for process in processes("camera:=wrist", f"samples:={tmp_path}").values():
        module = importlib.import_module(f"world4rl.nodes.{process.executable}")
        nodes = [one for one in vars(module).values() if getattr(one, "__module__", "") == module.__name__]
        config = next(one.Config for one in nodes if hasattr(one, "Config"))
        assert set(process.parameters) - {"use_sim_time"} <= set(config.__dataclass_fields__), process.name


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ([], ConfigError, "camera:=: wanted one of external, wrist"),
        (["camera:=front"], ConfigError, "camera:=front: wanted one of external, wrist"),
        (["rig:=twin"], ConfigError, "camera:=<name> is missing; cameras of rig twin: external, wrist"),
        (["rig:=twin", "camera:=front"], RigError, "no camera 'front'; known: external, wrist"),
        (["rig:=twin", "camera:=wrist", "mode:=eye_to_hand"], ConfigError, "which is eye_in_hand; correct `mount`"),
        (["mode:=eye"], ConfigError, "mode:=eye: wanted one of auto, eye_in_hand, eye_to_hand"),
        (["guide:=yes"], ConfigError, "guide:=yes: wanted one of true, false"),
        (["rig:=twin", "camera:=wrist", "count:=3"], ConfigError, "count:=3: wanted at least 10"),
        (["backend:=real", "camera:=wrist"], ConfigError, "backend:=real needs rig:="),
    ],
)
def test_a_wrong_or_missing_argument_names_what_is_wanted(words, error, message):
    with pytest.raises(error, match=message):
        processes(*words)
