"""The drift check: what moved, darkened or blurred is found, what only looks different is not."""

import dataclasses
import datetime

import cv2
import numpy as np
import pytest
from board_photo import photo

from world4rl_core.calibration.board import Board
from world4rl_core.calibration.drift import (
    DriftReport,
    check_drift,
    load_reference,
    make_reference,
    require_checked,
    save_reference,
)
from world4rl_core.calibration.pictures import drift_picture
from world4rl_core.errors import CalibrationError, DataError
from world4rl_core.rig import CameraRig

NOW = datetime.datetime(2030, 5, 17, 12, tzinfo=datetime.UTC)
CAMERA = CameraRig("external", "42", exposure_us=8000.0)
HAND = dataclasses.replace(CAMERA, name="wrist", mount="hand")


def scene(seed: int = 0) -> np.ndarray:
    """A table with things on it, uint8 RGB (480, 640, 3)."""
    rng = np.random.default_rng(seed)
    image = np.full((480, 640, 3), 120, np.uint8)
    for _ in range(140):
        x, y, w, h = (int(v) for v in rng.uniform([0, 0, 8, 8], [620, 460, 70, 60]))
        colour = tuple(int(v) for v in rng.integers(30, 220, 3))
        cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
        cv2.putText(image, str(rng.integers(1000)), (x, y + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (20, 20, 20), 2)
    return cv2.GaussianBlur(image, (0, 0), 0.8)


def shifted(image: np.ndarray, pixels: float, *, turn_deg: float = 0.0) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((320, 240), turn_deg, 1.0)
    matrix[0, 2] += pixels
    return cv2.warpAffine(image, matrix, (640, 480), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def check(live: np.ndarray, old: np.ndarray, **more) -> DriftReport:
    return check_drift(live, make_reference(old, CAMERA, now=NOW), CAMERA, now=NOW, **more)[0]


def verdicts(report: DriftReport) -> dict[str, str]:
    return {finding.name: finding.verdict for finding in report.findings}


def noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(7).normal(scale=4, size=image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_the_same_view_with_other_noise_and_a_moved_object_is_ok():
    live = noisy(scene())
    live[300:420, 40:170] = (200, 40, 40)
    report = check(live, scene())
    assert report.verdict == "OK"
    assert next(f for f in report.findings if f.name == "alignment").value < 0.5


@pytest.mark.parametrize(("pixels", "verdict"), [(0.5, "OK"), (3.5, "WARN"), (12, "FAIL"), (60, "FAIL")])
def test_a_camera_that_moved_is_graded_by_pixels(pixels, verdict):
    report = check(noisy(shifted(scene(), pixels)), scene())
    assert report.verdict == verdict
    assert report.findings[0].value == pytest.approx(pixels, abs=0.5)


def test_a_camera_that_turned_is_found():
    assert check(shifted(scene(), 0, turn_deg=2), scene()).verdict == "FAIL"


def test_the_board_decides_where_both_pictures_show_it():
    old = photo(Board())
    report = check(shifted(old, 3.0), old, board=Board())
    finding = report.findings[0]
    assert finding.verdict == "WARN" and "board" in finding.message
    assert finding.value == pytest.approx(3.0, abs=0.2)


def test_a_covered_lens_or_another_scene_fails():
    for live in (np.zeros((480, 640, 3), np.uint8), scene(seed=5)):
        report = check(live, scene())
        assert report.verdict == "FAIL" and "covered" in report.findings[0].message


def test_dim_light_and_lost_focus_are_told_apart():
    dim = (0.6 * scene()).astype(np.uint8)
    assert verdicts(check(dim, scene()))["brightness"] == "FAIL"
    assert verdicts(check(dim, scene()))["alignment"] == "OK"
    soft = cv2.GaussianBlur(scene(), (0, 0), 12)
    assert verdicts(check(soft, scene()))["sharpness"] in ("WARN", "FAIL")


def test_exposure_is_compared_where_it_is_known():
    assert verdicts(check(scene(), scene(), exposure_us=8100.0))["exposure"] == "OK"
    assert verdicts(check(scene(), scene(), exposure_us=33000.0))["exposure"] == "FAIL"
    assert "exposure" not in verdicts(check(scene(), scene()))


def test_light_is_that_of_the_training_data_where_it_is_given():
    dark = [np.full((128, 128, 3), 20, np.uint8)]
    reference = make_reference(scene(), CAMERA, now=NOW, training=dark)
    report, _ = check_drift(scene(), reference, CAMERA, now=NOW)
    assert verdicts(report)["brightness"] == "FAIL"


def test_what_cannot_be_compared_is_refused_by_name():
    reference = make_reference(scene(), HAND, now=NOW, T_base_hand=np.eye(4))
    away = np.eye(4)
    away[2, 3] = 0.02
    cases = [
        ("swapped_cameras", {"camera": dataclasses.replace(HAND, serial="43")}),
        ("resolution", {"live": scene()[:240]}),
        ("moved_hand", {"T_base_hand": None}),
        ("moved_hand", {"T_base_hand": away}),
    ]
    for reason, change in cases:
        given = {"live": scene(), "camera": HAND, "T_base_hand": np.eye(4)} | change
        with pytest.raises(CalibrationError) as caught:
            check_drift(given["live"], reference, given["camera"], now=NOW, T_base_hand=given["T_base_hand"])
        assert caught.value.reason == reason


def test_the_reference_comes_back_from_disk(tmp_path):
    reference = make_reference(scene(), HAND, now=NOW, T_base_hand=np.eye(4))
    save_reference(tmp_path, "wrist", reference)
    found = load_reference(tmp_path, "wrist")
    np.testing.assert_array_equal(found.image, reference.image)
    assert (found.light, found.serial, found.taken) == (reference.light, "42", reference.taken)
    with pytest.raises(DataError, match="take a reference picture"):
        load_reference(tmp_path, "external")


def test_a_session_needs_a_fresh_check_that_did_not_fail():
    good, bad = check(scene(), scene()).record(), check(shifted(scene(), 30), scene()).record()
    hour = datetime.timedelta(hours=1)
    assert require_checked(good, now=NOW)["age_s"] == 0
    for record, now, match in (
        (None, NOW, "never checked"),
        (good, NOW + 2 * hour, "2.0 h ago"),
        (bad, NOW, "failed its drift check: alignment"),
    ):
        with pytest.raises(CalibrationError, match=match):
            require_checked(record, now=now)
        stored = require_checked(record, now=now, override="lens is being replaced")
        assert stored["override"] == "lens is being replaced" and match.split(":")[0] in stored["problem"]


def test_the_picture_shows_both_views_side_by_side():
    reference = make_reference(scene(), CAMERA, now=NOW)
    live = shifted(scene(), 8)
    report, match = check_drift(live, reference, CAMERA, now=NOW)
    picture = drift_picture(live, reference, report, match)
    assert picture.shape == (2 * (480 + 34), 1280, 3)
    np.testing.assert_array_equal(picture[34 : 34 + 480, :640], scene())
