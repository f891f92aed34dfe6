"""Datasets that lerobot wrote read like our own."""

import numpy as np
import pytest
from lerobot_layout import CAMERA, make_episodes, write

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.columns import camera_features
from world4rl_core.data.info import info
from world4rl_core.data.reader import DatasetReader
from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.errors import DataError

SCALAR = {"shape": [1], "names": None}


@pytest.mark.parametrize("images", ["bytes", "path", "video", "floats"])
@pytest.mark.parametrize("one_row_group", [False, True], ids=["group each", "one group"])
def test_many_episodes_in_a_file_read_one_by_one_in_any_order(tmp_path, images, one_row_group):
    recorded = make_episodes()
    reader = DatasetReader(write(tmp_path, recorded, images=images, one_row_group=one_row_group))
    assert (reader.cameras, reader.action_dim, reader.state_dim) == (["top"], 3, 3)
    for index in (4, 0, 2, 1, 3):
        episode, wanted = reader.episode(index), recorded[index]
        np.testing.assert_array_equal(episode.action[:-1], wanted.action[:-1])
        np.testing.assert_array_equal(episode.state, 2 * wanted.action)
        error = np.abs(episode.images["top"].astype(int) - wanted.frames.astype(int)).mean(axis=(1, 2, 3))
        assert error.max() <= (12 if images == "video" else 0)
        assert episode.task == wanted.task


def test_what_lerobot_does_not_record_has_a_stated_value(tmp_path):
    reader = DatasetReader(write(tmp_path, make_episodes()))
    episode = reader.episode(1)
    np.testing.assert_array_equal(episode.requested, episode.action)
    assert not episode.action[-1].any()  # lerobot's last action has no following frame
    assert not reader.has_success and not episode.succeeded
    assert (episode.source, episode.outcome, episode.terminated, episode.truncated) == ("human", "unknown", False, True)


def test_success_that_lerobot_recorded_is_read(tmp_path):
    extra = {
        "next.success": (SCALAR | {"dtype": "bool"}, True),
        "next.done": (SCALAR | {"dtype": "bool"}, True),
        "next.reward": (SCALAR | {"dtype": "float64"}, 0.5),
    }
    reader = DatasetReader(write(tmp_path, make_episodes(), extra=extra))
    episode = reader.episode(0)
    assert reader.has_success and episode.succeeded
    assert (episode.outcome, episode.terminated, episode.truncated) == ("success", True, False)
    assert episode.next_reward.dtype == np.float32 and episode.next_reward[0] == 0.5


def test_text_and_other_features_are_left_alone(tmp_path):
    extra = {
        "language": ({"dtype": "string", "shape": [1], "names": None}, "pick it up"),
        "observation.effort": ({"dtype": "float32", "shape": [2], "names": None}, [0.5, 2.0]),
    }
    root = write(tmp_path, make_episodes(), extra=extra)
    assert DatasetReader(root).episode(0).rows == 4
    assert "top 16x24 image" in info(root) and "human" in info(root)


def test_depth_maps_are_no_cameras(tmp_path):
    depth = {"dtype": "video", "shape": [16, 24, 1], "names": None, "info": {"is_depth_map": True}}
    recorded = make_episodes()
    reader = DatasetReader(write(tmp_path, recorded))
    reader.features["observation.images.depth"] = depth
    assert list(camera_features(reader.features)) == ["top"]


def test_actions_outside_the_range_are_refused_with_advice(tmp_path):
    root = write(tmp_path, [_scaled(episode) for episode in make_episodes()])
    with pytest.raises(DataError, match=r"episode 0: actions reach from 0 to .* wanted \[-1, 1\]; .*--rescale-actions"):
        DatasetReader(root).episode(0)
    with pytest.raises(DataError, match="--rescale-actions"):
        FrameCache.build([root], directory=tmp_path / "cache")


def test_rescaled_actions_span_the_range_and_keep_their_bounds(tmp_path):
    recorded = [_scaled(episode) for episode in make_episodes()]
    first, second = (
        write(tmp_path / "a", recorded[:3], files=[(0, 1, 2)]),
        write(tmp_path / "b", recorded[3:], files=[(0, 1)]),
    )
    cache = FrameCache.build([first, second], directory=tmp_path / "cache", rescale_actions=True)
    low, high = cache.action_bounds
    everything = np.concatenate([episode.action for episode in recorded])
    np.testing.assert_array_equal(low, everything.min(axis=0))
    np.testing.assert_array_equal(high, everything.max(axis=0))
    wanted = np.concatenate(
        [np.where(np.arange(len(e.action))[:, None] < len(e.action) - 1, e.action, np.nan) for e in recorded]
    )
    back = (cache.actions + 1) / 2 * (high - low) + low
    inner = ~np.isnan(wanted[:, 0])
    np.testing.assert_allclose(back[inner], wanted[inner], atol=1e-5)
    assert np.abs(cache.actions).max() <= 1


def test_our_writer_does_not_continue_a_dataset_of_lerobots(tmp_path):
    root = write(tmp_path, make_episodes())
    before = sorted(path for path in root.rglob("*"))
    with pytest.raises(DataError, match="another program wrote this dataset.*use a new folder"):
        DatasetWriter.open(root)
    assert sorted(path for path in root.rglob("*")) == before


def test_our_episodes_and_lerobots_train_together_when_they_agree(tmp_path):
    theirs = write(tmp_path / "theirs", make_episodes(size=(16, 18)))
    with DatasetWriter.create(tmp_path / "ours", fps=10, robot_type="test") as writer:
        writer.add(synthetic_episode(seed=0, action_dim=3, cameras=("top",)))
    cache = FrameCache.build([theirs, tmp_path / "ours"], size=(8, 8), directory=tmp_path / "cache")
    assert cache.sources == ["human"] * 5 + ["expert"]
    assert not cache.has_success
    assert CAMERA.endswith("top") and cache.cameras == ["top"]


def _scaled(episode):
    factors = np.array([3, 0.5, 40], dtype=np.float32)
    return type(episode)(episode.frames, episode.action * factors + factors, episode.task)
