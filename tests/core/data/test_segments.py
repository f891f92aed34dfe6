"""Segments are what their docstring says, whatever the anchor, and the same for one process or many."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.segments import RowSampler, SegmentSampler
from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.errors import DataError

SHAPES = {"history": st.integers(1, 6), "horizon": st.integers(0, 4)}


def expected_segment(cache, episode: int, anchor: int, history: int, horizon: int):
    """One segment, written as a loop over its frames."""
    rows = cache.rows(episode)
    frames, actions, mask, success = [], [], [], []
    for t in range(anchor - history + 1, anchor + horizon + 1):
        row = rows.start + max(t, 0)
        frames.append(cache.frames[row])
        actions.append(cache.actions[row] if t >= 0 else np.zeros(cache.action_dim))
        mask.append(t >= 0)
        success.append(bool(cache.success[row]) and t >= 0)
    return np.stack(frames), np.stack(actions)[:-1] if len(actions) > 1 else np.empty((0, 4)), mask, success


@settings(max_examples=25, deadline=None)
@given(episodes=st.sets(st.integers(0, 5), min_size=1), **SHAPES)
def test_every_segment_is_the_one_a_loop_would_cut(cache, episodes, history, horizon):
    ids = np.array(sorted(episodes))
    sampler = SegmentSampler(cache, ids, history=history, horizon=horizon, seed=0)
    anchors_each = 13 - horizon
    assert sampler.num_anchors == len(ids) * anchors_each
    batch = sampler.segments(np.arange(sampler.num_anchors))
    for i in range(0, sampler.num_anchors, 5):
        frames, actions, mask, success = expected_segment(
            cache, int(ids[i // anchors_each]), i % anchors_each, history, horizon
        )
        np.testing.assert_array_equal(batch.frames[i].numpy(), frames)
        np.testing.assert_array_equal(batch.actions[i].numpy(), actions)
        assert batch.mask[i].tolist() == mask and batch.success[i].tolist() == success


def test_the_first_segment_of_an_episode_is_padded_on_the_left(cache):
    batch = SegmentSampler(cache, np.array([2]), history=4, horizon=1, seed=0).segments(np.array([0]))
    assert batch.mask.tolist() == [[False, False, False, True, True]]
    assert not batch.actions[0, :3].any() and batch.actions[0, 3].any()
    for i in range(4):
        np.testing.assert_array_equal(batch.frames[0, i].numpy(), cache.frames[cache.rows(2)][0])
    assert not batch.success[0, :3].any()


def test_the_last_segment_reaches_the_last_frame_and_uses_no_action_of_it(cache):
    sampler = SegmentSampler(cache, np.array([2]), history=4, horizon=2, seed=0)
    batch = sampler.segments(np.array([sampler.num_anchors - 1]))
    rows = cache.rows(2)
    np.testing.assert_array_equal(batch.frames[0, -1].numpy(), cache.frames[rows.stop - 1])
    np.testing.assert_array_equal(batch.actions[0].numpy(), cache.actions[rows.stop - 6 : rows.stop - 1])


def test_a_batch_has_the_stated_shapes_and_types(cache):
    batch = SegmentSampler(cache, np.arange(6), history=4, horizon=3, seed=0).sample(5, step=0)
    assert batch.frames.shape == (5, 7, 16, 16, 3) and batch.frames.dtype == torch.uint8
    assert batch.actions.shape == (5, 6, 4) and batch.actions.dtype == torch.float32
    assert batch.mask.shape == batch.success.shape == (5, 7)
    assert batch.mask.dtype == batch.success.dtype == torch.bool


@settings(max_examples=20, deadline=None)
@given(world_size=st.integers(1, 4), batch=st.integers(1, 8), step=st.integers(0, 10**9), seed=st.integers(0, 10**9))
def test_the_slices_of_all_ranks_are_the_batch_of_one_process(cache, world_size, batch, step, seed):
    segments = SegmentSampler(cache, np.arange(6), history=3, horizon=1, seed=seed)
    rows = RowSampler(cache, np.arange(6), seed=seed)
    for sampler, names in (
        (segments, ("frames", "actions", "mask", "success")),
        (rows, ("frames", "requested", "rows")),
    ):
        whole = sampler.sample(batch * world_size, step=step)
        slices = [sampler.sample(batch, step=step, rank=rank, world_size=world_size) for rank in range(world_size)]
        for name in names:
            assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in slices]))


def test_seed_and_step_decide_the_batch(cache):
    def rows(seed: int, step: int) -> list[int]:
        return RowSampler(cache, np.arange(6), seed=seed).sample(16, step=step).rows.tolist()

    assert rows(0, 7) == rows(0, 7)
    assert rows(0, 7) != rows(0, 8) and rows(0, 7) != rows(1, 7)


def test_all_anchors_are_drawn_equally_often(cache):
    sampler = RowSampler(cache, np.array([1, 4]), seed=0)
    counts = np.bincount(sampler.sample(24_000, step=0).rows.numpy(), minlength=cache.num_rows)
    drawn = counts[counts > 0]
    assert len(drawn) == 24 and abs(drawn - 1000).max() < 150


def test_rows_have_an_action_unless_every_frame_is_asked_for(cache):
    with_action = RowSampler(cache, np.array([0, 3]), seed=0)
    every = RowSampler(cache, np.array([0, 3]), seed=0, last_rows=True)
    assert len(with_action.rows) == 24 and len(every.rows) == 26
    last = {cache.rows(0).stop - 1, cache.rows(3).stop - 1}
    assert set(every.rows) - set(with_action.rows) == last


def test_row_batches_unpack_in_the_stated_order(cache):
    frames, actions, requested, success, rows = RowSampler(cache, np.arange(6), seed=0).sample(3, step=1)
    np.testing.assert_array_equal(frames.numpy(), cache.frames[rows.numpy()])
    np.testing.assert_array_equal(actions.numpy(), cache.actions[rows.numpy()])
    np.testing.assert_array_equal(requested.numpy(), cache.requested[rows.numpy()])
    np.testing.assert_array_equal(success.numpy(), cache.success[rows.numpy()])


def test_the_cache_is_never_written_through_a_batch(cache):
    before = cache.frames[:20].copy()
    batch = SegmentSampler(cache, np.array([0]), history=1, horizon=1, seed=0).sample(4, step=0)
    batch.frames.zero_()
    batch.actions.fill_(9)
    np.testing.assert_array_equal(cache.frames[:20], before)
    assert np.abs(cache.actions).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"history": 14, "horizon": 1}, r"6 of 6 episodes are shorter .*\(14 frames.*episode 0 has 13"),
        ({"history": 1, "horizon": 13}, "shorter than a segment needs"),
        ({"history": 14, "horizon": 1, "drop_short": True}, "every episode is shorter than 14 frames"),
        ({"history": 0, "horizon": 1}, "history >= 1"),
        ({"history": 1, "horizon": -1}, "horizon >= 0"),
    ],
)
def test_segments_that_do_not_fit_are_refused(cache, arguments, message):
    with pytest.raises(DataError, match=message):
        SegmentSampler(cache, np.arange(6), seed=0, **arguments)


@pytest.mark.parametrize(("ids", "message"), [([], "no episodes to sample from"), ([0, 6], r"in \[0, 6\), got 0 to 6")])
def test_episodes_that_do_not_exist_are_refused(cache, ids, message):
    with pytest.raises(DataError, match=message):
        RowSampler(cache, np.array(ids, dtype=np.int64), seed=0)


@pytest.mark.parametrize(("batch", "rank", "world_size"), [(0, 0, 1), (4, 2, 2), (4, -1, 2)])
def test_a_rank_outside_the_world_is_refused(cache, batch, rank, world_size):
    with pytest.raises(DataError, match="0 <= rank < world_size"):
        RowSampler(cache, np.arange(6), seed=0).sample(batch, step=0, rank=rank, world_size=world_size)


def test_short_episodes_can_be_dropped(tmp_path):
    with DatasetWriter.create(tmp_path / "d", fps=10, robot_type="test") as writer:
        for seed, steps in enumerate((3, 9)):
            writer.add(synthetic_episode(seed=seed, steps=steps, size=8))
    mixed = FrameCache.build([tmp_path / "d"])
    with pytest.raises(DataError, match="1 of 2 episodes are shorter.*episode 0 has 4.*--drop-short"):
        SegmentSampler(mixed, np.arange(2), history=6, horizon=1, seed=0)
    sampler = SegmentSampler(mixed, np.arange(2), history=6, horizon=1, seed=0, drop_short=True)
    assert sampler.num_anchors == 9
