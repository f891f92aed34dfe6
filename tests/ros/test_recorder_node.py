"""The recorder node in a played cell: rows, labels, aborted episodes, refusals; faults 44, 47, 64, 65, 67, 69."""

import json

import numpy as np
import pytest

pytest.importorskip("rclpy")
from stage import FPS, SIZE, SPEED, Stage

from world4rl.nodes.recorder import RecorderNode
from world4rl_core.data.check import check
from world4rl_core.data.reader import DatasetReader
from world4rl_core.errors import CalibrationError, DataError


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as made:
        yield made


@pytest.fixture
def recorder(stage, tmp_path):
    node = stage.run(RecorderNode, dataset=str(tmp_path / "data"), min_free_gb=0.0)
    stage.play(1.0, node=node)
    return node


def record(stage, recorder, seconds=1.5, stop="stop_success"):
    assert stage.call("recorder/start") == (True, "done")
    stage.play(seconds, node=recorder)
    if stop:
        assert stage.call(f"recorder/{stop}") == (True, "done")
    written(stage, recorder)


def written(stage, recorder):
    stage.wait(lambda: recorder.recorder.status()["waiting"] == 0, "the writer")


def outcomes(root):
    return [episode.outcome for episode in DatasetReader(root).episodes()]


def test_an_episode_is_rows_of_pictures_state_and_actions(stage, recorder, tmp_path):
    record(stage, recorder, 2.0)
    recorder.bring_down()
    assert check(tmp_path / "data") == []
    episode = DatasetReader(tmp_path / "data").episode(0)
    assert 16 <= episode.rows <= 19  # 2 s at 10 Hz, but for the last rows, which were not due yet
    scale = 0.025 * 10
    np.testing.assert_allclose(episode.action[:-1, 0], SPEED[0] / scale, atol=1e-6)
    np.testing.assert_allclose(episode.requested[:-1, 0], 2 * SPEED[0] / scale, atol=1e-6)
    assert episode.columns["is_synced"].all()
    assert not episode.columns["camera.wrist.is_duplicate"].any()
    assert (np.diff(episode.columns["camera.wrist.frame_number"]) == FPS // 10).all()


def test_pictures_are_cropped_and_resized_as_the_rig_says(stage, recorder, tmp_path):
    record(stage, recorder)
    recorder.bring_down()
    assert DatasetReader(tmp_path / "data").episode(0).images["external"].shape[1:] == (SIZE, SIZE, 3)


def test_labels_are_kept_and_discarded_episodes_are_not(stage, recorder, tmp_path):
    record(stage, recorder)
    record(stage, recorder, stop="stop_failure")
    record(stage, recorder, stop="discard")
    record(stage, recorder, 0.3)  # a slip of the button
    recorder.bring_down()
    assert outcomes(tmp_path / "data") == ["success", "failure"]


def test_a_lost_camera_aborts_the_episode_and_keeps_it(stage, recorder, tmp_path):
    """Faults 44 and 45."""
    assert stage.call("recorder/start")[0]
    stage.play(1.2, node=recorder)
    stage.silent.add("wrist")
    stage.play(1.5, node=recorder)
    written(stage, recorder)
    refused = stage.call("recorder/start")
    assert refused[0] is False and "camera wrist is silent" in refused[1]
    stage.silent.clear()
    stage.play(0.5, node=recorder)
    record(stage, recorder)
    recorder.bring_down()
    assert outcomes(tmp_path / "data") == ["aborted:camera wrist is silent", "success"]


def test_a_latched_arm_aborts_the_episode(stage, recorder, tmp_path):
    assert stage.call("recorder/start")[0]
    stage.play(1.0, node=recorder)
    stage.status |= {"level": "latched", "reason": "cartesian_reflex", "armed": False}
    stage.play(0.5, node=recorder)
    written(stage, recorder)
    recorder.bring_down()
    assert outcomes(tmp_path / "data") == ["aborted:the arm is latched: cartesian_reflex"]


def test_a_camera_that_repeats_itself_is_never_a_success(stage, recorder, tmp_path):
    """Faults 47 and 69: frames that are used again are flagged, and too many out of step abort the episode."""
    assert stage.call("recorder/start")[0]
    stage.play(0.8, node=recorder)
    stage.frozen.add("external")
    stage.play(1.5, node=recorder)
    written(stage, recorder)
    recorder.bring_down()
    [outcome] = outcomes(tmp_path / "data")
    assert outcome.startswith("aborted:")


def test_an_episode_is_refused_while_the_arm_is_silent(stage, tmp_path):
    node = stage.run(RecorderNode, dataset=str(tmp_path / "data"), min_free_gb=0.0)
    stage.silent |= {"arm", "gripper"}
    stage.play(0.6, node=node)
    accepted, message = stage.call("recorder/start")
    assert not accepted and "arm is silent" in message and "gripper is silent" in message


def test_an_episode_is_refused_without_room_on_the_disk(stage, tmp_path):
    """Fault 64."""
    node = stage.run(RecorderNode, dataset=str(tmp_path / "data"), min_free_gb=9000.0)
    stage.play(0.6, node=node)
    accepted, message = stage.call("recorder/start")
    assert not accepted and "9000.0; make room" in message


def test_episodes_are_refused_while_too_many_wait_for_the_writer(stage, recorder, monkeypatch):
    """Fault 65: an episode is refused as a whole; no row is ever dropped."""
    monkeypatch.setattr(recorder._writer, "write", lambda finished: None)
    for _ in range(2):
        assert stage.call("recorder/start")[0]
        stage.play(0.9, node=recorder)
        assert stage.call("recorder/stop_success")[0]
    accepted, message = stage.call("recorder/start")
    assert not accepted and "still being written" in message


def test_an_interrupted_episode_is_kept_as_aborted(stage, recorder, tmp_path):
    """Fault 67, for the signals that can be handled."""
    assert stage.call("recorder/start")[0]
    stage.play(1.0, node=recorder)
    recorder.bring_down()
    assert outcomes(tmp_path / "data") == ["aborted:interrupted"]


def test_the_node_ends_after_the_wanted_number_of_labelled_episodes(stage, tmp_path):
    node = stage.run(RecorderNode, dataset=str(tmp_path / "data"), min_free_gb=0.0, episodes=2)
    stage.play(1.0, node=node)
    for stop in ("stop_success", "stop_failure"):
        assert not node.is_finished
        record(stage, node, stop=stop)
    stage.wait(lambda: node.is_finished, "the end")


def test_a_dataset_of_another_rate_or_other_cameras_is_refused_at_the_start(stage, recorder, tmp_path):
    record(stage, recorder)
    recorder.bring_down()
    data = str(tmp_path / "data")
    with pytest.raises(DataError, match="has 10 rows a second, this rig records 5; use another folder"):
        stage.run(RecorderNode, dataset=data, rate_hz=5.0)
    stage.rig.write_text(stage.rig.read_text().replace(f"size: {SIZE}", "size: 8"))
    with pytest.raises(DataError, match="use another folder"):
        stage.run(RecorderNode, dataset=data)


def test_buttons_without_an_episode_are_answered_in_words(stage, recorder):
    for name in ("stop_success", "stop_failure", "discard"):
        accepted, message = stage.call(f"recorder/{name}")
        assert not accepted and "no episode is being recorded" in message


def test_a_session_without_a_drift_check_is_refused_before_anything_is_written(stage, tmp_path):
    with pytest.raises(CalibrationError, match="was never checked"):
        stage.run(RecorderNode, dataset=str(tmp_path / "data"), needs_drift_check=True)
    assert not (tmp_path / "data").exists()


def test_an_overridden_session_is_stored_and_the_empty_dataset_is_gone_on_with(stage, tmp_path):
    options = {"dataset": str(tmp_path / "data"), "needs_drift_check": True, "override_drift": "no reference yet"}
    stage.run(RecorderNode, **options, min_free_gb=0.0).bring_down()
    node = stage.run(RecorderNode, **options, min_free_gb=0.0)
    stage.play(1.0, node=node)
    record(stage, node)
    node.bring_down()
    assert check(tmp_path / "data") == []
    told = [json.loads(path.read_text()) for path in (tmp_path / "data" / "meta" / "sessions").iterdir()]
    assert told and all(one["drift"]["external"]["override"] == "no reference yet" for one in told)
