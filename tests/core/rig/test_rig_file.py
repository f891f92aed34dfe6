"""A rig file is read strictly: every mistake is named with file, line and what would be right."""

from pathlib import Path

import pytest

from world4rl_core.errors import RigError
from world4rl_core.rig import RIGS, load_rig, rig_names

PANDA = (RIGS / "panda.yaml").read_text()


def refused(folder: Path, text: str) -> str:
    """The message that a file with this text gets, without the folder."""
    path = folder / "cell.yaml"
    path.write_text(text)
    with pytest.raises(RigError) as caught:
        load_rig(path)
    return str(caught.value).replace(f"{folder}/", "")


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), start=1) if part in line)


@pytest.mark.parametrize("name", rig_names())
def test_every_rig_of_the_project_loads_by_name_and_by_path(name):
    assert load_rig(name) == load_rig(RIGS / f"{name}.yaml")
    assert load_rig(name).name == name


def test_the_twin_is_what_the_simulator_serves():
    rig = load_rig("twin")
    assert (rig.robot.model, rig.robot.host, rig.robot.realtime) == ("fr3", "127.0.0.1", False)
    assert {camera.name: camera.serial for camera in rig.cameras} == {
        "external": "sim-external",
        "wrist": "sim-wrist",
    }


def test_an_unknown_rig_names_the_known_ones():
    with pytest.raises(RigError, match=r"no rig file .*pnada.yaml; known rigs: .*panda, twin"):
        load_rig("pnada")


def test_an_unknown_key_is_refused_with_its_line_and_the_known_keys(tmp_path):
    text = PANDA.replace("box_low_m", "workspce_low")
    message = refused(tmp_path, text)
    assert message.startswith(f"cell.yaml:{line_of(text, 'workspce_low')}: unknown key 'workspce_low' in limits")
    assert "known keys: linear_mps, angular_radps" in message


@pytest.mark.parametrize("key", ["linear_mps", "angular_radps2", "box_high_m", "host", "serial"])
def test_a_missing_key_without_a_default_is_refused(tmp_path, key):
    text = "\n".join(line for line in PANDA.splitlines() if line.strip(" -").split(":")[0] != key)
    assert f"'{key}' is missing in" in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("box_low_m: [0.25, -0.30, 0.01]", "box_low_m: [0.25, 0.40, 0.01]", "y is 0.4, wanted below box_high_m's 0.3"),
        ("linear_mps: 0.25", "linear_mps: 1.8", "got 1.8, wanted more than 0 and at most 1.7, the Panda's own limit"),
        ("angular_radps: 1.0", "angular_radps: 2.6", "at most 2.5, the Panda's own limit"),
        ("linear_mps2: 2.0", "linear_mps2: 14.0", "at most 13, the Panda's own limit"),
        ("angular_radps2: 8.0", "angular_radps2: -1.0", "got -1, wanted more than 0"),
        ("soft_force_n: 15.0", "soft_force_n: .nan", "got nan"),
        ("linear_mps: 0.25", "linear_mps: fast", "limits.linear_mps: got 'fast', wanted a number"),
        ("linear_mps: 0.25", 'linear_mps: "0.25"', "wanted a number"),
        ("realtime: true", "realtime: 1", "robot.realtime: got '1', wanted true or false"),
        ("fps: 30", "fps: 30.5", "cameras[0].fps: got '30.5', wanted a whole number"),
        ("box_low_m: [0.25, -0.30, 0.01]", "box_low_m: [0.25, -0.30]", "got 2 values, wanted 3"),
        ("box_low_m: [0.25, -0.30, 0.01]", "box_low_m: 0.3", "wanted a list"),
        ("model: panda", "model: ur5", "got 'ur5', wanted one of panda, fr3"),
        ("home_q: [0.0, -0.7854,", "home_q: [0.0, -1.9,", "joint 2 is -1.9, wanted -1.7628 to 1.7628 rad"),
        ("frame: base", "frame: world", "wanted one of base, ee"),
        ("crop: [0.0, 1.0, 0.125, 0.875]", "crop: [0.0, 1.0, 0.9, 0.1]", "wanted [top, bottom, left, right]"),
        ("max_width_m: 0.08", "max_width_m: 0.2", "the Franka Hand's own limit"),
        ("translation_m: 0.025", "translation_m: 0.05", "an action of 1 is 0.5, limits.linear_mps is 0.25"),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(tmp_path, old, new, what):
    text = PANDA.replace(old, new, 1)
    assert text != PANDA
    message = refused(tmp_path, text)
    assert what in message
    assert message.startswith("cell.yaml:")
    if "action of 1" not in what:  # a contradiction between two sections is reported at the section
        assert message.startswith(f"cell.yaml:{line_of(text, new)}:")


@pytest.mark.parametrize(("key", "old", "new"), [("name", "wrist", "external"), ("serial", "000000000001", "0" * 12)])
def test_two_cameras_need_two_names_and_two_serials(tmp_path, key, old, new):
    assert f"two cameras have the {key} '{new}'" in refused(tmp_path, PANDA.replace(old, new))


def test_a_key_given_twice_is_refused(tmp_path):
    assert "'model' is given twice in robot" in refused(
        tmp_path, PANDA.replace("model: panda", "model: panda\n  model: fr3")
    )


def test_a_calibration_that_is_no_rotation_is_refused(tmp_path):
    matrix = "[2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]"
    text = PANDA.replace("size: 128", f"size: 128\n    T_parent_cam: {matrix}", 1)
    assert "T_parent_cam: is not a rotation" in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the file is empty"),
        ("- a\n- b\n", "wanted keys and values"),
        ("name: [\n", "not YAML"),
        ("a: b: c\n", ":1: not YAML"),
    ],
)
def test_what_is_no_rig_file_at_all_is_refused_in_one_line(tmp_path, text, what):
    message = refused(tmp_path, text)
    assert what in message
    assert "\n" not in message


def test_an_unknown_camera_names_the_known_ones():
    with pytest.raises(RigError, match="no camera 'front'; known: external, wrist"):
        load_rig("twin").camera("front")
