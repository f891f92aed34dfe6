"""The recorder: when an episode starts, when it ends and as what, and what becomes of it."""

from dataclasses import replace

import pytest
from test_sync import fed

from world4rl_core.errors import RobotError
from world4rl_core.runtime.episode import Recorder, RecorderConfig, RecorderState

ROOM = {"free_bytes": 1e12, "bytes_per_row": 1e5}


@pytest.fixture(scope="module")
def steps():
    return fed(2.0)


def recording(steps, **config) -> Recorder:
    recorder = Recorder(RecorderConfig(**config))
    recorder.start("press the button", "human", **ROOM)
    for step in steps:
        recorder.add(step)
    return recorder


@pytest.mark.parametrize("outcome", ["success", "failure", "timeout"])
def test_an_episode_ends_as_the_operator_says_and_waits_for_the_writer(steps, outcome):
    recorder = recording(steps)
    assert (recorder.state, recorder.rows) == (RecorderState.RECORDING, 20)
    finished = recorder.stop(outcome)
    assert finished is not None and (finished.outcome, finished.task, finished.source) == (
        outcome,
        "press the button",
        "human",
    )
    assert "20 rows" in finished.note and finished.audit.problems == ()
    assert recorder.state is RecorderState.CLOSING
    assert recorder.take() is finished
    assert recorder.state is RecorderState.CLOSING
    recorder.written()
    assert recorder.state is RecorderState.IDLE
    assert recorder.status()["counts"] == {outcome: 1}


def test_there_is_no_default_outcome(steps):
    with pytest.raises(RobotError, match="unknown outcome ''; known: success, failure, timeout"):
        recording(steps).stop("")


def test_a_fault_aborts_with_its_reason_and_is_kept(steps):
    recorder = recording(steps)
    finished = recorder.abort("reflex")
    assert finished is not None and finished.outcome == "aborted:reflex"
    assert recorder.take() is finished
    assert recorder.abort("again") is None


def test_an_episode_out_of_step_is_never_a_success(steps):
    loose = [replace(step, cameras={k: replace(v, is_synced=False) for k, v in step.cameras.items()}) for step in steps]
    finished = recording(loose).stop("success")
    assert finished is not None
    assert finished.outcome.startswith("aborted:100.0% of the rows are out of step")


def test_a_discarded_and_a_too_short_episode_are_counted_and_not_kept(steps):
    recorder = recording(steps)
    recorder.discard()
    assert (recorder.take(), recorder.last) == (None, "discarded after 20 rows")
    recorder.start("press the button", "human", **ROOM)
    recorder.add(steps[0])
    assert recorder.stop("success") is None
    assert "1 rows, wanted at least 5" in recorder.last
    assert recorder.counts == {"discarded": 1, "too_short": 1}


def test_a_paused_episode_takes_no_more_rows_and_waits_for_its_label(steps):
    recorder = recording(steps, longest_s=3.0)
    recorder.pause()
    assert recorder.state is RecorderState.PAUSED
    for _ in range(20):
        recorder.add(steps[-1])
    with pytest.raises(RobotError, match="an episode is being recorded"):
        recorder.start("press the button", "human", **ROOM)
    finished = recorder.stop("failure")
    assert finished is not None and (finished.outcome, len(finished.steps)) == ("failure", 20)
    recorder.start("press the button", "human", **ROOM)
    assert recorder.state is RecorderState.RECORDING


def test_nothing_can_be_paused_where_nothing_is_recorded():
    with pytest.raises(RobotError, match="no episode is being recorded"):
        Recorder().pause()


def test_an_episode_that_takes_too_long_ends_as_timeout(steps):
    recorder = recording(steps, longest_s=1.0)
    finished = recorder.take()
    assert finished is not None and (finished.outcome, len(finished.steps)) == ("timeout", 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"free_bytes": 1e9}, "1.0 GB free on the disk, wanted 5.0; make room"),
        ({"bytes_per_row": 1e9}, "wanted 720.0"),
        ({"obstacles": ("camera wrist is silent",)}, "cannot start an episode: camera wrist is silent"),
    ],
)
def test_a_start_is_refused_with_all_that_stands_in_the_way(change, message):
    with pytest.raises(RobotError, match=message):
        Recorder().start("task", "human", **(ROOM | {"free_bytes": 1e11} | change))


def test_only_one_episode_at_a_time_and_a_slow_writer_is_waited_for(steps):
    recorder = recording(steps)
    with pytest.raises(RobotError, match="an episode is being recorded"):
        recorder.start("task", "human", **ROOM)
    for _ in range(2):
        recorder.abort("e_stop")
        if recorder.status()["waiting"] < 2:
            recorder.start("task", "human", **ROOM)
            for step in steps:
                recorder.add(step)
    with pytest.raises(RobotError, match="still being written; wait for them"):
        recorder.start("task", "human", **ROOM)


def test_a_disk_that_fills_up_ends_the_episode_while_there_is_room_to_write_it(steps):
    recorder = recording(steps)
    recorder.check_disk(1e9)
    assert recorder.state is RecorderState.RECORDING
    recorder.check_disk(4e8)
    finished = recorder.take()
    assert finished is not None and finished.outcome == "aborted:disk_full"


@pytest.mark.parametrize("act", ["stop", "discard"])
def test_nothing_can_be_ended_that_was_not_started(act):
    recorder = Recorder()
    with pytest.raises(RobotError, match="no episode is being recorded"):
        recorder.stop("success") if act == "stop" else recorder.discard()


def test_what_could_not_be_written_is_told(steps):
    recorder = recording(steps)
    recorder.stop("success")
    recorder.take()
    recorder.written("the disk is full")
    assert recorder.status()["last"] == "not written: the disk is full"
