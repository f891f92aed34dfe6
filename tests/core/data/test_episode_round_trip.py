"""What is recorded reads back, and it reads back as LeRobotDataset v3.0 says."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from episode_assertions import assert_same_episode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from world4rl_core.data.episode import Episode
from world4rl_core.data.reader import DatasetReader
from world4rl_core.data.stats import merge_all, to_json, vector_stats
from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.writer import DatasetWriter

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)


@st.composite
def episodes(draw, *, state_dim: int, action_dim: int, sizes: dict[str, tuple[int, int]]) -> Episode:
    rows = draw(st.integers(2, 5))

    def floats(columns: int, low: float, high: float) -> np.ndarray:
        numbers = st.floats(low, high, width=32)
        return draw(hnp.arrays(np.float32, (rows, columns), elements=numbers))

    def closed(values: np.ndarray) -> np.ndarray:
        values[-1] = values[-2]
        return values

    action, requested = floats(action_dim, -1, 1), floats(action_dim, -1, 1)
    action[-1] = requested[-1] = 0
    success = closed(draw(hnp.arrays(np.bool_, rows)))
    terminated = draw(st.booleans())
    return Episode(
        images={name: draw(hnp.arrays(np.uint8, (rows, *size, 3))) for name, size in sizes.items()},
        state=floats(state_dim, -(2.0**60), 2.0**60),
        action=action,
        requested=requested,
        next_reward=closed(floats(1, -100, 100)[:, 0]),
        next_success=success,
        terminated=terminated,
        truncated=draw(st.booleans()) and not terminated,
        task=draw(TEXT.filter(bool)),
        source=draw(st.sampled_from(["expert", "policy", "random", "human"])),
        seed=draw(st.integers(0, 2**63 - 1)),
        outcome="success" if success[-1] else draw(st.sampled_from(["failure", "timeout", "aborted:estop"])),
        note=draw(TEXT),
    )


@st.composite
def recordings(draw) -> list[Episode]:
    shape = st.tuples(st.integers(1, 6), st.integers(1, 6))
    sizes = draw(st.dictionaries(st.sampled_from(["front", "wrist.left", "Side 2"]), shape, min_size=1, max_size=2))
    episode = episodes(state_dim=draw(st.integers(0, 3)), action_dim=draw(st.integers(1, 3)), sizes=sizes)
    return draw(st.lists(episode, min_size=1, max_size=3))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(recorded=recordings())
def test_what_is_recorded_reads_back_bit_for_bit(shared, recorded):
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        root = Path(folder) / "dataset"
        with DatasetWriter.create(root, fps=10, robot_type="test") as writer:
            for episode in recorded:
                writer.add(episode)
        for got, wanted in zip(DatasetReader(root).episodes(), recorded, strict=True):
            assert_same_episode(got, wanted)


def test_video_reads_back_every_frame_and_looks_the_same(films):
    reader = DatasetReader(films)
    for seed, episode in enumerate(reader.episodes()):
        wanted = synthetic_episode(seed=seed, size=258, steps=6)
        assert_same_episode(episode, wanted, pixels=False)
        error = np.abs(episode.images["front"].astype(int) - wanted.images["front"].astype(int))
        assert error.mean(axis=(1, 2, 3)).max() < 3


def test_info_json_has_what_lerobot_reads(dataset):
    info = json.loads((dataset / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["robot_type"]) == ("v3.0", 10, "synthetic")
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (6, 6 * 13, 1)
    assert info["splits"] == {"train": "0:6"}
    assert info["data_path"] == "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    assert info["features"]["observation.images.front"] == {
        "dtype": "image",
        "shape": [16, 16, 3],
        "names": ["height", "width", "channels"],
    }
    assert info["features"]["action"] == {"dtype": "float32", "shape": [4], "names": None}


def test_large_frames_are_video_and_not_in_the_data_file(films):
    info = json.loads((films / "meta/info.json").read_text())
    assert info["features"]["observation.images.front"]["dtype"] == "video"
    assert info["features"]["observation.images.front"]["info"]["video.codec"] == "h264"
    assert "observation.images.front" not in pq.read_schema(films / "data/chunk-000/file-000.parquet").names
    assert (films / "videos/observation.images.front/chunk-000/file-002.mp4").is_file()


def test_data_files_tell_the_datasets_library_their_types(dataset):
    schema = pq.read_schema(dataset / "data/chunk-000/file-000.parquet")
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["observation.images.front"] == {"_type": "Image"}
    assert features["action"] == {"feature": {"dtype": "float32", "_type": "Value"}, "length": 4, "_type": "List"}
    assert features["next.success"] == {"dtype": "bool", "_type": "Value"}
    assert str(schema.field("action").type) == "fixed_size_list<element: float>[4]"
    assert str(schema.field("next.reward").type) == "float"


def test_tasks_are_the_index_that_pandas_restores(dataset):
    table = pq.read_table(dataset / "meta/tasks.parquet")
    described = json.loads(table.schema.metadata[b"pandas"])
    assert described["index_columns"] == ["task"]
    assert table.to_pydict() == {"task_index": [0], "task": ["push the square to the right edge"]}


def test_episode_metadata_has_lerobots_columns_and_ours(films):
    row = pq.read_table(films / "meta/episodes/chunk-000/file-001.parquet").to_pylist()[0]
    video = "videos/observation.images.front"
    assert (row["dataset_from_index"], row["dataset_to_index"], row["length"]) == (7, 14, 7)
    assert (row[f"{video}/file_index"], row[f"{video}/from_timestamp"], row[f"{video}/to_timestamp"]) == (1, 0.0, 0.7)
    assert (row["source"], row["outcome"], row["seed"], row["note"]) == ("random", "timeout", 1, "")
    assert np.shape(row["stats/observation.images.front/mean"]) == (3, 1, 1)
    assert set(row) >= {f"stats/action/{name}" for name in ("min", "max", "mean", "std", "count", "q01", "q50", "q99")}


def test_aggregated_statistics_are_those_of_all_rows(dataset):
    stated = json.loads((dataset / "meta/stats.json").read_text())
    reader = DatasetReader(dataset)
    rows = np.concatenate([episode.action for episode in reader.episodes()])
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(stated["action"][name], vector_stats(rows)[name], atol=1e-9)
    pixels = np.concatenate([episode.images["front"] for episode in reader.episodes()]) / 255
    np.testing.assert_allclose(np.ravel(stated["observation.images.front"]["mean"]), pixels.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(np.ravel(stated["observation.images.front"]["std"]), pixels.std(axis=(0, 1, 2)))


@settings(max_examples=30, deadline=None)
@given(
    first=hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.just(2)), elements=st.floats(-10, 10, width=32)),
    second=hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.just(2)), elements=st.floats(-10, 10, width=32)),
)
def test_merged_statistics_are_those_of_both_samples(first, second):
    merged = to_json(merge_all({"x": vector_stats(first)}, {"x": vector_stats(second)}))["x"]
    exact = vector_stats(np.concatenate([first, second]))
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(merged[name], exact[name], atol=1e-5)
    assert np.all(np.array(merged["q01"]) <= np.array(merged["q99"]) + 1e-9)


def test_an_episode_that_ends_in_success_terminates_and_keeps_its_reward(dataset):
    episode = DatasetReader(dataset).episode(0)
    assert episode.succeeded and not episode.success[0]
    np.testing.assert_array_equal(episode.success[1:], episode.next_success[:-1])
    assert not episode.action[-1].any()


def test_fps_and_tasks_survive(tmp_path):
    with DatasetWriter.create(tmp_path / "d", fps=15, robot_type="test") as writer:
        writer.add(synthetic_episode(seed=0, task="open the tap"))
        writer.add(synthetic_episode(seed=1, task="close the tap"))
        writer.add(synthetic_episode(seed=2, task="open the tap"))
    reader = DatasetReader(tmp_path / "d")
    assert reader.fps == 15 and reader.tasks == ["open the tap", "close the tap"]
    assert [episode.task for episode in reader.episodes()] == ["open the tap", "close the tap", "open the tap"]
    assert reader.columns(1, ["timestamp"])["timestamp"][3, 0] == pytest.approx(3 / 15)
