"""A camera's health: gaps, repeats and jumps are noticed, and each remedy has its turn."""

from dataclasses import replace

import pytest

from world4rl_core.robot.fake import FakeCamera, FakeClock
from world4rl_core.runtime.camera_health import CameraHealth, CameraState, Remedy


def frames(count: int):
    camera = FakeCamera(FakeClock(), fps=30)
    return [camera.frame(number) for number in range(count)]


def healthy() -> CameraHealth:
    health = CameraHealth(fps=30)
    for i, frame in enumerate(frames(3)):
        assert health.on_frame(frame, 100 + i / 30).is_new
    return health


def test_frames_in_time_are_well():
    health = healthy()
    assert health.is_delivering
    assert (health.frames, health.missing, health.duplicates, health.warnings(100.1)) == (3, 0, 0, [])


def test_a_repeated_frame_is_never_new():
    health = healthy()
    assert not health.on_frame(frames(3)[-1], 100.2).is_new
    assert (health.frames, health.duplicates) == (3, 1)


@pytest.mark.parametrize("number", [3, 6])
def test_a_gap_is_counted_by_number_and_by_time(number):
    health = healthy()
    late = frames(7)[6]
    assert health.on_frame(replace(late, frame_number=number), 100.3).frames_missing == 3
    assert health.missing == 3


def test_more_than_one_percent_missing_is_a_warning_until_it_is_past():
    health = CameraHealth(fps=30)
    for frame in frames(301):
        if frame.frame_number % 50 != 7:
            health.on_frame(frame, 100 + frame.frame_number / 30)
    assert health.missing == 6
    assert "of the frames missing" in health.warnings(110.0)[0]
    assert health.warnings(125.0) == []


def test_a_clock_that_jumps_against_ours_is_marked():
    health = healthy()
    frame = frames(4)[3]
    assert health.on_frame(replace(frame, device_time_s=frame.device_time_s - 0.5), 100.1).is_clock_jump
    assert health.clock_jumps == 1


def test_a_stall_restarts_then_resets_then_looks_for_the_camera():
    health, now_s, remedies = healthy(), 100.1, []
    for _ in range(40):
        now_s += 0.5
        remedies.append((round(now_s - 100.1, 1), health.on_timeout(now_s)))
    acted = [(at_s, remedy) for at_s, remedy in remedies if remedy is not Remedy.NOTHING]
    assert acted[:3] == [(1.5, Remedy.RESTART), (3.0, Remedy.HARDWARE_RESET), (4.0, Remedy.RECONNECT)]
    assert {remedy for _, remedy in acted[2:]} == {Remedy.RECONNECT}
    pauses = [later - earlier for (earlier, _), (later, _) in zip(acted[2:], acted[3:], strict=False)]
    assert set(pauses) == {1.0}
    assert health.state is CameraState.LOST and not health.is_delivering
    assert "lost; check cable and power" in health.warnings(now_s)[0]


def test_the_hardware_is_reset_at_most_once_a_minute():
    health, now_s = CameraHealth(fps=30), 100.0
    for number in range(0, 4000, 100):
        health.on_frame(replace(frames(1)[0], frame_number=number), now_s)
        for _ in range(6):
            now_s += 0.5
            if health.on_timeout(now_s) is Remedy.RECONNECT:
                health.reconnected()
    assert health.resets <= 1 + (now_s - 100) // 60


def test_an_unplugged_camera_is_looked_for_once_a_second_and_comes_back():
    health = healthy()
    remedies = [health.on_lost(100.2 + 0.1 * i) for i in range(30)]
    assert health.state is CameraState.LOST
    assert remedies.count(Remedy.RECONNECT) == 3
    health.reconnected()
    assert not health.is_delivering
    health.on_frame(frames(1)[0], 104.0)  # the numbers begin anew, which is no gap
    assert health.is_delivering and health.missing == 0
