"""Rows on one grid: the nearest frame, the mean of the commands, and flags where that is not good enough."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_cases import CENTRE, RIG, state_at

from world4rl_core.robot.fake import FakeCamera, FakeClock
from world4rl_core.robot.interface import GripperState
from world4rl_core.robot.step import Step
from world4rl_core.robot.step_columns import audit, columns_of
from world4rl_core.runtime.sync import WAIT_S, Aligner, SyncError

FPS = RIG.cameras[0].fps
TWIST = np.array([0.1, -0.05, 0, 0, 0.2, 0])
START_S = 100.0


def frame(number: int, start_s: float = START_S):
    """Frame `number` and its stamp."""
    return FakeCamera(FakeClock(start_s), fps=FPS).frame(number), start_s + number / FPS


def fed(seconds: float, *, skip=lambda camera, number: False, twist=TWIST, policy_source: str = "policy") -> list[Step]:
    """The rows of so many seconds of everything at its usual rate."""
    aligner = Aligner(RIG, policy_source=policy_source)
    aligner.start(START_S)
    rows: list[Step] = []
    for tick in range(-20, round((seconds + WAIT_S + 0.2) * 100)):
        now_s = START_S + tick / 100
        aligner.add_state(state_at(CENTRE, now_s=now_s))
        if tick % 5 == 0:
            aligner.add_gripper(GripperState(now_s, 0.08, 0.08, False))
            aligner.add_status("human", now_s, is_intervention=False, gripper=1.0)
        if tick % 2 == 0:
            aligner.add_requested(2 * twist, now_s)
            aligner.add_applied(twist, now_s)
        for camera in RIG.cameras:
            for number in range(int((tick - 1) / 100 * FPS), int(tick / 100 * FPS) + 1):
                if START_S + number / FPS <= now_s and not skip(camera.name, number):
                    aligner.add_frame(camera.name, *frame(number))
        rows += aligner.rows(now_s, monotonic_s=now_s + 7)
    return rows[: round(seconds * 10)]


def test_rows_stand_on_the_grid_and_are_in_step():
    rows = fed(2.0)
    np.testing.assert_allclose([row.time_s for row in rows], START_S + 0.1 * np.arange(20), atol=1e-9)
    assert [row.index for row in rows] == list(range(20))
    assert all(row.is_synced for row in rows)
    report = audit(columns_of(rows), fps=10)
    assert report.problems == ()
    assert report.jitter_p99_ms < 11 and report.unsynced == 0
    assert report.cameras["wrist"].skew_p99_ms <= 500 / FPS + 1e-6
    assert "20 rows in 1.9 s; jitter p99" in str(report)


def test_the_frame_of_a_row_is_the_one_taken_nearest_to_it():
    for row in fed(1.0):
        for sample in row.cameras.values():
            assert abs(sample.stamp_s - row.time_s) <= 0.5 / FPS + 1e-9
            assert not sample.is_duplicate and sample.frames_missing == 0


def test_the_action_of_a_row_is_the_mean_until_the_next():
    rows = fed(1.0)
    speed = RIG.action.translation_m * RIG.action.rate_hz
    np.testing.assert_allclose(rows[3].applied[:3], TWIST[:3] / speed, atol=1e-6)
    np.testing.assert_allclose(rows[3].requested[:3], np.clip(2 * TWIST[:3] / speed, -1, 1), atol=1e-6)
    assert rows[3].applied[6] == 1.0
    assert rows[3].time_s < rows[3].applied_time_s < rows[3].time_s + 0.1
    assert (rows[3].source, rows[3].is_intervention) == ("human", False)


def test_missing_frames_are_counted_and_a_row_without_its_frame_is_flagged():
    rows = fed(2.0, skip=lambda camera, number: camera == "wrist" and 12 <= number < 20)
    samples = [row.cameras["wrist"] for row in rows]
    assert any(sample.is_duplicate for sample in samples)
    assert sum(sample.frames_missing for sample in samples) == 8
    assert not all(row.is_synced for row in rows)
    assert all(row.cameras["external"].is_synced for row in rows)
    report = audit(columns_of(rows), fps=10)
    assert any("out of step" in problem for problem in report.problems)
    assert report.cameras["wrist"].missing == 8


def test_a_frame_that_arrives_twice_or_late_counts_once():
    aligner = Aligner(RIG)
    for number in (0, 1, 1, 0, 2):
        aligner.add_frame("wrist", *frame(number))
    assert len(aligner._frames["wrist"]) == 3


def test_silent_streams_are_named():
    aligner = Aligner(RIG)
    aligner.add_frame("wrist", *frame(0))
    aligner.add_state(state_at(CENTRE, now_s=START_S))
    assert aligner.silent(START_S + 0.1, 0.5) == ["camera external", "gripper"]
    assert aligner.silent(START_S + 1.0, 0.5) == ["camera external", "camera wrist", "arm", "gripper"]


def test_a_row_that_cannot_be_cut_any_more_aborts_instead_of_being_made_up():
    aligner = Aligner(RIG)
    aligner.start(START_S)
    with pytest.raises(SyncError, match="no_state"):
        aligner.rows(START_S + 0.3, monotonic_s=0)
    aligner.start(START_S)
    with pytest.raises(SyncError, match=r"recorder_stalled: a row is .* s late"):
        aligner.rows(START_S + 5, monotonic_s=0)
    aligner.add_state(state_at(CENTRE, now_s=START_S))
    aligner.add_gripper(GripperState(START_S, 0.08, 0.08, False))
    with pytest.raises(SyncError, match="camera_silent"):
        aligner.rows(START_S + 0.3, monotonic_s=0)


def test_a_stopped_grid_cuts_nothing():
    aligner = Aligner(RIG)
    aligner.start(START_S)
    aligner.stop()
    assert aligner.rows(START_S + 9, monotonic_s=0) == []


def test_a_touch_within_a_row_makes_it_an_intervention():
    aligner = Aligner(RIG, policy_source="random")
    aligner.start(START_S)
    for tick in range(-5, 40):
        now_s = START_S + tick / 100
        aligner.add_state(state_at(CENTRE, now_s=now_s))
        aligner.add_gripper(GripperState(now_s, 0.01, 0.08, True))
        for camera in RIG.cameras:
            aligner.add_frame(camera.name, *frame(tick + 10, START_S - 10 / FPS))
        touched = tick == 14
        aligner.add_status("human" if touched else "policy", now_s, is_intervention=touched, gripper=None)
    rows = aligner.rows(START_S + 0.39, monotonic_s=0)
    assert [(row.source, row.is_intervention) for row in rows] == [("random", False), ("human", True)]
    assert rows[0].applied[6] == -1.0  # nobody asked for the gripper: its width says closed
    assert rows[0].applied_time_s == -1 and not rows[0].applied[:6].any()


@settings(max_examples=15)
@given(lost=st.sets(st.integers(0, 60), max_size=40))
def test_whatever_frames_are_lost_no_reuse_and_no_skew_stays_hidden(lost):
    try:
        rows = fed(1.5, skip=lambda camera, number: number in lost)
    except SyncError:
        return
    for before, row in zip(rows, rows[1:], strict=False):
        for camera, sample in row.cameras.items():
            is_same = sample.frame_number == before.cameras[camera].frame_number
            assert sample.is_duplicate == is_same
            assert sample.is_synced == (abs(sample.stamp_s - row.time_s) <= 0.5 / FPS + 0.005)
    hidden = [problem for problem in audit(columns_of(rows), fps=10).problems if "not flagged" in problem]
    assert hidden == []


def test_the_audit_sees_a_hidden_reuse_a_gap_and_a_clock_that_goes_back():
    rows = fed(2.0)
    again = replace(rows[4].cameras["wrist"], is_duplicate=False)
    reused = [replace(row, cameras=row.cameras | {"wrist": again}) if row.index == 5 else row for row in rows]
    assert "camera wrist: row 5 repeats a frame and is not flagged" in audit(columns_of(reused), fps=10).problems
    gap = [row for row in rows if row.index != 7]
    assert any("advances by 0.200 s after row 6" in problem for problem in audit(columns_of(gap), fps=10).problems)
    back = [replace(row, monotonic_s=-row.monotonic_s) for row in rows]
    assert any("time.monotonic_s goes back" in problem for problem in audit(columns_of(back), fps=10).problems)
