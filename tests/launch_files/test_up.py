"""`world4rl up` as a supervisor of processes: output, the end of one, the end of all, the death of the parent."""

import io
import os
import re
import subprocess
import sys
import time

import pytest

pytest.importorskip("rclpy")
from world4rl.bringup import Process
from world4rl.up import Supervisor, up
from world4rl_core.errors import ConfigError, RobotError

pytestmark = pytest.mark.realtime

FOREVER = (
    "import signal, time\nsignal.signal(signal.SIGINT, lambda *_: exit(0))\nprint('up', flush=True)\ntime.sleep(60)"
)


def python(name, code, **settings):
    return Process("script", name, command=(sys.executable, "-c", code), **settings)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_end_of_one_node_stops_the_others_and_is_named():
    output = io.StringIO()
    pair = [python("arm", FOREVER), python("teleop", "import time; time.sleep(0.5); print('oh'); exit(3)")]
    began_s = time.monotonic()
    with pytest.raises(RobotError, match="teleop ended with exit code 3; the others were stopped"):
        Supervisor(pair, output).run()
    assert time.monotonic() - began_s < 15
    assert "[   arm] up\n" in output.getvalue() and "[teleop] oh\n" in output.getvalue()


def test_a_killed_node_is_named_with_its_signal():
    with pytest.raises(RobotError, match="arm ended with signal SIGKILL"):
        Supervisor([python("arm", "import os; os.kill(os.getpid(), 9)"), python("sim", FOREVER)], io.StringIO()).run()


def test_the_recorder_ends_the_work_well():
    pair = [python("recorder", "pass", ends_everything_well=True), python("arm", FOREVER)]
    assert "recorder has finished" in Supervisor(pair, io.StringIO()).run()


def test_a_failed_recorder_is_a_failure():
    with pytest.raises(RobotError, match="recorder ended with exit code 1"):
        Supervisor([python("recorder", "exit(1)", ends_everything_well=True)], io.StringIO()).run()


def test_a_camera_that_ends_is_started_again(tmp_path):
    """Fault 77."""
    count = f"open(r'{tmp_path / 'starts'}', 'a').write('x')"
    recorder = python("recorder", "import time; time.sleep(4)", ends_everything_well=True)
    Supervisor([python("camera", count, respawns=True), recorder], io.StringIO()).run()
    assert len((tmp_path / "starts").read_text()) >= 2


def test_a_node_that_ignores_the_interrupt_is_stopped_all_the_same(monkeypatch):
    monkeypatch.setattr("world4rl.up.GRACE_S", (0.3, 0.3, 5.0))
    deaf = "import signal, time\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)"
    pair = [python("deaf", deaf), python("arm", "import time; time.sleep(1)")]
    with pytest.raises(RobotError, match="arm ended with exit code 0"):
        Supervisor(pair, io.StringIO()).run()


def test_nodes_die_with_a_killed_parent(tmp_path):
    code = (
        "import sys\nfrom world4rl.bringup import Process\nfrom world4rl.up import Supervisor\n"
        "child = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'\n"
        "Supervisor([Process('x', 'arm', command=(sys.executable, '-c', child))], sys.stdout).run()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(re.search(r"\d+", parent.stdout.readline()).group())
        parent.kill()
    until_s = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not is_alive(pid)


def test_unknown_launch_names_the_known_ones():
    with pytest.raises(ConfigError, match="unknown launch 'fly'; known: rig, teleop_collect"):
        up("fly")


def test_raw_without_ros2_is_refused_before_anything_starts(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="bag needs the command `ros2`, which is not installed"):
        up("teleop_collect", ("raw:=true",))
