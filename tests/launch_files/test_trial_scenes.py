"""What a session's pictures tell of a camera that was moved."""

import numpy as np
import pytest

pytest.importorskip("rclpy")
from world4rl.trial_scenes import TrialScenes
from world4rl_core.rig import load_rig

WALL = np.random.default_rng(0).integers(0, 200, (128, 128, 1), dtype=np.uint8).repeat(3, 2)
MOVED = {"external": np.roll(WALL, (4, 6), axis=(0, 1))}


def scene(seed: int) -> dict[str, np.ndarray]:
    picture = WALL.copy()
    picture[20 + 9 * seed : 50 + 9 * seed, 30:60] = 255
    return {"external": picture}


@pytest.fixture
def scenes(tmp_path):
    return TrialScenes(tmp_path, load_rig("twin"), max_shift_px=3.0)


def test_the_same_start_scene_tells_at_once(scenes):
    scenes.keep(0, scene(0), name="0001-1")
    assert scenes.drift(0, scene(0)) == []
    (found,) = scenes.drift(0, {"external": np.roll(scene(0)["external"], (4, 6), axis=(0, 1))})
    assert "camera external has moved by 7 pixels" in found and "put it back" in found


def test_a_new_scene_tells_once_three_others_are_known(scenes):
    for start in range(3):
        assert scenes.drift(start, MOVED) == [], "too few to tell"
        scenes.keep(start, scene(start), name=f"{start}")
    assert scenes.drift(3, scene(3)) == []
    assert "has moved" in scenes.drift(3, MOVED)[0]


def test_another_picture_size_is_named(scenes):
    scenes.keep(0, scene(0), name="0001-1")
    assert "gives (64, 64, 3)" in scenes.drift(0, {"external": WALL[:64, :64]})[0]
