"""Comparisons that several tests of episodes need."""

import numpy as np

from world4rl_core.data.episode import Episode

ARRAYS = ("state", "action", "requested", "next_reward", "next_success")
LABELS = ("terminated", "truncated", "task", "source", "seed", "outcome", "note")


def assert_same_episode(got: Episode, wanted: Episode, *, pixels: bool = True) -> None:
    """Equal in every field, bit for bit; `pixels` False leaves the frames out, as video is lossy."""
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(got, name), getattr(wanted, name), err_msg=name)
        assert getattr(got, name).dtype == getattr(wanted, name).dtype
    assert [getattr(got, name) for name in LABELS] == [getattr(wanted, name) for name in LABELS]
    assert sorted(got.images) == sorted(wanted.images)
    for camera, frames in wanted.images.items():
        assert got.images[camera].shape == frames.shape
        if pixels:
            np.testing.assert_array_equal(got.images[camera], frames, err_msg=camera)
