"""The whole way on drawn pictures: practice session, intrinsics, pose, rig file, against the truth."""

import json

import numpy as np
import pytest

from benchmarks.calibration import GOALS, Config, measure
from world4rl_core.calibration.calibrate import hand_eye, intrinsics
from world4rl_core.calibration.sessions import practice
from world4rl_core.errors import CalibrationError, ConfigError
from world4rl_core.geometry import pose_distance
from world4rl_core.rig import load_rig


@pytest.mark.slow
@pytest.mark.parametrize("mount", ["hand", "fixed"])
def test_the_commands_find_the_truth_of_a_practice_session(tmp_path, mount):
    practice(tmp_path, mount=mount, seed=3)
    rig = str(tmp_path / "rig.yaml")
    assert "held out" in intrinsics(tmp_path / "intrinsics", rig=rig)
    answer = hand_eye(tmp_path / "hand-eye", rig=rig)
    assert "expected error" in answer and "previous" in answer
    camera, truth = load_rig(rig).camera("camera"), json.loads((tmp_path / "truth.json").read_text())
    assert camera.intrinsics.fx == pytest.approx(truth["intrinsics"]["fx"], rel=0.005)
    found = np.array(camera.T_parent_cam).reshape(4, 4)
    mm, deg = pose_distance(np.array(truth["T_parent_cam"]), found)
    assert mm < 2 and deg < 0.3
    assert camera.calibration.samples >= 15
    for name in ("intrinsics/coverage.png", "hand-eye/residuals.png", "hand-eye/corners.png", "hand-eye/result.json"):
        assert (tmp_path / name).stat().st_size > 300
    _check_refusals(tmp_path, rig, mount)


def _check_refusals(folder, rig, mount):
    """A rig file with the camera mounted the other way, or with another serial number, is not written to."""
    text = (folder / "rig.yaml").read_text()
    other = "fixed" if mount == "hand" else "hand"
    for old, new in ((f"mount: {mount}", f"mount: {other}"), ("practice-0001", "practice-0002")):
        (folder / "rig.yaml").write_text(text.replace(old, new))
        with pytest.raises(ConfigError):
            hand_eye(folder / "hand-eye", rig=rig)
        assert (folder / "rig.yaml").read_text() == text.replace(old, new)
    for path in sorted((folder / "hand-eye").glob("sample_*.json"))[9:]:
        path.unlink()
    (folder / "rig.yaml").write_text(text)
    with pytest.raises(CalibrationError, match="9 samples"):
        hand_eye(folder / "hand-eye", rig=rig)
    assert (folder / "rig.yaml").read_text() == text


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eye_in_hand", "eye_to_hand"])
def test_a_cell_of_the_benchmark_reaches_the_goals(mode):
    row = measure(mode, Config(), 0)
    assert row["intrinsics_percent"] < GOALS["intrinsics_percent"]
    for kind in ("noisy", "clean"):
        mm, deg = GOALS[kind]
        assert row[kind]["mm"] < mm and row[kind]["deg"] < deg


def test_realsense_values_become_ours_or_are_refused():
    rs = pytest.importorskip("pyrealsense2")
    tool = pytest.importorskip("calibration.realsense_intrinsics")
    factory = rs.intrinsics()
    factory.width, factory.height, factory.fx, factory.fy, factory.ppx, factory.ppy = 640, 480, 610, 611, 320, 240
    factory.model, factory.coeffs = rs.distortion.inverse_brown_conrady, [0, 0, 0, 0, 0]
    found = tool.intrinsics_of(factory)
    assert (found.width, found.fy, found.cx, found.distortion) == (640, 611, 320, (0, 0, 0, 0, 0))
    factory.coeffs = [0.1, 0, 0, 0, 0]
    with pytest.raises(Exception, match="--collect"):
        tool.intrinsics_of(factory)
