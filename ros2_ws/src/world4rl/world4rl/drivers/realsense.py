"""One Intel RealSense camera, chosen by serial number, behind the core's Camera.

A frame is copied and released at once: the library lends only 16, and a held buffer keeps its frame. What to do about
silence is decided in the core (`CameraHealth`); this file restarts, resets and looks for the camera again.
"""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyrealsense2 as rs

from world4rl_core.errors import RobotError
from world4rl_core.rig import CameraRig
from world4rl_core.robot.interface import CameraFrame, CameraLost
from world4rl_core.runtime.camera_clock import CameraClock
from world4rl_core.runtime.camera_health import CameraHealth, CameraState, Remedy

logger = logging.getLogger(__name__)

RGB_EXPOSURE_UNIT_US = 100.0
"""UVC counts the exposure of the RGB module in 100 us; the stereo module, the colour source of a D405, in 1 us."""
METADATA = ("actual_exposure", "frame_counter", "sensor_timestamp", "time_of_arrival", "gain_level")


@dataclass(frozen=True, eq=False)
class Lens:
    """Pinhole intrinsics of the full picture, as the camera stores them."""

    width: int
    height: int
    K: np.ndarray  # (3, 3) pixels
    distortion: tuple[float, ...]
    model: str


@dataclass(frozen=True, eq=False)
class DepthFrame(CameraFrame):
    """A colour image with the depth seen from the colour camera."""

    depth_mm: np.ndarray | None = None  # uint16 (h, w); 0 = unknown


Connect = Callable[[], tuple[rs.pipeline, rs.config]]


class RealSense:
    """Full-size colour frames with the camera's own stamps."""

    def __init__(self, rig: CameraRig, *, connect: Connect, health: CameraHealth, clock_s: Callable[[], float]) -> None:
        self._rig = rig
        self._connect = connect
        self._health = health
        self._clock_s = clock_s
        self._pipeline: rs.pipeline | None = None
        self._device: rs.device | None = None
        self._align = rs.align(rs.stream.color)
        self._stamps = CameraClock()
        self.lens: Lens | None = None
        self.exposure_us: float | None = None
        """What the sensor answers when asked for its exposure; None where it has no such option."""
        self.warnings: tuple[str, ...] = ()

    def open(self) -> None:
        """Starts streaming. Raises RobotError: not there (names the serials found), or the profile is refused."""
        pipeline, config = self._connect()
        rig = self._rig
        config.enable_stream(rs.stream.color, rig.width, rig.height, rs.format.rgb8, rig.fps)
        if rig.depth:
            config.enable_stream(rs.stream.depth, rs.format.z16, rig.fps)
        try:
            profile = pipeline.start(config)
        except RuntimeError as error:
            raise RobotError(
                f"camera {rig.name}: {rig.width}x{rig.height} at {rig.fps} fps was refused ({error}); use a USB 3 port "
                "and cable, or a profile from `rs-enumerate-devices` in the rig file"
            ) from error
        device = profile.get_device()
        self._pipeline, self._device = pipeline, device
        self.lens = _lens(profile)
        self.warnings = (*_usb_warnings(device), *self._set_exposure(_color_sensor(device)))
        for warning in self.warnings:
            logger.warning("camera %s: %s", rig.name, warning)

    def read(self, timeout_s: float) -> CameraFrame | None:
        """The next new frame, or None while there is hope. Raises CameraLost; a later call looks for the camera again.

        Metadata: `time_s` is when it was taken, on our clock; `missing` frames were lost before it.
        """
        if self._pipeline is None:
            self._look_again()
        assert self._pipeline is not None
        try:
            arrived, frames = self._pipeline.try_wait_for_frames(max(1, round(timeout_s * 1000)))
        except RuntimeError as error:  # between the unplugging and its notification anything may fail
            self._drop()
            self._health.on_lost(self._clock_s())
            raise CameraLost(f"camera {self._rig.name}: {error}") from error
        color = frames.get_color_frame() if arrived else None
        if not color:
            self._after_silence(self._clock_s())
            return None
        frame = self._copy(frames, color)
        verdict = self._health.on_frame(frame, frame.receive_time_s)
        if not verdict.is_new:
            return None
        marks = {"missing": float(verdict.frames_missing), "is_clock_jump": float(verdict.is_clock_jump)}
        return replace(frame, metadata=frame.metadata | marks | {"time_s": self._stamps.time_s(frame)})

    def close(self) -> None:
        self._drop()

    def _look_again(self) -> None:
        if self._health.on_lost(self._clock_s()) is not Remedy.RECONNECT:
            raise CameraLost(f"camera {self._rig.name}: not connected")
        self._restart()
        self._health.reconnected()
        logger.info("camera %s: connected again", self._rig.name)

    def _after_silence(self, now_s: float) -> None:
        remedy = self._health.on_timeout(now_s)
        is_lost = self._health.state is CameraState.LOST
        if remedy is Remedy.NOTHING and not is_lost:
            return
        logger.warning("camera %s: no frame; %s", self._rig.name, "lost" if is_lost else remedy.value)
        device = self._device
        self._drop()
        if is_lost:
            raise CameraLost(f"camera {self._rig.name}: no frame after a restart and a reset; replug it")
        if remedy is Remedy.RESTART:
            self._restart()
        elif device is not None:
            with contextlib.suppress(RuntimeError):  # not every device can; it is then looked for as it is
                device.hardware_reset()

    def _restart(self) -> None:
        try:
            self.open()
        except RobotError as error:
            self._health.on_lost(self._clock_s())
            raise CameraLost(str(error)) from error

    def _drop(self) -> None:
        if self._pipeline is not None:
            with contextlib.suppress(RuntimeError):
                self._pipeline.stop()
        self._pipeline = self._device = None

    def _copy(self, frames: Any, color: Any) -> CameraFrame:
        now_s = self._clock_s()
        metadata = {
            name: float(color.get_frame_metadata(value))
            for name in METADATA
            if color.supports_frame_metadata(value := getattr(rs.frame_metadata_value, name))
        }
        metadata["is_host_time"] = float(color.get_frame_timestamp_domain() != rs.timestamp_domain.hardware_clock)
        if self.exposure_us is not None:
            metadata["exposure_us"] = self.exposure_us
        depth = self._align.process(frames).get_depth_frame() if self._rig.depth else None
        return DepthFrame(
            image=np.asanyarray(color.get_data()).copy(),
            frame_number=color.get_frame_number(),
            device_time_s=color.get_timestamp() / 1000.0,
            receive_time_s=now_s,
            metadata=metadata,
            depth_mm=np.asanyarray(depth.get_data()).copy() if depth else None,
        )

    def _set_exposure(self, sensor: Any) -> tuple[str, ...]:
        """Sets what the rig asks for, reads it back, and says where they differ."""
        if sensor.supports(rs.option.auto_exposure_priority):  # else the frame rate falls in dim light
            sensor.set_option(rs.option.auto_exposure_priority, 0.0)
        wanted = self._rig.exposure_us
        if sensor.supports(rs.option.enable_auto_exposure):
            sensor.set_option(rs.option.enable_auto_exposure, float(wanted is None))
        if not sensor.supports(rs.option.exposure):
            return () if wanted is None else (f"exposure {wanted:g} us was asked for; the sensor has no such option",)
        unit_us = RGB_EXPOSURE_UNIT_US if "RGB" in sensor.get_info(rs.camera_info.name) else 1.0
        warnings: tuple[str, ...] = ()
        if wanted is not None:
            with contextlib.suppress(RuntimeError):  # out of range: the reading below tells
                sensor.set_option(rs.option.exposure, wanted / unit_us)
        self.exposure_us = sensor.get_option(rs.option.exposure) * unit_us
        if wanted is not None and abs(self.exposure_us - wanted) > unit_us:
            warnings = (f"exposure {wanted:g} us was asked for, the sensor keeps {self.exposure_us:g} us",)
        return warnings


