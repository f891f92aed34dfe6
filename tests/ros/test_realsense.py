"""The RealSense driver in a real pipeline with a software device and with a recording: faults 44 to 48, 51."""

import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pyrealsense2")
import pyrealsense2 as rs
from soft_camera import FPS, HEIGHT, WIDTH, SoftCamera

from world4rl.drivers.realsense import RealSense, by_serial
from world4rl_core.errors import RobotError
from world4rl_core.rig import CameraRig
from world4rl_core.robot.interface import CameraLost
from world4rl_core.runtime.camera_health import RECONNECT_EVERY_S, CameraHealth, CameraState

RIG = CameraRig("front", "123", width=WIDTH, height=HEIGHT, fps=FPS)
SHORT_S = 0.05


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def soft():
    return SoftCamera()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def camera(soft, clock):
    made = RealSense(RIG, connect=soft.connect, health=CameraHealth(fps=FPS), clock_s=clock)
    made.open()
    yield made
    made.close()


def test_a_frame_brings_picture_number_stamps_and_exposure(soft, camera, clock):
    soft.push(999.98, shade=7)
    frame = camera.read(1.0)
    assert frame.image.shape == (HEIGHT, WIDTH, 3) and frame.image.dtype == np.uint8 and (frame.image == 7).all()
    assert frame.frame_number == 1
    assert frame.device_time_s == pytest.approx(999.98)
    assert frame.receive_time_s == clock.now_s
    assert frame.metadata["actual_exposure"] == 8000
    assert frame.metadata["is_host_time"] == 1.0


def test_a_kept_frame_is_a_copy(soft, camera):
    """The library lends 16 frames: more than that many are kept here, and each keeps its own picture."""
    kept = []
    for shade in range(40):
        soft.push(1000.0 + shade / FPS, shade=shade)
        kept.append(camera.read(1.0))
    assert [int(frame.image[0, 0, 0]) for frame in kept] == list(range(40))


def test_the_lens_is_the_cameras(camera):
    np.testing.assert_allclose(camera.lens.K, [[60.0, 0, 31.5], [0, 61.0, 23.5], [0, 0, 1]])
    assert camera.lens.distortion[0] == pytest.approx(0.1)


def read(camera, clock):
    """One read; a lost camera answers with its message."""
    clock.now_s += 0.1
    try:
        return camera.read(SHORT_S)
    except CameraLost as error:
        return str(error)


def test_three_silences_restart_the_stream(soft, camera, clock):
    """Fault 45."""
    assert [read(camera, clock) for _ in range(3)] == [None] * 3
    assert soft.connections == 2
    soft.push(clock.now_s, shade=9)
    assert read(camera, clock).image[0, 0, 0] == 9


def test_silence_after_the_restart_resets_the_camera_and_finds_it_again(soft, camera, clock):
    for _ in range(6):
        assert read(camera, clock) is None
    assert camera._health.state is CameraState.RESETTING
    clock.now_s += RECONNECT_EVERY_S
    assert read(camera, clock) is None
    assert soft.connections == 3
    soft.push(clock.now_s, shade=9)
    assert read(camera, clock).image[0, 0, 0] == 9


def test_a_camera_that_is_gone_is_lost_and_looked_for_once_a_second(soft, camera, clock):
    """Fault 44."""
    for _ in range(6):
        read(camera, clock)
    soft.is_plugged = False
    clock.now_s += RECONNECT_EVERY_S
    assert "serials found: none" in read(camera, clock)
    assert "not connected" in read(camera, clock)
    soft.is_plugged = True
    clock.now_s += RECONNECT_EVERY_S
    assert read(camera, clock) is None
    soft.push(clock.now_s, shade=9)
    assert read(camera, clock).image[0, 0, 0] == 9


def test_a_repeated_frame_is_not_a_new_one(soft, camera, clock):
    """Fault 47."""
    soft.push(clock.now_s, number=5)
    assert read(camera, clock).frame_number == 5
    soft.push(clock.now_s, number=5)
    assert read(camera, clock) is None


def test_a_gap_is_marked(soft, camera, clock):
    """Fault 46."""
    soft.push(clock.now_s, number=5)
    assert read(camera, clock).metadata["missing"] == 0
    soft.push(clock.now_s, number=8)
    assert read(camera, clock).metadata["missing"] == 2


def test_a_wrong_serial_names_those_that_are_there():
    """Fault 48."""
    with pytest.raises(RobotError, match="camera front: no RealSense with serial 123; serials found: "):
        by_serial(RIG)()


def test_a_profile_the_camera_lacks_is_refused_with_the_next_step(soft, clock):
    """Fault 49."""
    rig = replace(RIG, width=1920, height=1080)
    with pytest.raises(RobotError, match="1920x1080 at 30 fps was refused .*USB 3"):
        RealSense(rig, connect=soft.connect, health=CameraHealth(fps=FPS), clock_s=Clock()).open()


def test_exposure_is_set_and_read_back(soft):
    """Fault 51. The RGB module counts in 100 us."""
    camera = RealSense(
        replace(RIG, exposure_us=8000.0), connect=soft.connect, health=CameraHealth(fps=FPS), clock_s=Clock()
    )
    camera.open()
    assert soft.sensor.get_option(rs.option.exposure) == 80.0
    assert camera.exposure_us == 8000.0 and camera.warnings == ()
    soft.push(1.0)
    assert camera.read(1.0).metadata["exposure_us"] == 8000.0
    camera.close()


def test_an_exposure_that_was_not_taken_is_a_warning():
    soft = SoftCamera(exposure=(1.0, 100.0))
    rig = replace(RIG, exposure_us=30000.0)
    camera = RealSense(rig, connect=soft.connect, health=CameraHealth(fps=FPS), clock_s=Clock())
    camera.open()
    assert "exposure 30000 us was asked for, the sensor keeps" in camera.warnings[0]
    camera.close()


def test_a_recording_plays_back_through_the_driver(soft, tmp_path):
    path = str(tmp_path / "frames.db3")
    pipeline, config = soft.connect()
    config.enable_stream(rs.stream.color, WIDTH, HEIGHT, rs.format.rgb8, FPS)
    config.enable_record_to_file(path)
    pipeline.start(config)
    for number in range(8):
        soft.push(1000.0 + number / FPS, shade=10 * number)
        assert pipeline.try_wait_for_frames(1000)[0]
        time.sleep(2 / FPS)  # played back at the pace of the recording
    pipeline.stop()
    del pipeline

    def connect():
        config = rs.config()
        config.enable_device_from_file(path, False)
        return rs.pipeline(), config

    camera = RealSense(RIG, connect=connect, health=CameraHealth(fps=FPS), clock_s=Clock())
    camera.open()
    shades = []
    while len(shades) < 6 and (frame := camera.read(1.0)) is not None:
        shades.append(int(frame.image[0, 0, 0]))
    camera.close()
    assert len(shades) >= 3 and shades == sorted(shades) and set(shades) <= set(range(0, 80, 10))
