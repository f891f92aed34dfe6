"""Intrinsics: right within half a percent, guided on the way, refused where a set is not good enough."""

import dataclasses

import numpy as np
import pytest

from world4rl_core.calibration.board import Detection
from world4rl_core.calibration.coverage import coverage
from world4rl_core.calibration.intrinsics import estimate_intrinsics
from world4rl_core.calibration.practice import board_in_front
from world4rl_core.calibration.reprojection import project
from world4rl_core.errors import CalibrationError
from world4rl_core.optics import Intrinsics

TRUTH = Intrinsics(640, 480, 612.0, 609.0, 325.0, 236.0, (0.06, -0.1, 0.0006, -0.0004, 0.0))


def views(board, count=24, *, seed=0, corner_px=0.15, truth=TRUTH) -> list[Detection]:
    rng = np.random.default_rng(seed)
    found = []
    for T in board_in_front(board, truth, count, rng):
        pixels = project(board.points_m @ T[:3, :3].T + T[:3, 3], truth)
        pixels += rng.normal(scale=corner_px, size=pixels.shape)
        found.append(Detection(pixels, np.arange(len(pixels)), truth.width, truth.height))
    return found


def refusal(detections, board) -> CalibrationError:
    with pytest.raises(CalibrationError) as caught:
        estimate_intrinsics(detections, board)
    return caught.value


def test_intrinsics_are_right_within_half_a_percent(board):
    result = estimate_intrinsics(views(board, 40), board)
    found = result.intrinsics
    assert abs(found.fx / TRUTH.fx - 1) < 0.005 and abs(found.fy / TRUTH.fy - 1) < 0.005
    assert abs(found.cx - TRUTH.cx) < 2 and abs(found.cy - TRUTH.cy) < 2
    np.testing.assert_allclose(found.distortion[:2], TRUTH.distortion[:2], atol=0.05)
    assert result.held_out_px == pytest.approx(0.15 * np.sqrt(2), rel=0.3)
    assert result.std_focal > 0.2 * abs(found.fx / TRUTH.fx - 1)


def test_outliers_are_left_out_and_named(board):
    detections = views(board, 40)
    for index in (2, 9):
        bent = detections[index].corners_px.copy()
        bent[:, 0] += 3 * np.sin(bent[:, 1] / 30)
        detections[index] = dataclasses.replace(detections[index], corners_px=bent)
    assert set(estimate_intrinsics(detections, board).rejected) == {2, 9}


def test_too_few_views_are_refused(board):
    error = refusal(views(board, 8), board)
    assert error.reason == "too_few" and "8 views, wanted 12" in str(error)


def test_pictures_of_several_sizes_are_refused(board):
    detections = views(board)
    detections[3] = dataclasses.replace(detections[3], width=1280, height=720)
    error = refusal(detections, board)
    assert error.reason == "resolution" and "640x480, 1280x720" in str(error)


def test_views_of_one_corner_are_refused_with_advice(board):
    detections = [d for d in views(board, 150) if (d.corners_px.mean(axis=0) < (330, 250)).all()][:20]
    error = refusal(detections, board)
    assert error.reason == "coverage"
    assert "to the right of the picture" in str(error) or "to the bottom of the picture" in str(error)


def test_noisy_corners_are_refused(board):
    assert refusal(views(board, 40, corner_px=1.2), board).reason in ("reprojection", "uncertain")


def test_guidance_names_what_is_missing_and_ends(board):
    detections = views(board, 40)
    first = coverage(detections[:1], board)
    assert not first.is_enough and first.advice != "enough views"
    progress = [coverage(detections[:count], board) for count in (1, 5, 15, 40)]
    for key in ("x", "y", "size", "skew"):
        values = [getattr(p, key) for p in progress]
        assert values == sorted(values) and values[0] >= 0 and values[-1] <= 1
    assert progress[-1].is_enough and progress[-1].advice == "enough views"
    assert coverage([], board).advice
