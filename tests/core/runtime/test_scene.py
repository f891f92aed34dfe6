"""Overlay and camera shift of a start scene."""

import numpy as np
import pytest

from world4rl_core.runtime.scene import overlay, shift_px

RNG = np.random.default_rng(0)
TABLE = np.kron(RNG.integers(0, 200, (16, 16)), np.ones((8, 8)))[..., None].repeat(3, 2).astype(np.uint8)
WALL = RNG.integers(0, 160, (128, 128, 1), dtype=np.uint8).repeat(3, 2)
CABINET = RNG.integers(0, 255, (56, 56, 1), dtype=np.uint8).repeat(3, 2)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (3, 0), (0, -4), (-5, 12)])
def test_a_moved_picture_is_measured_in_pixels(rows, columns):
    moved = np.roll(TABLE, (rows, columns), axis=(0, 1))
    assert shift_px([TABLE], moved) == pytest.approx(np.hypot(rows, columns), abs=0.5)


def test_a_moved_object_or_another_light_is_no_shift():
    first, second = TABLE.copy(), TABLE.copy()
    first[40:60, 30:50], second[44:64, 45:65] = (255, 0, 0), (255, 0, 0)
    assert shift_px([first], second) == 0
    assert shift_px([first], (0.7 * second).astype(np.uint8)) == 0


def test_a_large_moved_object_on_a_plain_table_is_no_shift():
    plain = np.full((128, 128, 3), 90, np.uint8)
    plain[:48] = TABLE[:48]  # the wall behind
    first, second = plain.copy(), plain.copy()
    first[60:110, 40:90], second[63:113, 47:97] = TABLE[60:110, :50], TABLE[60:110, :50]
    assert shift_px([first], second) == 0
    moved = np.roll(first, (4, 6), axis=(0, 1))
    assert shift_px([first], moved) == pytest.approx(np.hypot(4, 6), abs=0.5)


def scene(seed):
    """A wall and, in front of most of it, a large object that is elsewhere in each scene."""
    at = np.random.default_rng(seed).integers(0, 24, 2)
    picture = WALL.copy()
    picture[24 + at[0] : 80 + at[0], 24 + at[1] : 80 + at[1]] = CABINET
    return picture


def test_several_other_scenes_tell_a_moved_camera_from_a_moved_cabinet():
    others = [scene(seed) for seed in range(4)]
    assert any(shift_px([other], scene(9)) > 3 for other in others), "one picture is not enough here"
    assert shift_px(others, scene(9)) == 0
    assert shift_px(others, np.roll(scene(9), (4, 6), axis=(0, 1))) > 3


def test_the_overlay_is_grey_where_target_and_live_picture_agree():
    live = TABLE.copy()
    live[:64] = 255 - live[:64]
    mixed = overlay(TABLE, live)
    spread = mixed.max(axis=-1).astype(int) - mixed.min(axis=-1)
    assert spread[64:].max() == 0 and spread[:64].mean() > 30
