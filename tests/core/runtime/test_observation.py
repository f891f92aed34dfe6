"""Which readings a policy acts on together."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from world4rl_core.runtime.observation import ROBOT, ObservationSync

PICTURE = np.zeros((2, 2, 3), np.uint8)


def watched(**streams: list[float]) -> ObservationSync:
    sync = ObservationSync([name for name in streams if name != ROBOT])
    for name, stamps in streams.items():
        for stamp_s in stamps:
            sync.add_state(stamp_s) if name == ROBOT else sync.add_image(name, PICTURE, stamp_s)
    return sync


def test_pictures_that_belong_together_are_paired_rather_than_the_newest_of_each():
    seen = watched(external=[0.9, 1.0], wrist=[0.91, 0.99, 1.06], robot=[0.98, 0.99, 1.0, 1.01, 1.07]).newest()
    assert seen.stamps_s == {"external": 1.0, "wrist": 0.99, "robot": 1.0}
    assert set(seen.images) == {"external", "wrist"}


def test_there_is_no_observation_until_every_stream_was_heard():
    assert watched(external=[1.0], wrist=[], robot=[1.0]).newest().stamps_s == {}
    assert watched(external=[1.0], wrist=[1.0], robot=[]).newest().images == {}


def test_a_stream_that_fell_silent_shows_in_its_stamp():
    seen = watched(external=[1.0, 1.1, 2.0], robot=[1.0, 1.1]).newest()
    assert seen.stamps_s == {"external": 2.0, "robot": 1.1}


def test_a_silent_camera_does_not_make_the_others_look_old():
    seen = watched(external=[1.0, 1.5, 2.0], wrist=[1.0], robot=[1.0, 1.9, 2.0]).newest()
    assert seen.stamps_s == {"external": 2.0, "wrist": 1.0, "robot": 1.9}


def test_a_clock_that_was_set_back_makes_the_old_readings_void():
    assert watched(external=[5.0, 5.1, 0.2], robot=[5.0, 0.2]).newest().stamps_s == {"external": 0.2, "robot": 0.2}


def test_a_camera_that_no_policy_looks_at_is_ignored():
    sync = watched(external=[1.0], robot=[1.0])
    sync.add_image("wrist", PICTURE, 1.0)
    assert set(sync.newest().images) == {"external"}


@given(
    st.lists(st.floats(0.01, 0.09), min_size=3, max_size=30), st.lists(st.floats(0.01, 0.09), min_size=3, max_size=30)
)
def test_no_other_picture_of_a_camera_lies_nearer_to_the_instant(first, second):
    one, two = np.cumsum(first), np.cumsum(second)
    stamps_s = watched(external=list(one), wrist=list(two), robot=list(one)).newest().stamps_s
    at_s = max(min(one[-1], two[-1]), max(one[-1], two[-1]) - 0.1)
    for name, times in (("external", one), ("wrist", two), (ROBOT, one)):
        kept = times[times >= times[-1] - 0.5]
        assert abs(stamps_s[name] - at_s) == np.abs(kept - at_s).min()
