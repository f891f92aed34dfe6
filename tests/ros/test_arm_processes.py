"""Processes that die or hang: operator, arm node, simulation, hand; what is refused at the start."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cell import ANSWER_S, FAULTS, ROOT, START_S, Cell, Client

pytestmark = pytest.mark.slow
PUSH = "tests/ros/push.py"


@pytest.fixture
def cell(tmp_path):
    with Cell(tmp_path) as cell:
        cell.client.get_ready()
        yield cell


def test_sigkill_of_the_operators_node_stops_the_hand(cell):
    client = cell.client
    client.call("arm/enable", data=False)
    client.close()
    cell.client = client = watcher(cell)
    cell.start("operator", [PUSH], use_sim_time=True)
    begin = client.position()
    client.wait(lambda: np.linalg.norm(client.position() - begin) > 0.03, "motion", timeout_s=START_S)
    cell.kill("operator")
    cell.processes["operator"].wait()
    client.assert_stopped(client.now_s())
    assert client.status["level"] in ("held", "latched")


def watcher(cell):
    """A client that watches without publishing: a second publisher would be one too many."""
    client = Client(cell.domain, is_operator=False)
    client.wait(lambda: client.status and client.hand, "status and hand", timeout_s=START_S)
    return client


def test_sigkill_of_the_arm_node_stops_the_hand_and_a_new_node_starts_disarmed(cell):
    cell.client.get_moving()
    cell.kill("arm")
    cell.processes["arm"].wait()
    cell.client.assert_stopped(cell.client.now_s())
    cell.client.status.clear()
    cell.start_arm()
    cell.client.wait(lambda: cell.client.status, "the new arm node", timeout_s=START_S)
    stood_s = cell.client.now_s()
    cell.client.sleep(0.5)
    assert cell.client.status["level"] == "disarmed"
    assert cell.client.travelled_m(stood_s) < 1e-3


def test_sigterm_ends_the_arm_node_in_order(cell):
    cell.client.get_moving()
    cell.kill("arm", signal.SIGTERM)
    assert cell.processes["arm"].wait(ANSWER_S) == 0
    cell.client.assert_stopped(cell.client.now_s())
    assert "Traceback" not in cell.log("arm").read_text()


def test_a_simulation_that_dies_is_looked_for_and_found_again(cell):
    cell.client.get_moving()
    cell.kill("sim")
    cell.processes["sim"].wait()
    cell.client.wait(lambda: not cell.client.status["connected"], "the loss")
    cell.client.let_go()
    cell.start("sim", [str(FAULTS)], cameras=False)
    cell.client.wait(lambda: cell.client.status["connected"], "the new connection", timeout_s=START_S)
    assert cell.client.status["level"] == "latched"


def test_a_hand_that_hangs_is_a_fault_and_the_arm_goes_on(cell):
    client = cell.client
    client.inject("gripper", how="hang")
    client.grip(1.0)
    client.sleep(0.1)
    client.grip(-1.0)
    client.wait(lambda: client.status["hand_faulty"], "the time limit")
    client.move(0.01, 0.0, 0.1, 0.0)


def test_another_server_version_names_the_wheel_index(tmp_path):
    with Cell(tmp_path, sim_only=True) as cell:
        cell.client.inject("speak_version", version=5)
        cell.start_arm()
        assert cell.processes["arm"].wait(START_S) == 1
        said = cell.log("arm").read_text()
        assert "by-robot-server-version/5/" in said and "Traceback" not in said


def test_no_robot_is_one_clear_line(tmp_path):
    cell = Cell(tmp_path)
    cell.start_arm()
    try:
        assert cell.processes["arm"].wait(START_S) == 1
    finally:
        cell.__exit__()
    said = cell.log("arm").read_text()
    assert "does not answer" in said and "is the sim node running?" in said and "Traceback" not in said


def test_an_unknown_rig_and_a_parameter_out_of_range_are_refused(tmp_path):
    for words, message in (
        (["rig:=nowhere"], "nowhere"),
        (["state_hz:=5000"], "state_hz"),
        (["state_hz:=fast"], "state_hz"),
    ):
        command = [sys.executable, "-m", "world4rl.nodes.arm", "--ros-args", *(w for one in words for w in ("-p", one))]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=START_S, cwd=ROOT)
        assert ended.returncode == 1
        assert message in ended.stderr and "Traceback" not in ended.stderr


def test_franky_stops_by_itself_when_python_holds_on_to_everything(tmp_path):
    """The dead-man below all of us: the last command was long ago, and the interpreter is blocked."""
    with Cell(tmp_path, sim_only=True) as cell:
        blocked = Path(__file__).with_name("blocked_arm.py")
        cell.start("driver", [str(blocked)])
        cell.client.wait(lambda: "blocking" in cell.log("driver").read_text(), "the driver", timeout_s=START_S)
        time.sleep(0.1)
        cell.client.sleep(0.3)
        stood_s = cell.client.now_s()
        cell.client.sleep(0.4)
        assert cell.processes["driver"].poll() is None, cell.log("driver").read_text()
        assert cell.client.travelled_m(stood_s) < 1e-3
        assert cell.client.travelled_m(0.0) > 0.02
