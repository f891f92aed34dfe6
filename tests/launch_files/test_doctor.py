"""`world4rl doctor`: each line OK, WARN or FAIL with the next step, on machines made of files."""

import socket
import struct
import threading
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
from world4rl import doctor, robot_link
from world4rl.checks import Line
from world4rl_core.rig import load_rig

REAL, TWIN = load_rig("panda"), load_rig("twin")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def robot_answering(body):
    """A server that answers one handshake; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        line, _ = listener.accept()
        line.recv(64)
        line.sendall(struct.pack("<III", 0, 0, 12 + len(body)) + body)
        line.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def test_the_twins_rig_is_fine_here_and_every_complaint_has_a_next_step():
    text = doctor.doctor("twin")
    assert text.splitlines()[0].split(":")[0] in ("OK", "WARN")
    for line in doctor.examine("twin", Path("datasets")):
        assert line.grade == "OK" or line.next_step
        assert len(str(line).splitlines()) == 1


def test_a_rig_that_cannot_be_read_is_a_fail_and_not_a_traceback():
    assert doctor.doctor("nope").startswith("FAIL")
    assert "known rigs: panda, twin" in doctor.doctor("nope")


@pytest.mark.parametrize(("distribution", "grade"), [("kilted", "OK"), ("jazzy", "OK"), ("humble", "WARN"), ("", "OK")])
def test_the_distribution_is_graded(distribution, grade):
    assert doctor.ros_distribution(distribution).grade == grade


def test_a_real_rig_wants_a_real_time_kernel(tmp_path):
    assert doctor.real_time_kernel(REAL, tmp_path).grade == "FAIL"
    assert doctor.real_time_kernel(TWIN, tmp_path).grade == "OK"
    write(tmp_path / "kernel/realtime", "1\n")
    assert doctor.real_time_kernel(REAL, tmp_path).grade == "OK"


def test_a_real_rig_wants_the_performance_governor(tmp_path):
    for number, governor in enumerate(("performance", "powersave")):
        write(tmp_path / f"devices/system/cpu/cpu{number}/cpufreq/scaling_governor", governor)
        line = doctor.cpu_governor(REAL, tmp_path)
        assert line.grade == ("OK" if number == 0 else "WARN")
    assert "cpupower" in line.next_step


def test_a_spacemouse_is_found_by_its_maker_and_must_be_readable(tmp_path):
    system, devices = tmp_path / "sys", tmp_path / "dev"
    assert doctor.spacemouse(REAL, system=system, devices=devices).grade == "FAIL"
    assert doctor.spacemouse(TWIN, system=system, devices=devices).grade == "OK"
    write(system / "class/hidraw/hidraw0/device/uevent", "HID_ID=0003:000004D9:0000A131\n")
    write(system / "class/hidraw/hidraw1/device/uevent", "HID_ID=0003:0000256F:0000C635\n")
    hidden = doctor.spacemouse(REAL, system=system, devices=devices)
    assert hidden.grade == "FAIL" and "hidraw1" in hidden.finding and doctor.UDEV_RULE in hidden.next_step
    write(devices / "hidraw1", "")
    assert doctor.spacemouse(REAL, system=system, devices=devices).grade == "OK"


def test_cameras_that_are_not_there_are_named_with_what_is():
    pytest.importorskip("pyrealsense2")
    for line in doctor.cameras(REAL.cameras):
        assert line.grade == "FAIL" and "found: " in line.finding and line.next_step


def test_a_full_disk_is_a_fail(tmp_path, monkeypatch):
    assert doctor.disk(tmp_path / "not" / "yet").finding.endswith(str(tmp_path))
    monkeypatch.setattr(doctor, "MIN_FREE_GB", 1e9)
    assert doctor.disk(tmp_path).grade == "FAIL"


def test_a_slow_or_wireless_interface_is_not_good_enough(tmp_path):
    write(tmp_path / "eth0/speed", "100\n")
    assert robot_link.interface_line("it answers", tmp_path / "eth0", is_needed=True).grade == "WARN"
    write(tmp_path / "eth0/speed", "1000\n")
    assert robot_link.interface_line("it answers", tmp_path / "eth0", is_needed=True).grade == "OK"
    (tmp_path / "wlan0" / "wireless").mkdir(parents=True)
    assert robot_link.interface_line("it answers", tmp_path / "wlan0", is_needed=True).grade == "FAIL"
    assert robot_link.interface_line("it answers", tmp_path / "wlan0", is_needed=False).grade == "OK"


def test_nobody_at_the_robots_address_is_a_fail_with_fci_named():
    line = robot_link.network_of(replace(REAL, robot=replace(REAL.robot, host="127.254.1.1")))
    assert line.grade == "FAIL" and "activate FCI in Desk" in line.next_step


def test_libfranka_versions_belong_to_server_versions():
    expected = {
        (0, 8, 0): 4,
        (0, 9, 2): 5,
        (0, 10, 0): 6,
        (0, 13, 3): 7,
        (0, 15, 0): 9,
        (0, 21, 2): 10,
        (0, 7, 0): None,
    }
    assert {version: robot_link.server_of(version) for version in expected} == expected


@pytest.mark.parametrize("body", [struct.pack("<BH", 1, 5), struct.pack("<HH4x", 0, 5)], ids=["robot", "simulation"])
def test_the_robot_is_asked_for_its_server_version(body):
    assert robot_link.ask_server("127.0.0.1", 10, port=robot_answering(body)) == 5


def test_something_else_that_answers_is_no_robot():
    with pytest.raises(OSError, match="not a Franka robot"):
        robot_link.ask_server("127.0.0.1", 10, port=robot_answering(b"HTTP/1.1"))


def test_a_wheel_for_another_server_names_the_index_to_use(monkeypatch):
    monkeypatch.setattr(robot_link, "libfranka_version", lambda: (0, 21, 2))
    monkeypatch.setattr(robot_link, "ask_server", lambda host, version: 5)
    line = robot_link.pairing(REAL)
    assert line.grade == "FAIL" and "server 10, but the robot speaks server 5" in line.finding
    assert "by-robot-server-version/5/" in line.next_step


def test_a_line_is_short_and_aligned():
    assert str(Line("OK", "disk", "80 GB free")) == "OK    disk             80 GB free"
    assert str(Line("FAIL", "disk", "full", "make room")).endswith("full; make room")
