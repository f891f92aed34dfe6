"""The one down-sampling of the project: exact, equal to OpenCV's, the same at any crop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from world4rl_core.errors import ConfigError
from world4rl_core.pixels import area_taps, crop_and_resize, crop_bounds, resize

EDGE = st.integers(1, 60)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(EDGE, EDGE)
def test_every_old_pixel_counts_once_and_every_new_one_alike(old: int, new: int) -> None:
    taps = area_taps(old, new)
    assert (taps.weight.sum(axis=0) == old).all()
    shares = np.bincount(taps.index.ravel(), weights=taps.weight.ravel(), minlength=old)
    np.testing.assert_array_equal(shares, np.full(old, new))


@given(EDGE, EDGE, EDGE, EDGE, st.integers(0, 9))
def test_a_new_pixel_is_the_mean_of_the_area_it_covers(height, width, new_height, new_width, seed) -> None:
    image = picture(height, width, seed)
    fine = image.astype(float).repeat(new_height, 0).repeat(new_width, 1)
    means = fine.reshape(new_height, height, new_width, width, 3).mean(axis=(1, 3))
    assert np.abs(resize(image, (new_height, new_width)) - means).max() <= 0.5 + 1e-9


@given(st.integers(0, 255), EDGE, EDGE)
def test_a_plain_picture_stays_plain(level: int, height: int, width: int) -> None:
    assert (resize(np.full((31, 17, 3), level, np.uint8), (height, width)) == level).all()


@pytest.mark.parametrize("shape", [(480, 640, 128, 128), (256, 256, 64, 64), (128, 128, 84, 84), (100, 101, 99, 33)])
def test_it_is_opencvs_area_interpolation_within_one_level(shape) -> None:
    cv2 = pytest.importorskip("cv2")
    height, width, new_height, new_width = shape
    image = picture(height, width)
    wanted = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(resize(image, (new_height, new_width)) - wanted).max() <= 1


def test_a_crop_is_in_whole_pixels_and_comes_before_the_resize() -> None:
    assert crop_bounds((0.1, 0.9, 0.25, 1.0), 48, 64) == (5, 43, 16, 64)
    image = picture(48, 64)
    np.testing.assert_array_equal(
        crop_and_resize(image, (0.1, 0.9, 0.25, 1.0), (16, 16)), resize(image[5:43, 16:64], (16, 16))
    )
    np.testing.assert_array_equal(crop_and_resize(image, (0.0, 1.0, 0.0, 1.0), (48, 64)), image)


@pytest.mark.parametrize("crop", [(0.5, 0.5, 0.0, 1.0), (0.9, 0.1, 0.0, 1.0), (-0.1, 1.0, 0.0, 1.0), (0, 1, 0, 1.1)])
def test_a_crop_without_pixels_or_outside_is_refused(crop) -> None:
    with pytest.raises(ConfigError, match="a crop is top < bottom"):
        crop_bounds(crop, 48, 64)
    with pytest.raises(ConfigError, match="leaves no pixel"):
        crop_bounds((0.50, 0.501, 0.0, 1.0), 48, 64)
    with pytest.raises(ConfigError, match="at least one pixel"):
        area_taps(4, 0)
