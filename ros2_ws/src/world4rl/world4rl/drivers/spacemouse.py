"""A 3Dconnexion SpaceMouse behind the core's TeleopDevice, read to the newest report, also when it is unplugged.

pyspacemouse keeps its last state for ever once the cable is out and hands out one mutable object; both end here.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyspacemouse
from easyhid import HIDException
from pyspacemouse.config_helpers import apply_axis_convention
from pyspacemouse.device import SpaceMouseDevice
from pyspacemouse.loader import get_device_specs
from pyspacemouse.types import AXIS_NAMES, AxisConvention, DeviceInfo

from world4rl.drivers.hid_socket import HidSocket
from world4rl_core.errors import ConfigError, RobotError
from world4rl_core.robot.interface import NEUTRAL, TeleopReading

logger = logging.getLogger(__name__)

REOPEN_S = 1.0
DRAIN_LIMIT = 1000
"""Reports taken by one read: more than a second of the fastest device, and an end to one that never stops."""
SOCKET_PREFIX = "unix:"
SIMULATED_MODEL = "SpaceMouseCompact"
"""The device that a socket stands for: two buttons, translation and rotation in separate reports."""


class SpaceMouse:
    """Axes in the ROS convention. Not connected means zero axes, no buttons, and another try each second."""

    def __init__(self, open_device: Callable[[], SpaceMouseDevice], *, clock_s: Callable[[], float]) -> None:
        self._open_device = open_device
        self._clock_s = clock_s
        self._device: SpaceMouseDevice | None = None
        self._next_try_s = -np.inf
        self.last_error = ""
        """Why the device is not there; empty while it is."""

    def read(self) -> TeleopReading:
        now_s = self._clock_s()
        if self._device is None:
            self._try_to_open(now_s)
        if self._device is not None:
            try:
                return _drain(self._device, now_s)
            except (HIDException, OSError) as error:
                self._lose(f"the SpaceMouse stopped answering ({error}); plug it in again", now_s)
        return TeleopReading(now_s, NEUTRAL.copy(), (), is_connected=False)

    def close(self) -> None:
        if self._device is not None:
            with contextlib.suppress(HIDException, OSError):
                self._device.close()
            self._device = None

    def _try_to_open(self, now_s: float) -> None:
        if now_s < self._next_try_s:
            return
        self._next_try_s = now_s + REOPEN_S
        try:
            self._device = self._open_device()
        except RobotError as error:
            self.last_error = str(error)
            return
        self.last_error = ""
        logger.info("SpaceMouse: %s", self._device.describe_connection())

    def _lose(self, why: str, now_s: float) -> None:
        self.close()
        self._next_try_s = now_s + REOPEN_S
        self.last_error = why
        logger.warning("%s", why)


def spacemouse(device: str) -> SpaceMouse:
    """The device that `opener` describes, on the monotonic clock: for programs that are no node."""
    return SpaceMouse(opener(device), clock_s=time.monotonic)


def opener(device: str) -> Callable[[], SpaceMouseDevice]:
    """How to open `device`: empty for the first one found, a path such as /dev/hidraw3, or unix:<socket>.

    What it returns raises RobotError with the next step while no device is there. Raises ConfigError for another form.
    """
    if device.startswith(SOCKET_PREFIX):
        return lambda: over_hid(HidSocket(Path(device.removeprefix(SOCKET_PREFIX))))
    if device and not device.startswith("/"):
        raise ConfigError(f"device '{device}': wanted nothing (the first SpaceMouse), /dev/hidrawN or unix:<socket>")
    return lambda: _open_usb(device)


def over_hid(hid: object, *, model: str = SIMULATED_MODEL) -> SpaceMouseDevice:
    """A SpaceMouse whose reports come from `hid`, an object like easyhid's HIDDevice. Raises RobotError."""
    device = SpaceMouseDevice(ros_info(model), device=hid)
    try:
        device.open()
    except RuntimeError as error:
        raise RobotError(f"{device.name}: {error.__cause__ or error}") from error
    return device


def ros_info(model: str) -> DeviceInfo:
    """The report layout of a model with its axes in the ROS convention: x away from the operator, y left, z up."""
    return apply_axis_convention(get_device_specs()[model], AxisConvention.ROS)


def reports(axes: np.ndarray, buttons: tuple[bool, ...], *, info: DeviceInfo) -> list[bytes]:
    """The HID reports by which a device of this layout sends these axes (6,) in [-1, 1]."""
    length = max(info.bytes_to_read, 1 + max((spec.byte for spec in info.button_specs), default=0))
    channels: dict[int, bytearray] = {}
    for name, value in zip(AXIS_NAMES, np.clip(axes, -1.0, 1.0), strict=True):
        spec = info.mappings[name]
        raw = round(float(value) * info.axis_scale / spec.scale)
        report = channels.setdefault(spec.channel, bytearray([spec.channel, *bytes(length - 1)]))
        report[spec.byte1], report[spec.byte2] = raw & 0xFF, (raw >> 8) & 0xFF
    for spec, pressed in zip(info.button_specs, buttons, strict=False):
        report = channels.setdefault(spec.channel, bytearray([spec.channel, *bytes(length - 1)]))
        report[spec.byte] |= pressed << spec.bit
    return [bytes(report) for report in channels.values()]


def _open_usb(path: str) -> SpaceMouseDevice:
    """A device on USB. pyspacemouse prints what it found, which is not our answer to anything."""
    settings = {"nonblocking": True, "axis_convention": AxisConvention.ROS}
    try:
        with contextlib.redirect_stdout(None):
            return pyspacemouse.open_by_path(path, **settings) if path else pyspacemouse.open(**settings)
    except (RuntimeError, OSError, ValueError, HIDException) as error:
        raise RobotError(f"no SpaceMouse: {error} {_next_step(path, str(error))}") from error


def _next_step(path: str, message: str) -> str:
    if "HID API" in message:
        return "Install libhidapi-hidraw0."
    nodes = [Path(path)] if path else sorted(Path("/dev").glob("hidraw*"))
    if not nodes:
        return "There is no /dev/hidraw*: plug the device in, and on a container pass it through."
    return f"Plug it in, and install the udev rule if {nodes[0]} is not readable; `world4rl doctor` checks both."


def _drain(device: SpaceMouseDevice, now_s: float) -> TeleopReading:
    """Every report that has arrived. Translation and rotation come apart, and an unread queue is a lag of a second."""
    state, newest = device.read(), float("nan")
    for _ in range(DRAIN_LIMIT):
        if state.t == newest:
            break
        newest, state = state.t, device.read()
    axes = np.array([getattr(state, name) for name in AXIS_NAMES], dtype=np.float64)
    return TeleopReading(now_s, np.clip(axes, -1.0, 1.0), tuple(map(bool, state.buttons)), is_connected=True)
