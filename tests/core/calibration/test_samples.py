"""Samples on disk: each survives an interruption, the last can be undone, and a bad one never arrives there."""

import dataclasses

import numpy as np
import pytest
from board_photo import INTRINSICS, photo

from world4rl_core.calibration.board import Board
from world4rl_core.calibration.samples import SampleFolder, Session, open_samples
from world4rl_core.errors import CalibrationError, DataError

SESSION = Session("eye_in_hand", "wrist", "42", 640, 480, Board(), INTRINSICS)
STEP = np.array([[1, 0, 0, 0.05], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def take(folder: SampleFolder, *, T=None, image=None, serial="42", after=None):
    T = np.eye(4) if T is None else T
    image = photo(Board()) if image is None else image
    return folder.take(image, time_s=1.0, serial=serial, T_base_hand=T, T_base_hand_after=after)


def reason(folder: SampleFolder, **what) -> str:
    before = sorted(folder.folder.iterdir())
    with pytest.raises(CalibrationError) as caught:
        take(folder, **what)
    assert sorted(folder.folder.iterdir()) == before  # nothing was stored
    return caught.value.reason


def test_an_interrupted_session_goes_on(tmp_path):
    first = SampleFolder(tmp_path / "s", SESSION)
    take(first)
    assert take(first, T=STEP).count == 2
    again = SampleFolder(tmp_path / "s", SESSION)
    assert again.progress().count == 2
    np.testing.assert_array_equal(again.views[1].T_base_hand, STEP)
    np.testing.assert_array_equal(again.views[1].detection.corners_px, first.views[1].detection.corners_px)
    assert open_samples(tmp_path / "s").session == SESSION


def test_a_sample_without_its_pose_does_not_exist(tmp_path):
    """The picture is written first: a kill between the two files leaves a session without that sample."""
    folder = SampleFolder(tmp_path / "s", SESSION)
    take(folder)
    (tmp_path / "s" / "sample_0001.json").unlink()
    again = SampleFolder(tmp_path / "s", SESSION)
    assert again.progress().count == 0
    assert take(again).count == 1


def test_the_last_sample_is_undone(tmp_path):
    folder = SampleFolder(tmp_path / "s", SESSION)
    take(folder)
    take(folder, T=STEP)
    assert folder.undo().count == 1
    assert open_samples(tmp_path / "s").progress().count == 1
    assert folder.undo().count == 0
    with pytest.raises(DataError, match="no sample to undo"):
        folder.undo()


def test_bad_samples_are_refused_by_name_and_not_stored(tmp_path):
    folder = SampleFolder(tmp_path / "s", SESSION)
    take(folder)
    assert reason(folder, serial="43") == "swapped_cameras"
    assert reason(folder, image=photo(Board())[:240]) == "resolution"
    assert reason(folder, image=photo(Board())[:, ::-1]) == "mirrored"
    assert reason(folder, image=photo(Board(dictionary="DICT_6X6_250"))) == "wrong_board"
    assert reason(folder, T=np.eye(4)) == "too_similar"
    assert reason(folder, T=STEP, after=STEP @ STEP) == "moving"
    assert folder.progress().count == 1


def test_a_folder_of_another_session_is_refused(tmp_path):
    SampleFolder(tmp_path / "s", SESSION)
    with pytest.raises(DataError, match="'external'"):
        SampleFolder(tmp_path / "s", dataclasses.replace(SESSION, camera="external"))
    with pytest.raises(DataError, match="give a folder"):
        open_samples(tmp_path)
    (tmp_path / "s" / "session.json").write_text("{}")
    with pytest.raises(DataError, match="format"):
        open_samples(tmp_path / "s")


def test_a_damaged_sample_is_named(tmp_path):
    take(SampleFolder(tmp_path / "s", SESSION))
    (tmp_path / "s" / "sample_0001.json").write_text('{"T_base_hand": [1, 2]}')
    with pytest.raises(DataError, match="sample_0001.json is damaged"):
        open_samples(tmp_path / "s")


def test_hand_eye_needs_intrinsics():
    with pytest.raises(DataError, match="calibrate these first"):
        Session("eye_to_hand", "external", "1", 640, 480)
