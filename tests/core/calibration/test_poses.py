"""Planned hand poses: safe, useful, and enough to calibrate from."""

import numpy as np
import pytest

from world4rl_core.calibration.poses import Guess, information, plan_poses, shows_board
from world4rl_core.calibration.practice import LIMITS, random_cell
from world4rl_core.errors import CalibrationError
from world4rl_core.geometry import quat_of_matrix, tilt
from world4rl_core.hand_eye import rotation_spread_deg

MODES = ["eye_in_hand", "eye_to_hand"]


def plan(cell, count, **more):
    guess = Guess(cell.T_parent_cam, cell.T_board)
    arguments = {"mode": cell.mode, "limits": LIMITS, "board": cell.board, "intrinsics": cell.intrinsics}
    return plan_poses(count, guess=guess, **arguments, **more), {**arguments, "guess": guess}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(4))
def test_poses_stay_in_the_box_tilt_little_and_show_the_board(mode, seed):
    poses, arguments = plan(random_cell(mode, np.random.default_rng(seed)), 15, seed=seed)
    arguments.pop("limits")
    for T in poses:
        assert LIMITS.contains(T[:3, 3])
        assert tilt(quat_of_matrix(T[:3, :3])) <= LIMITS.max_tilt_rad
    assert shows_board(np.stack(poses), **arguments).all()
    assert rotation_spread_deg(poses)[0][1] > 10


@pytest.mark.parametrize("mode", MODES)
def test_chosen_poses_tell_more_than_random_ones(mode):
    cell = random_cell(mode, np.random.default_rng(1))
    chosen, arguments = plan(cell, 10)
    arguments.pop("limits")
    many, _ = plan(cell, 60, seed=5)
    rng = np.random.default_rng(0)
    some = [many[i] for i in rng.choice(60, 10, replace=False)]
    told = [np.linalg.slogdet(information(poses, **arguments).sum(axis=0))[1] for poses in (chosen, some)]
    assert told[0] > told[1]


def test_the_next_pose_completes_what_is_taken():
    cell = random_cell("eye_in_hand", np.random.default_rng(2))
    taken, arguments = plan(cell, 3)
    arguments.pop("limits")
    (best,), _ = plan(cell, 1, taken=taken)
    again = [*taken, taken[0]]
    told = [np.linalg.slogdet(information(poses, **arguments).sum(axis=0))[1] for poses in ([*taken, best], again)]
    assert told[0] > told[1]


def test_what_the_arm_cannot_reach_is_left_out():
    cell = random_cell("eye_in_hand", np.random.default_rng(3))
    poses, _ = plan(cell, 8, is_reachable=lambda T: T[1, 3] > 0)
    assert all(T[1, 3] > 0 for T in poses)


def test_a_board_out_of_sight_is_refused():
    cell = random_cell("eye_in_hand", np.random.default_rng(3))
    away = cell.T_board.copy()
    away[0, 3] += 3
    arguments = {"mode": cell.mode, "limits": LIMITS, "board": cell.board, "intrinsics": cell.intrinsics}
    with pytest.raises(CalibrationError, match="0 poses inside the workspace box") as caught:
        plan_poses(5, guess=Guess(cell.T_parent_cam, away), **arguments)
    assert caught.value.reason == "no_pose"
