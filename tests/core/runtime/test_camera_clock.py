"""Stamps of pictures on the host's clock, whatever clock the camera has: fault 50."""

import numpy as np
import pytest

from world4rl_core.robot.interface import CameraFrame
from world4rl_core.runtime.camera_clock import CameraClock

PICTURE = np.zeros((2, 2, 3), np.uint8)


def frame(device_s, receive_s, *, is_host_time=False):
    return CameraFrame(PICTURE, 1, device_s, receive_s, {"is_host_time": float(is_host_time)})


def test_a_stamp_of_the_hosts_clock_is_taken_as_it_is():
    assert CameraClock().time_s(frame(99.98, 100.0, is_host_time=True)) == 99.98


def test_a_late_reception_is_not_a_late_picture():
    clock = CameraClock()
    stamps = [clock.time_s(frame(5 + n / 30, 100 + n / 30 + late)) for n, late in enumerate([0.02, 0.01, 0.05, 0.01])]
    assert stamps[2] - stamps[1] == pytest.approx(1 / 30, abs=1e-3)
    assert stamps[1] == pytest.approx(100 + 1 / 30 + 0.01)


def test_a_stamp_is_never_after_the_reception():
    clock = CameraClock()
    for device_s, receive_s in [(10.0, 10.0), (10.2, 10.05), (11.0, 10.1)]:
        for is_host_time in (True, False):
            assert clock.time_s(frame(device_s, receive_s, is_host_time=is_host_time)) <= receive_s


def test_after_a_jump_the_new_clock_is_followed():
    clock = CameraClock()
    stamps = [clock.time_s(frame(n / 30 + (5 if n >= 3 else 0), n / 30 + 0.01)) for n in range(6)]
    np.testing.assert_allclose(np.diff(stamps), 1 / 30, atol=1e-3)


def test_two_clocks_that_run_apart_keep_their_pace():
    clock = CameraClock()
    for number in range(30 * 600):
        time_s = number / 30
        assert clock.time_s(frame(time_s * (1 - 3e-4), time_s)) == pytest.approx(time_s, abs=0.02)
