"""The closed-form solvers against OpenCV's own and against known truths."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from world4rl_core.errors import CalibrationError
from world4rl_core.geometry import inverse
from world4rl_core.hand_eye import METHODS, rotation_spread_deg, solve, solve_all

OPENCV = np.load(Path(__file__).parents[2] / "golden" / "hand_eye_opencv_4_13.npz")


def random_pose(rng: np.random.Generator, *, rotation_rad: float, position_m: float) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = Rotation.from_rotvec(rng.normal(size=3) * rotation_rad).as_matrix()
    T[:3, 3] = rng.normal(size=3) * position_m
    return T


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("noise", ["clean", "noisy"])
def test_every_method_gives_what_opencv_gives(method, noise):
    """The arrays hold eight views whose pairs turn by 22 to 110 degrees: OpenCV 4.13's Tsai leaves out other pairs."""
    hands = OPENCV["hands" if noise == "clean" else "noisy_hands"]
    X = solve(list(hands), list(OPENCV["boards"]), mode="eye_in_hand", method=method)
    np.testing.assert_allclose(X, OPENCV[f"{noise}_{method}"], atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", ["eye_in_hand", "eye_to_hand"])
@given(seed=st.integers(0, 10**6))
def test_exact_poses_give_the_exact_camera_pose(method, mode, seed):
    rng = np.random.default_rng(seed)
    X, fixed = (random_pose(rng, rotation_rad=1, position_m=0.5) for _ in range(2))
    hands = [random_pose(rng, rotation_rad=0.5, position_m=0.3) for _ in range(10)]
    boards = [inverse(X) @ (inverse(T) if mode == "eye_in_hand" else T) @ fixed for T in hands]
    np.testing.assert_allclose(solve(hands, boards, mode=mode, method=method), X, atol=1e-5)


def test_poses_without_rotation_are_refused():
    rng = np.random.default_rng(0)
    hands = [random_pose(rng, rotation_rad=0, position_m=0.3) for _ in range(10)]
    with pytest.raises(CalibrationError, match="two axes") as refusal:
        solve_all(hands, [inverse(T) for T in hands], mode="eye_in_hand")
    assert refusal.value.reason == "degenerate"


def test_unequal_numbers_of_poses_are_refused():
    with pytest.raises(CalibrationError, match="4 hand poses and 3 board poses"):
        solve([np.eye(4)] * 4, [np.eye(4)] * 3, mode="eye_in_hand", method="park")


def test_rotation_spread_names_the_axis_that_did_not_turn():
    hands = []
    for angle in np.linspace(-0.5, 0.5, 9):
        T = np.eye(4)
        T[:3, :3] = Rotation.from_rotvec([0, angle, 0]).as_matrix()
        hands.append(T)
    spread, axes = rotation_spread_deg(hands)
    assert spread[0] > 15 and spread[1] < 1e-6
    np.testing.assert_allclose(np.abs(axes[:, 0]), [0, 1, 0], atol=1e-9)
