"""The camera's pose: true within the stated limits, and every bad set of samples refused by its name."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from world4rl_core.calibration.board import Board
from world4rl_core.calibration.camera_pose import calibrate_pose
from world4rl_core.calibration.reprojection import View
from world4rl_core.calibration.simulated import disturb
from world4rl_core.errors import CalibrationError
from world4rl_core.geometry import pose_distance

MODES = ["eye_in_hand", "eye_to_hand"]


def moved_by(view: View, shift_m: float) -> View:
    """The view as if the board of a camera on the hand had been moved along the base's x before it."""
    T = view.T_base_hand.copy()
    T[0, 3] -= shift_m
    return View(view.detection, T)


def refusal(views, cell, *, mode, board=None, intrinsics=None) -> CalibrationError:
    with pytest.raises(CalibrationError) as caught:
        calibrate_pose(views, board or cell.board, intrinsics or cell.intrinsics, mode=mode)
    return caught.value


@pytest.mark.parametrize("mode", MODES)
def test_noisy_samples_give_the_pose_within_two_millimetres(take, mode):
    cell, views = take(mode, seed=1)
    result = calibrate_pose(views, cell.board, cell.intrinsics, mode=mode)
    mm, deg = pose_distance(cell.T_parent_cam, result.T_parent_cam)
    assert mm < 2 and deg < 0.3
    assert 0.8 < result.robot_mm < 2.5 and 0.1 < result.robot_deg < 0.3  # the noise is estimated, too
    assert set(result.closed_forms) == {"tsai", "park", "horaud", "andreff", "daniilidis"}


@pytest.mark.parametrize("mode", MODES)
def test_exact_robot_poses_give_the_pose_within_half_a_millimetre(take, mode):
    cell, views = take(mode, seed=2, robot_mm=0, robot_deg=0)
    result = calibrate_pose(views, cell.board, cell.intrinsics, mode=mode)
    mm, deg = pose_distance(cell.T_parent_cam, result.T_parent_cam)
    assert mm < 0.5 and deg < 0.05
    assert result.held_out_px < 0.3


def test_held_out_error_grows_with_the_robots_error(take):
    held_out = []
    for robot_mm in (0.5, 1.5, 4.5):
        cell, views = take("eye_in_hand", seed=3, robot_mm=robot_mm, robot_deg=robot_mm / 8)
        held_out.append(calibrate_pose(views, cell.board, cell.intrinsics, mode="eye_in_hand").held_out_px)
    assert held_out == sorted(held_out)


def test_outliers_are_left_out_and_named(take):
    cell, views = take("eye_in_hand", seed=4)
    rng = np.random.default_rng(0)
    for index in (3, 12):
        wrong = disturb(views[index].T_base_hand, position_m=0.03, angle_rad=0.04, rng=rng)
        views[index] = View(views[index].detection, wrong)
    result = calibrate_pose(views, cell.board, cell.intrinsics, mode="eye_in_hand")
    assert result.rejected == (3, 12)
    mm, deg = pose_distance(cell.T_parent_cam, result.T_parent_cam)
    assert mm < 2 and deg < 0.3


def test_too_few_samples_are_refused_with_the_next_pose(take):
    cell, views = take("eye_in_hand", count=9)
    error = refusal(views, cell, mode="eye_in_hand")
    assert error.reason == "too_few"
    assert "9 samples, wanted 10" in str(error) and "next:" in str(error)


def test_rotation_about_one_axis_only_is_refused_with_the_next_pose(take):
    cell, views = take("eye_in_hand", count=20)
    down = np.diag([1.0, -1.0, -1.0])
    flat = []
    for view, yaw in zip(views, np.linspace(-1, 1, len(views)), strict=True):
        T = view.T_base_hand.copy()
        T[:3, :3] = Rotation.from_euler("z", yaw).as_matrix() @ down
        flat.append(View(view.detection, T))
    error = refusal(flat, cell, mode="eye_in_hand")
    assert error.reason == "degenerate"
    assert "about its x axis" in str(error) or "about its y axis" in str(error)


@pytest.mark.parametrize("shift_mm", [8, 40])
def test_a_board_that_moved_is_named_with_the_sample(take, shift_mm):
    cell, views = take("eye_in_hand", seed=5, count=24)
    moved = [moved_by(view, shift_mm / 1000) if k >= 13 else view for k, view in enumerate(views)]
    error = refusal(moved, cell, mode="eye_in_hand")
    assert error.reason == "moved_board"
    assert "between samples 13 and 14" in str(error)


def test_a_board_that_moved_before_the_last_two_samples_is_named(take):
    cell, views = take("eye_in_hand", seed=5, count=24)
    moved = [moved_by(view, 0.04) if k >= 22 else view for k, view in enumerate(views)]
    error = refusal(moved, cell, mode="eye_in_hand")
    assert error.reason == "moved_board" and "23 and later" in str(error)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mode", MODES)
def test_a_board_that_stayed_is_not_said_to_have_moved(take, mode, seed):
    cell, views = take(mode, seed=seed + 10)
    assert calibrate_pose(views, cell.board, cell.intrinsics, mode=mode).rejected == ()


@pytest.mark.parametrize("mode", MODES)
def test_pictures_of_the_other_camera_are_named(take, mode):
    """Swapped cameras: the hand moves, and the board stays where it is in the picture."""
    cell, views = take(mode)
    still = [View(views[0].detection, view.T_base_hand) for view in views]
    error = refusal(still, cell, mode=mode)
    assert error.reason == "swapped_cameras" and "serial" in str(error)


@pytest.mark.parametrize(("taken", "asked"), [MODES, MODES[::-1]])
def test_the_wrong_arrangement_is_named(take, taken, asked):
    cell, views = take(taken)
    error = refusal(views, cell, mode=asked)
    assert error.reason == "wrong_arrangement" and taken in str(error)


def test_pictures_and_poses_of_different_times_are_refused(take):
    cell, views = take("eye_in_hand")
    late = [View(view.detection, views[k - 1].T_base_hand) for k, view in enumerate(views)]
    assert refusal(late, cell, mode="eye_in_hand").reason == "inconsistent"


def test_a_board_printed_at_the_wrong_scale_is_named_with_its_size(take):
    cell, views = take("eye_in_hand", seed=6)
    error = refusal(views, cell, mode="eye_in_hand", board=Board(square_m=0.042, marker_m=0.0315))
    assert error.reason == "square_size" and "given were 42.00 mm" in str(error)
    assert abs(float(str(error).split("measure ")[1].split(" mm")[0]) - 40) < 0.6


def test_another_resolution_than_the_intrinsics_is_refused(take):
    cell, views = take("eye_in_hand")
    larger = dataclasses.replace(cell.intrinsics, width=1280, height=720)
    error = refusal(views, cell, mode="eye_in_hand", intrinsics=larger)
    assert error.reason == "resolution" and "640x480" in str(error) and "1280x720" in str(error)


def test_intrinsics_of_another_camera_are_refused(take):
    cell, views = take("eye_in_hand")
    wide = dataclasses.replace(cell.intrinsics, distortion=(-0.6, 0.4, 0.0, 0.0, 0.0))
    assert refusal(views, cell, mode="eye_in_hand", intrinsics=wide).reason == "blurred"
