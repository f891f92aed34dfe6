"""The frame cache holds what the datasets hold, once, and the split and the samplers draw from it as stated."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.frames import resize, view_size
from world4rl_core.data.reader import DatasetReader
from world4rl_core.data.split import split_episodes
from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.errors import DataError


def test_the_cache_holds_every_row_and_label(dataset, tmp_path):
    cache = FrameCache.build([dataset], directory=tmp_path)
    assert cache.frames.shape == (6 * 13, 16, 2 * 16, 3) and cache.frames.dtype == np.uint8
    assert isinstance(cache.frames, np.memmap) and not cache.frames.flags.writeable
    assert (cache.num_episodes, cache.action_dim, cache.fps, cache.cameras) == (6, 4, 10, ["front", "side"])
    for index, episode in enumerate(DatasetReader(dataset).episodes()):
        rows = cache.rows(index)
        np.testing.assert_array_equal(cache.frames[rows][:, :, :16], episode.images["front"])
        np.testing.assert_array_equal(cache.frames[rows][:, :, 16:], episode.images["side"])
        np.testing.assert_array_equal(cache.actions[rows], episode.action)
        np.testing.assert_array_equal(cache.requested[rows], episode.requested)
        np.testing.assert_array_equal(cache.success[rows], episode.success)
        assert cache.rewards[rows][0] == 0
        np.testing.assert_array_equal(cache.rewards[rows][1:], episode.next_reward[:-1])
        assert cache.episode_success[index] == episode.succeeded
        assert (cache.sources[index], cache.tasks[index]) == (episode.source, episode.task)
        assert (cache.seeds[index], cache.outcomes[index]) == (episode.seed, episode.outcome)


def test_the_cache_is_built_once_and_its_key_follows_content_and_arguments(copy, tmp_path):
    first = FrameCache.build([copy], directory=tmp_path / "cache")
    stamp = (first.folder / "frames.npy").stat().st_mtime_ns
    moved = Path(shutil.move(copy, tmp_path / "moved"))
    again = FrameCache.build([moved], directory=tmp_path / "cache")
    assert again.hash == first.hash and (again.folder / "frames.npy").stat().st_mtime_ns == stamp
    others = [
        FrameCache.build([moved], directory=tmp_path / "cache", cameras=["side", "front"]),
        FrameCache.build([moved], directory=tmp_path / "cache", size=(8, 8)),
        FrameCache.build([moved, moved], directory=tmp_path / "cache"),
    ]
    assert len({cache.hash for cache in [first, *others]}) == 4
    side_first = others[0].frames
    np.testing.assert_array_equal(side_first[:, :, 16:], first.frames[:, :, :16])


def test_the_cache_lies_beside_the_dataset_unless_told_otherwise(copy):
    cache = FrameCache.build([copy])
    assert cache.folder.parent == copy / ".cache"
    assert DatasetReader(copy).content_hash() == DatasetReader(copy).content_hash()


def test_a_build_that_fails_leaves_nothing_behind(copy, tmp_path):
    (copy / "data/chunk-000/file-004.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match="episode 4"):
        FrameCache.build([copy], directory=tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_damaged_cache_says_so(copy, tmp_path):
    cache = FrameCache.build([copy], directory=tmp_path / "cache")
    (cache.folder / "frames.npy").write_bytes(b"x")
    with pytest.raises(DataError, match="damaged frame cache.*delete the folder, it is rebuilt"):
        FrameCache.build([copy], directory=tmp_path / "cache")


def test_a_cache_that_cannot_be_written_asks_for_another_directory(dataset, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="pass another directory"):
        FrameCache.build([dataset], directory=tmp_path / "file" / "cache")


def test_cameras_of_different_sizes_need_one_size(tmp_path):
    root = write_synthetic_dataset(tmp_path / "d", 1)
    reader = DatasetReader(root)
    reader.features["observation.images.wide"] = {"dtype": "image", "shape": [16, 32, 3], "names": None}
    reader._camera_keys["wide"] = "observation.images.wide"
    with pytest.raises(DataError, match="cameras differ in size.*front 16x16, wide 16x32"):
        view_size(reader, ["front", "wide"])


@settings(max_examples=25, deadline=None)
@given(factor=st.integers(1, 4), height=st.integers(1, 5), width=st.integers(1, 5), seed=st.integers(0, 99))
def test_resizing_is_the_mean_of_the_area(factor, height, width, seed):
    shape = (2, height * factor, width * factor, 3)
    frames = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    wanted = frames.reshape(2, height, factor, width, factor, 3).mean(axis=(2, 4))
    assert np.abs(resize(frames, (height, width)) - wanted).max() <= 1.01


def test_resizing_keeps_the_mean_brightness_at_any_ratio():
    image = np.asarray(Image.effect_mandelbrot((50, 37), (-2, -1, 1, 1), 80).convert("RGB"))[None]
    assert resize(image, (11, 16)).mean() == pytest.approx(image.mean(), abs=1)


@settings(max_examples=40, deadline=None)
@given(
    strata=st.lists(st.tuples(st.sampled_from(["expert", "random"]), st.booleans()), min_size=2, max_size=60),
    fraction=st.floats(0, 0.5),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_split_is_disjoint_complete_and_stratified(strata, fraction, seed):
    cache = _labelled(strata)
    train, held_out = split_episodes(cache, fraction=fraction, seed=seed)
    assert sorted([*train, *held_out]) == list(range(len(strata)))
    assert (np.diff(train) > 0).all() and (np.diff(held_out) > 0).all()
    assert len(held_out) == (max(1, round(fraction * len(strata))) if fraction else 0)
    for stratum in set(strata):
        size = strata.count(stratum)
        held = sum(strata[episode] == stratum for episode in held_out)
        assert abs(held - size * len(held_out) / len(strata)) < 1
    again = split_episodes(cache, fraction=fraction, seed=seed)
    np.testing.assert_array_equal(again[1], held_out)


@pytest.mark.parametrize(
    ("count", "fraction", "message"),
    [(4, 1.0, "below 1, got 1.0"), (4, -0.1, "at least 0"), (1, 0.1, "cannot be split"), (4, 0.9, "cannot be split")],
)
def test_a_split_that_leaves_nothing_to_train_on_is_refused(count, fraction, message):
    with pytest.raises(DataError, match=message):
        split_episodes(_labelled([("expert", True)] * count), fraction=fraction, seed=0)


def _labelled(strata: list[tuple[str, bool]]) -> FrameCache:
    """A cache without frames, for what looks at the labels only."""
    cache = FrameCache.__new__(FrameCache)
    cache.starts = np.arange(len(strata) + 1, dtype=np.int64)
    cache.sources = [source for source, _ in strata]
    cache.episode_success = np.array([success for _, success in strata])
    return cache
