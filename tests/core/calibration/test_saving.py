"""Rig files: a calibration arrives, everything else stays, and a good one is never lost."""

import dataclasses
import datetime

import numpy as np
import pytest

from world4rl_core.calibration.frames import static_transforms
from world4rl_core.calibration.practice import looking_at
from world4rl_core.calibration.rig_commands import CAMERA, TEMPLATE, init, problems
from world4rl_core.calibration.rig_picture import camera_pose_of, draw_rig, frustum
from world4rl_core.calibration.saving import save_camera
from world4rl_core.errors import CalibrationError, ConfigError, RigError
from world4rl_core.optics import CalibrationRecord, Intrinsics
from world4rl_core.rig import load_rig

NOW = datetime.datetime(2030, 5, 17, 12, tzinfo=datetime.UTC)
T_EXTERNAL = looking_at(np.array([1.2, 0.1, 0.6]), np.array([0.5, 0.0, 0.2]))
T_LEFT = looking_at(np.array([0.4, 0.9, 0.6]), np.array([0.5, 0.0, 0.2]))
OPTICS = Intrinsics(640, 480, 612.3, 610.1, 321.2, 238.8, (0.05, -0.1, 0.001, 0.0, 0.0))


def record(std_mm: float = 0.8, std_deg: float = 0.06) -> CalibrationRecord:
    return CalibrationRecord(NOW.isoformat(), 20, 1.2, std_mm, std_deg)


@pytest.fixture
def path(tmp_path):
    names = (("external", "11", "fixed"), ("left", "12", "fixed"), ("wrist", "13", "hand"))
    cameras = "".join(CAMERA.format(name=name, serial=serial, mount=mount) for name, serial, mount in names)
    text = TEMPLATE.format(
        name="lab", model="panda", host="172.16.0.2", low="0.3, -0.3, 0.02", high="0.7, 0.3, 0.5", cameras=cameras
    )
    (tmp_path / "lab.yaml").write_text(text)
    return tmp_path / "lab.yaml"


def save(path, name, T, **more):
    return save_camera(
        path, name, now=NOW, intrinsics=OPTICS, T_parent_cam=T, record=more.pop("kept", record()), **more
    )


def test_a_calibration_arrives_and_comments_stay(path):
    before = path.read_text()
    kept = save(path, "left", T_LEFT)
    rig = load_rig(path)
    np.testing.assert_allclose(np.array(rig.camera("left").T_parent_cam).reshape(4, 4), T_LEFT, atol=1e-8)
    assert rig.camera("left").intrinsics == OPTICS
    assert rig.camera("left").calibration == record()
    assert rig.camera("external").T_parent_cam is None
    assert "# refuse to run without a real-time kernel" in path.read_text()
    assert kept.parent.name == "previous" and kept.read_text() == before


def test_every_previous_file_is_kept(path):
    texts = [path.read_text()]
    for shift in (0.0, 0.001, 0.002):
        T = T_LEFT.copy()
        T[0, 3] += shift
        save(path, "left", T)
        texts.append(path.read_text())
    kept = sorted((path.parent / "previous").iterdir())
    assert sorted(file.read_text() for file in kept) == sorted(texts[:-1])
    assert load_rig(path).camera("left").calibration is not None
    assert save_camera(path, "left", now=NOW, intrinsics=OPTICS) is None  # nothing new: nothing written


def test_flow_and_block_style_are_both_understood(path):
    text = path.read_text()
    last = text.index("  - name: wrist")
    path.write_text(text[:last] + '  - {name: wrist, serial: "13", mount: hand}\n')
    save(path, "wrist", T_LEFT)
    assert load_rig(path).camera("wrist").intrinsics == OPTICS
    lines = ("intrinsics:", "  width: 640", "  height: 480", "  fx: 1.0", "  fy: 1.0", "  cx: 0.0", "  cy: 0.0")
    block = "".join(f"    {line}\n" for line in lines)
    path.write_text(text[:last] + block + text[last:])
    save(path, "left", T_LEFT)
    assert load_rig(path).camera("left").intrinsics == OPTICS


