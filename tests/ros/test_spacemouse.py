"""The SpaceMouse driver against reports as the device sends them: faults 54 and 55, axes, buttons, drained reads."""

import numpy as np
import pytest

pytest.importorskip("pyspacemouse")
from easyhid import HIDException

from world4rl.drivers.hid_socket import HidSender
from world4rl.drivers.spacemouse import REOPEN_S, SpaceMouse, opener, over_hid, reports, ros_info
from world4rl_core.errors import ConfigError, RobotError

MODELS = ("SpaceMouseCompact", "SpaceNavigator", "SpaceMousePro", "SpaceMouseEnterprise")


class Cable:
    """A HID device whose reports are put in by the test and whose cable can be pulled."""

    product_string, manufacturer_string, release_number, serial_number = "SpaceMouse Compact", "3Dconnexion", 1, "A"

    def __init__(self):
        self.queue, self.is_plugged, self.opened = [], True, 0

    def open(self):
        if not self.is_plugged:
            raise HIDException("Failed to open device")
        self.opened += 1

    def read(self, size):
        if not self.is_plugged:
            raise HIDException("Failed to read from HID device: -1")
        return bytearray(self.queue.pop(0)[:size]) if self.queue else bytearray()

    def close(self):
        pass


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def cable():
    return Cable()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def mouse(cable, clock):
    return SpaceMouse(lambda: over_hid(cable), clock_s=clock)


def push(cable, axes, buttons=(False, False), model="SpaceMouseCompact"):
    cable.queue += reports(np.asarray(axes, dtype=float), buttons, info=ros_info(model))


def test_pushing_away_left_and_up_is_plus_x_y_z(cable, mouse):
    """REP 103. On the wire x is to the right, y towards the operator and z down, in counts of 1/350."""
    cable.queue.append(bytes([1, *(-175).to_bytes(2, "little", signed=True), *(-350).to_bytes(2, "little", signed=True),
                              *(-70).to_bytes(2, "little", signed=True)]))  # fmt: skip
    np.testing.assert_allclose(mouse.read().axes, [1.0, 0.5, 0.2, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("model", MODELS)
def test_reports_of_every_layout_are_read_back(model, clock):
    cable = Cable()
    mouse = SpaceMouse(lambda: over_hid(cable, model=model), clock_s=clock)
    axes = np.array([0.1, -0.2, 0.3, -0.4, 0.5, -0.6])
    push(cable, axes, (True, False), model)
    reading = mouse.read()
    np.testing.assert_allclose(reading.axes, axes, atol=0.5 / 350)
    assert reading.buttons[:2] == (True, False)
    assert reading.is_connected


def test_a_backlog_is_drained_to_its_newest_report(cable, mouse):
    for step in range(300):
        push(cable, [step / 300, 0, 0, 0, 0, 0])
    push(cable, np.zeros(6))
    assert not mouse.read().axes.any()
    assert not cable.queue


def test_a_held_puck_that_sends_nothing_keeps_its_axes(cable, mouse, clock):
    push(cable, [0.5, 0, 0, 0, 0, 0])
    mouse.read()
    clock.now_s += 5.0
    reading = mouse.read()
    assert reading.axes[0] == pytest.approx(0.5, abs=0.01)
    assert reading.time_s == clock.now_s


def test_a_reading_does_not_change_after_the_next_one(cable, mouse):
    push(cable, [0.5, 0, 0, 0, 0, 0])
    first = mouse.read()
    push(cable, np.zeros(6))
    mouse.read()
    assert first.axes[0] == pytest.approx(0.5, abs=0.01)


def test_unplugging_is_zero_at_once_and_replugging_starts_from_zero(cable, mouse, clock):
    push(cable, [1.0, 0, 0, 0, 0, 0], (True, False))
    assert mouse.read().axes[0] == 1.0
    cable.is_plugged = False
    lost = mouse.read()
    assert not lost.is_connected and not lost.axes.any() and lost.buttons == ()
    assert "plug it in" in mouse.last_error
    cable.is_plugged = True
    clock.now_s += 0.5 * REOPEN_S
    assert not mouse.read().is_connected  # one try a second
    clock.now_s += REOPEN_S
    again = mouse.read()
    assert again.is_connected and not again.axes.any()
    assert cable.opened == 2 and mouse.last_error == ""


def test_nothing_plugged_in_is_one_clear_line():
    with pytest.raises(RobotError, match="no SpaceMouse: .*(plug the device in|Install libhidapi|udev)"):
        opener("")()
    with pytest.raises(RobotError, match="/dev/hidraw99"):
        opener("/dev/hidraw99")()


def test_an_unknown_kind_of_device_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"device 'usb0': wanted nothing .*, /dev/hidrawN or unix:<socket>"):
        opener("usb0")


def test_reports_over_a_socket_are_those_of_the_device(tmp_path, clock):
    mouse = SpaceMouse(opener(f"unix:{tmp_path / 'mouse'}"), clock_s=clock)
    assert not mouse.read().is_connected
    assert "operator node" in mouse.last_error
    sender = HidSender(tmp_path / "mouse")
    clock.now_s += REOPEN_S
    mouse.read()
    info = ros_info("SpaceMouseCompact")
    assert sender.send(reports(np.array([0.2, 0, 0, 0, 0, -0.4]), (False, True), info=info))
    reading = mouse.read()
    np.testing.assert_allclose(reading.axes, [0.2, 0, 0, 0, 0, -0.4], atol=0.5 / 350)
    assert reading.buttons == (False, True)
    sender.close()
    assert not mouse.read().is_connected


def test_a_sender_without_a_reader_drops_its_reports(tmp_path):
    sender = HidSender(tmp_path / "mouse")
    assert not sender.send([b"\x01\0\0\0\0\0\0"])
    sender.close()
