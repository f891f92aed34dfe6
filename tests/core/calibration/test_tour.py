"""The tour of a calibration: an arm that does what it is told, from a start pose to a rig file's pose, without ROS."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from world4rl_core.calibration.camera_pose import calibrate_pose
from world4rl_core.calibration.collecting import (
    FASTEST_MPS,
    FASTEST_RADPS,
    PATIENCE_S,
    Collector,
    Darkroom,
    Phase,
    towards,
)
from world4rl_core.calibration.poses import Guess, plan_poses
from world4rl_core.calibration.practice import LIMITS, random_cell
from world4rl_core.calibration.samples import SampleFolder, Session
from world4rl_core.calibration.simulated import SimulatedCamera
from world4rl_core.calibration.tour import LEAST_VIEWS, Tour, can_reach, first_guess, look_around
from world4rl_core.errors import CalibrationError, RobotError
from world4rl_core.geometry import inverse, pose_distance, quat_of_matrix, tilt
from world4rl_core.rig import load_rig
from world4rl_core.robot.kinematics import forward

PERIOD_S = 0.05
RIG = replace(load_rig("twin"), limits=LIMITS)
HOME = forward(np.array(RIG.robot.home_q))


def moved(T, twist, period_s):
    """An arm that follows at once."""
    after = T.copy()
    after[:3, 3] += period_s * twist[:3]
    after[:3, :3] = Rotation.from_rotvec(period_s * twist[3:]).as_matrix() @ T[:3, :3]
    return after


class Bench:
    """A cell, its samples, a collector, and an arm whose poses it remembers."""

    def __init__(self, folder, cell, *, count):
        session = Session(cell.mode, "camera", "0", 640, 480, cell.board, cell.intrinsics)
        self.cell, self.samples = cell, SampleFolder(folder, session)
        self.collector = Collector(Tour(self.samples, RIG, count=count), RIG.limits)
        poses = plan_poses(
            30,
            mode=cell.mode,
            limits=LIMITS,
            board=cell.board,
            intrinsics=cell.intrinsics,
            guess=Guess(cell.T_parent_cam, cell.T_board),
            is_reachable=lambda T: can_reach(T, RIG),
        )
        self.T = min(poses, key=self.off_centre_rad)
        self.track, self.refused, self.time_s = [self.T], [], 0.0

    def off_centre_rad(self, T):
        """How badly a person would have placed the hand: the board off the middle of the picture, the hand tilted."""
        T_base_cam, T_base_board = self.cell.place(T)
        x, y, z = (inverse(T_base_cam) @ T_base_board @ [*self.cell.board.outline_m.mean(axis=0), 1.0])[:3]
        return np.hypot(x, y) / z + tilt(quat_of_matrix(T[:3, :3]))

    def run(self, camera, *, until=None):
        while self.collector.phase is not Phase.DONE and not (until and until()):
            self.time_s += PERIOD_S
            assert self.time_s < 600
            self.T = moved(self.T, self.collector.step(self.T, self.time_s, may_move=True), PERIOD_S)
            self.track.append(self.T)
            still_s = self.collector.still_since_s
            if still_s is not None and self.time_s >= still_s:
                try:
                    image = camera.picture(*self.cell.place(self.T))
                    self.samples.take(image, time_s=self.time_s, serial="0", T_base_hand=self.T)
                except CalibrationError as error:
                    self.refused.append(error.reason)
                self.collector.looked()


@pytest.mark.parametrize("mode", ["eye_in_hand", "eye_to_hand"])
def test_a_tour_finds_the_camera_without_any_guess_and_goes_on_after_an_interruption(mode, tmp_path):
    cell = random_cell(mode, np.random.default_rng(3))
    with SimulatedCamera(cell.board, cell.intrinsics) as camera:
        first = Bench(tmp_path, cell, count=12)
        first.run(camera, until=lambda: len(first.samples.views) == LEAST_VIEWS + 1)
        guess = first_guess(first.samples)
        mm, deg = pose_distance(guess.T_parent_cam, cell.T_parent_cam)
        assert mm < 50 and deg < 5
        second = Bench(tmp_path, cell, count=12)
        assert len(second.samples.views) == LEAST_VIEWS + 1
        second.run(camera)
    assert len(second.samples.views) == 12
    for T in first.track + second.track:
        assert LIMITS.contains(T[:3, 3]) and tilt(quat_of_matrix(T[:3, :3])) < LIMITS.max_tilt_rad
        if mode == "eye_to_hand":
            outline = np.column_stack([cell.board.outline_m, np.ones(4)]) @ (T @ cell.T_board).T
            assert outline[:, 2].min() > LIMITS.box_low_m[2]
    result = calibrate_pose(second.samples.views, cell.board, cell.intrinsics, mode=mode)
    mm, deg = pose_distance(result.T_parent_cam, cell.T_parent_cam)
    assert mm < 0.5 and deg < 0.05


def test_a_start_pose_without_a_board_in_view_is_refused_with_the_next_step(tmp_path):
    cell = random_cell("eye_in_hand", np.random.default_rng(3))
    session = Session(cell.mode, "camera", "0", 640, 480, cell.board, cell.intrinsics)
    tour = Tour(SampleFolder(tmp_path, session), RIG, count=10)
    for _ in look_around(HOME, LIMITS):
        assert tour.next_pose(HOME) is not None
    with pytest.raises(CalibrationError, match="gave 0 samples, wanted 5; bring the hand") as caught:
        tour.next_pose(HOME)
    assert caught.value.reason == "no_board"


def collector(tmp_path):
    cell = random_cell("eye_in_hand", np.random.default_rng(3))
    session = Session(cell.mode, "camera", "0", 640, 480, cell.board, cell.intrinsics)
    return Collector(Tour(SampleFolder(tmp_path, session), RIG, count=10), RIG.limits)


def test_nothing_is_asked_for_while_the_arm_may_not_move(tmp_path):
    found = collector(tmp_path)
    found.step(HOME, 0.0, may_move=True)
    found.looked()
    assert found.step(HOME, 0.1, may_move=True).any() and found.phase is Phase.GO
    assert not found.step(HOME, 0.2, may_move=False).any()
    assert found.phase is Phase.WAIT and found.still_since_s is None
    assert found.step(HOME, 0.3, may_move=True).any()


def test_a_pose_that_is_not_reached_is_left_out(tmp_path):
    found = collector(tmp_path)
    found.step(HOME, 0.0, may_move=True)
    found.looked()
    times_s = np.arange(0.1, PATIENCE_S + 1.0, PERIOD_S)
    assert [found.step(HOME, time_s, may_move=True) for time_s in times_s][0].any()
    assert found.skipped == 1


def test_velocities_are_slow_and_lead_straight_to_the_goal():
    for error in (np.array([0.5, 0, 0, 0, 0, 1.0]), np.array([1e-3, 0, 0, 0, 0, 0])):
        twist = towards(error, LIMITS)
        assert np.linalg.norm(twist[:3]) <= FASTEST_MPS + 1e-9
        assert np.linalg.norm(twist[3:]) <= FASTEST_RADPS + 1e-9
        np.testing.assert_allclose(twist / np.linalg.norm(twist), error / np.linalg.norm(error))


def test_a_look_around_stays_in_the_box_and_upright():
    tilted = HOME.copy()
    tilted[:3, :3] = HOME[:3, :3] @ Rotation.from_rotvec([0.45, 0, 0]).as_matrix()
    assert LEAST_VIEWS <= len(look_around(tilted, LIMITS)) < len(look_around(HOME, LIMITS))
    for T in look_around(tilted, LIMITS):
        assert LIMITS.contains(T[:3, 3]) and tilt(quat_of_matrix(T[:3, :3])) < LIMITS.max_tilt_rad


def test_reach_is_judged_with_the_joints():
    far = HOME.copy()
    far[0, 3] += 0.6
    assert can_reach(HOME, RIG) and not can_reach(far, RIG)


def test_a_shot_has_the_poses_before_and_after_the_picture():
    room, poses = Darkroom(), [np.eye(4) * (k + 1) for k in range(5)]
    with pytest.raises(RobotError, match="no picture from the camera"):
        room.shot(10.0)
    room.add_picture(np.zeros((2, 2, 3), np.uint8), 10.25)
    with pytest.raises(RobotError, match="no pose from the arm"):
        room.shot(10.3)
    for k, T in enumerate(poses):
        room.add_pose(T, 9.7 + 0.1 * k)
    assert not room.has_picture_since(10.0)  # no pose after it yet
    room.add_pose(np.eye(4) * 6, 10.3)
    assert room.has_picture_since(10.0) and not room.has_picture_since(10.28)
    shot = room.shot(10.3)
    assert shot.T_before[0, 0] == 3 and shot.T_after[0, 0] == 6
    with pytest.raises(RobotError, match="is its node running"):
        room.shot(12.0)