def by_serial(rig: CameraRig) -> Connect:
    """Connects to the camera with the rig's serial number, and to no other."""

    def connect() -> tuple[rs.pipeline, rs.config]:
        found = {device.get_info(rs.camera_info.serial_number): device for device in rs.context().query_devices()}
        if rig.serial not in found:
            there = ", ".join(found) or "none; plug it in, and on a container pass the device through"
            raise RobotError(f"camera {rig.name}: no RealSense with serial {rig.serial}; serials found: {there}")
        config = rs.config()
        config.enable_device(rig.serial)
        return rs.pipeline(), config

    return connect


def _color_sensor(device: Any) -> Any:
    """The sensor that makes the colour stream: on a D435 it is not the first, on a D405 it is the stereo module."""
    for sensor in device.query_sensors():
        if any(profile.stream_type() == rs.stream.color for profile in sensor.get_stream_profiles()):
            return sensor
    raise RobotError(f"{device.get_info(rs.camera_info.name)} has no colour stream; use a RealSense camera with one")


def _usb_warnings(device: Any) -> tuple[str, ...]:
    if not device.supports(rs.camera_info.usb_type_descriptor):
        return ()
    usb = device.get_info(rs.camera_info.usb_type_descriptor)
    return (f"connected over USB {usb}; use a USB 3 port and cable",) if usb.startswith("2") else ()


def _lens(profile: Any) -> Lens:
    one = profile.get_stream(rs.stream.color).as_video_stream_profile().get_intrinsics()
    K = np.array([[one.fx, 0.0, one.ppx], [0.0, one.fy, one.ppy], [0.0, 0.0, 1.0]])
    return Lens(one.width, one.height, K, tuple(one.coeffs), model=str(one.model).removeprefix("distortion."))
