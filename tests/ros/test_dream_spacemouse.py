"""A dream driven by the SpaceMouse's own reports: axes, gripper, the end, and a cable that is pulled."""

import time

import numpy as np
import pytest

pytest.importorskip("pyspacemouse")
from world4rl.drivers.hid_socket import HidSender
from world4rl.drivers.spacemouse import SIMULATED_MODEL, reports, ros_info
from world4rl_core.errors import RobotError
from world4rl_core.evaluation.dream_live import Puck, spacemouse

HALF = np.array([0.0, -1.0, 0.0, 0.0, 0.0, 0.0])


@pytest.fixture
def stick(tmp_path):
    sender = HidSender(tmp_path / "spacemouse")
    yield sender
    sender.close()


@pytest.fixture
def puck(stick, tmp_path):
    device = spacemouse(f"unix:{tmp_path / 'spacemouse'}")
    yield Puck(device, action_dim=7, speed=0.5)
    device.close()


def acts(stick, puck, axes, buttons=(False, False), seconds=0.12):
    """The last action while the hand does that for a while; None where the dream ended."""
    until_s, action = time.monotonic() + seconds, None
    while time.monotonic() < until_s:
        stick.send(reports(axes, buttons, info=ros_info(SIMULATED_MODEL)))
        time.sleep(0.005)
        if (action := puck.act("")) is None:
            return None
    return action


def test_a_fully_pushed_puck_is_the_action_of_full_speed_and_a_released_one_none(stick, puck):
    assert acts(stick, puck, HALF) == pytest.approx([0, -0.5, 0, 0, 0, 0, 1])
    assert acts(stick, puck, np.zeros(6)) == pytest.approx([0, 0, 0, 0, 0, 0, 1])


def test_the_left_button_toggles_the_gripper_and_the_right_one_ends(stick, puck):
    acts(stick, puck, np.zeros(6), (True, False))
    assert acts(stick, puck, np.zeros(6))[6] == -1
    acts(stick, puck, np.zeros(6), (True, False))
    assert acts(stick, puck, np.zeros(6))[6] == 1
    acts(stick, puck, np.zeros(6), (False, True))
    assert acts(stick, puck, np.zeros(6)) is None


def test_a_pulled_cable_ends_the_dream_with_the_next_step(stick, puck):
    acts(stick, puck, HALF)
    stick.close()
    with pytest.raises(RobotError, match="plug it in .* or use --live keyboard"):
        for _ in range(100):
            puck.act("")
            time.sleep(0.01)