def test_a_worse_calibration_is_refused_unless_forced(path):
    save(path, "left", T_LEFT)
    text = path.read_text()
    with pytest.raises(CalibrationError, match="--force") as caught:
        save(path, "left", T_LEFT, kept=record(std_mm=2.5))
    assert caught.value.reason == "worse" and path.read_text() == text
    save(path, "left", T_LEFT, kept=record(std_mm=2.5), is_forced=True)
    assert load_rig(path).camera("left").calibration.std_mm == 2.5


def test_two_swapped_cameras_are_named(path):
    save(path, "external", T_EXTERNAL)
    save(path, "left", T_LEFT)
    text = path.read_text()
    with pytest.raises(CalibrationError, match="where 'external' was calibrated") as caught:
        save(path, "left", T_EXTERNAL)
    assert caught.value.reason == "swapped_cameras" and path.read_text() == text


def test_an_unknown_camera_is_refused(path):
    with pytest.raises(RigError, match="known: external, left, wrist"):
        save(path, "front", T_LEFT)


def test_the_drawing_shows_every_calibrated_camera(path, tmp_path):
    save(path, "external", T_EXTERNAL)
    rig = load_rig(path)
    assert draw_rig(rig, tmp_path / "rig.png").stat().st_size > 10_000
    assert camera_pose_of(rig.camera("wrist"), np.eye(4)) is None
    corners = frustum(rig.camera("external"), T_EXTERNAL, depth_m=0.5)
    np.testing.assert_allclose(corners[0], T_EXTERNAL[:3, 3])
    depths = (corners[1:] - corners[0]) @ T_EXTERNAL[:3, 2]
    np.testing.assert_allclose(depths, 0.5)


def test_static_transforms_have_optical_frames(path):
    save(path, "external", T_EXTERNAL)
    save(path, "wrist", T_LEFT)
    frames = {(one.parent, one.child) for one in static_transforms(load_rig(path))}
    assert frames == {("base", "external_color_optical_frame"), ("ee", "wrist_color_optical_frame")}


def test_rig_init_asks_and_writes_a_valid_file(tmp_path, monkeypatch):
    answers = iter(["fr3", "192.168.1.5", "", "0.6 0.2 0.4", "1", "front", "987", ""])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    init("lab_a", folder=tmp_path)
    rig = load_rig(tmp_path / "lab_a.yaml")
    assert (rig.robot.model, rig.robot.host, rig.limits.box_high_m) == ("fr3", "192.168.1.5", (0.6, 0.2, 0.4))
    assert [(c.name, c.serial, c.mount) for c in rig.cameras] == [("front", "987", "fixed")]
    with pytest.raises(RigError, match="exists"):
        init("lab_a", folder=tmp_path)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["ur5"], "wanted one of panda, fr3"),
        (["panda", "", "0.3 0.1"], "got 2 numbers, wanted three"),
        (["panda", "", "a b c"], "wanted three numbers"),
        (["panda", "", "0.9 0 0", "0.5 0.2 0.3", "1", "", "", ""], "box_low_m"),
    ],
)
def test_rig_init_refuses_what_makes_no_sense_and_writes_nothing(tmp_path, monkeypatch, answers, message):
    given = iter(answers)
    monkeypatch.setattr("builtins.input", lambda _: next(given))
    with pytest.raises((ConfigError, RigError), match=message):
        init("lab", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_rig_check_lists_what_a_session_would_miss(path):
    now = NOW + datetime.timedelta(days=40)
    save(path, "external", T_EXTERNAL)
    found = "\n".join(problems(load_rig(path), now=now))
    assert "external: calibrated 40 days ago" in found
    assert "left: no intrinsics" in found and "wrist: no pose" in found
    rig = load_rig(path)
    wide = dataclasses.replace(rig.camera("external"), width=1280, height=720)
    assert any("640x480, not 1280x720" in p for p in problems(dataclasses.replace(rig, cameras=(wide,)), now=NOW))
