"""From recorded steps to a dataset and back: every stamp and flag survives, and `data check` sees what is wrong."""

from dataclasses import replace

import numpy as np
import pytest
from test_sync import fed

from world4rl_core.data.check import check
from world4rl_core.data.episode import Episode
from world4rl_core.data.reader import DatasetReader
from world4rl_core.data.robot_episode import to_episode
from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.errors import DataError
from world4rl_core.robot.step import PROPRIOCEPTION
from world4rl_core.robot.step_columns import ROW_COLUMNS, columns_of

LABELS = {"task": "press the button", "source": "human"}


@pytest.fixture(scope="module")
def steps():
    return fed(1.5)


@pytest.fixture
def dataset(tmp_path, steps):
    with DatasetWriter.create(tmp_path / "d", fps=10, robot_type="panda") as writer:
        writer.add(to_episode(steps, outcome="success", **LABELS))
        writer.add(to_episode(steps, outcome="aborted:reflex", note="it touched the table", **LABELS))
    return tmp_path / "d"


def rewritten(root, steps) -> list[str]:
    """What `data check` finds in a dataset of these steps, recorded as a failure."""
    with DatasetWriter.create(root, fps=10, robot_type="panda") as writer:
        writer.add(to_episode(steps, outcome="failure", **LABELS))
    return [str(problem) for problem in check(root)]


def test_steps_become_an_episode(steps):
    episode = to_episode(steps, outcome="success", **LABELS)
    assert (episode.rows, episode.num_actions, episode.terminated, episode.truncated) == (15, 14, True, False)
    assert episode.state.shape == (15, len(PROPRIOCEPTION))
    assert not episode.action[-1].any() and episode.action[0, 6] == 1
    np.testing.assert_array_equal(episode.requested[:-1], [step.requested for step in steps[:-1]])
    np.testing.assert_array_equal(episode.images["wrist"][3], steps[3].cameras["wrist"].image)
    assert episode.succeeded
    failed = to_episode(steps, outcome="failure", **LABELS)
    assert (failed.succeeded, failed.terminated, failed.truncated) == (False, False, True)


def test_every_stamp_and_flag_survives_the_round_trip(dataset, steps):
    read = DatasetReader(dataset).episode(0)
    wanted = columns_of(steps)
    assert set(read.columns) == set(wanted) >= set(ROW_COLUMNS)
    for key, values in wanted.items():
        np.testing.assert_array_equal(read.columns[key], values, err_msg=key)
        assert read.columns[key].dtype == values.dtype


def test_columns_are_ordinary_features(dataset):
    reader = DatasetReader(dataset)
    assert reader.features["time.ros_s"] == {"dtype": "float64", "shape": [1], "names": None}
    assert reader.features["camera.wrist.frame_number"]["dtype"] == "int64"
    assert reader.features["is_intervention"]["dtype"] == "bool"
    assert (reader.labels(1)["outcome"], reader.labels(1)["note"]) == ("aborted:reflex", "it touched the table")


def test_a_sound_recording_passes_the_check(dataset):
    assert check(dataset) == []


def test_the_check_finds_a_hidden_reuse_of_a_frame(tmp_path, steps):
    again = replace(steps[4].cameras["wrist"], is_duplicate=False)
    reused = [replace(step, cameras=step.cameras | {"wrist": again}) if step.index == 5 else step for step in steps]
    assert "episode 0: camera wrist: row 5 repeats a frame and is not flagged" in rewritten(tmp_path / "d", reused)


def test_the_check_finds_a_missing_row_and_rows_out_of_step(tmp_path, steps):
    found = rewritten(tmp_path / "gap", [step for step in steps if step.index != 6])
    assert any("time.ros_s advances by 0.200 s" in problem for problem in found)
    loose = {name: replace(sample, is_synced=False) for name, sample in steps[3].cameras.items()}
    found = rewritten(tmp_path / "loose", [replace(s, cameras=loose) if s.index == 3 else s for s in steps])
    assert any("of the rows are out of step" in problem for problem in found)


def test_an_aborted_episode_may_be_out_of_step(tmp_path, steps):
    loose = [replace(s, cameras={k: replace(v, is_synced=False) for k, v in s.cameras.items()}) for s in steps]
    with DatasetWriter.create(tmp_path / "d", fps=10, robot_type="panda") as writer:
        writer.add(to_episode(loose, outcome="aborted:camera_silent", **LABELS))
    assert check(tmp_path / "d") == []


def test_datasets_with_and_without_columns_do_not_mix(dataset):
    with DatasetWriter.open(dataset) as writer, pytest.raises(DataError):
        writer.add(synthetic_episode(seed=0))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("next.stamp", np.zeros(13), "a column cannot be called 'next.stamp'"),
        ("a/b", np.zeros(13), "without '/'"),
        ("stamp", np.zeros(12), r"must be \(13,\)"),
        ("stamp", np.zeros(13, dtype=np.int32), "got int32"),
        ("stamp", np.full(13, np.nan), "not a finite number at row 0; record -1"),
    ],
)
def test_a_column_that_would_not_survive_is_refused(name, values, message):
    episode = synthetic_episode(seed=0)
    fields = {key: getattr(episode, key) for key in Episode.__dataclass_fields__}
    with pytest.raises(DataError, match=message):
        Episode(**(fields | {"columns": {name: values}}))


def test_an_episode_needs_two_rows(steps):
    with pytest.raises(DataError, match="at least 2 rows, got 1"):
        to_episode(steps[:1], outcome="failure", **LABELS)
