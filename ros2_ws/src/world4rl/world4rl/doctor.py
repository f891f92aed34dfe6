"""`world4rl doctor`: is this machine fit to run a rig? Each line is OK, WARN or FAIL, with the next step."""

import os
import resource
import shutil
from collections.abc import Iterable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from world4rl.checks import Line
from world4rl.robot_link import network_of, pairing
from world4rl_core.errors import RigError
from world4rl_core.rig import CameraRig, Rig, load_rig

SYSTEM = Path("/sys")
DEVICES = Path("/dev")
MIN_FREE_GB = 5.0
MIN_RTPRIO = 80
DISTRIBUTIONS = ("jazzy", "kilted")
SPACEMOUSE_VENDORS = ("256F", "046D")
UDEV_RULE = 'KERNEL=="hidraw*", ATTRS{idVendor}=="256f", MODE="0666"'


def doctor(rig: str = "twin", dataset: str = "datasets") -> str:
    """Checks this machine for the rig of that name or path; the answer begins with FAIL when something must be done."""
    lines = list(examine(rig, Path(dataset)))
    count = {grade: sum(line.grade == grade for line in lines) for grade in ("FAIL", "WARN", "OK")}
    worst = next(grade for grade in count if count[grade])
    counts = ", ".join(f"{number} {grade}" for grade, number in count.items() if number)
    return "\n".join([f"{worst}: {counts}", *map(str, lines)])


def examine(rig_name: str, dataset: Path) -> Iterator[Line]:
    """Every check, in the order in which a person would mend them."""
    yield ros_distribution(os.environ.get("ROS_DISTRO", ""))
    yield disk(dataset)
    try:
        rig = load_rig(rig_name)
    except RigError as error:
        yield Line("FAIL", "rig file", str(error))
        return
    yield from rig_file(rig)
    yield real_time_kernel(rig, SYSTEM)
    yield real_time_priority(rig)
    yield cpu_governor(rig, SYSTEM)
    yield network_of(rig)
    yield pairing(rig)
    yield from cameras(rig.cameras) if rig.robot.realtime else [_simulated("cameras")]
    yield spacemouse(rig, system=SYSTEM, devices=DEVICES)


def ros_distribution(distribution: str) -> Line:
    if distribution in DISTRIBUTIONS:
        return Line("OK", "ROS", f"{distribution} is sourced; `ros2 launch world4rl ...` works")
    if distribution:
        return Line("WARN", "ROS", f"{distribution} is sourced", f"this is tried with {' and '.join(DISTRIBUTIONS)}")
    if find_spec("rclpy") is None:
        return Line("FAIL", "ROS", "no rclpy", "source a ROS 2 installation, or pip install the extra `ros`")
    return Line("OK", "ROS", f"wheels of rclpy {_version('ros-rclpy', 'rclpy')}; start nodes with `world4rl up`")


def disk(folder: Path) -> Line:
    there = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    free_gb = shutil.disk_usage(there).free / 1e9
    if free_gb < MIN_FREE_GB:
        return Line("FAIL", "disk", f"{free_gb:.1f} GB free at {there}", f"the recorder wants {MIN_FREE_GB:g} GB")
    return Line("OK", "disk", f"{free_gb:.0f} GB free at {there}")


def rig_file(rig: Rig) -> Iterator[Line]:
    yield Line("OK", "rig file", f"{rig.name}: {rig.robot.model} at {rig.robot.host}, {len(rig.cameras)} cameras")
    blind = [camera.name for camera in rig.cameras if camera.T_parent_cam is None]
    if blind:
        yield Line("WARN", "calibration", f"no T_parent_cam of {', '.join(blind)}", "see calibration/README.md")


def real_time_kernel(rig: Rig, system: Path) -> Line:
    if _read(system / "kernel/realtime") == "1":
        return Line("OK", "kernel", "PREEMPT_RT")
    if not rig.robot.realtime:
        return Line("OK", "kernel", "no PREEMPT_RT; the rig does not ask for it")
    return Line("FAIL", "kernel", "no PREEMPT_RT", "install one: Ubuntu Pro's realtime-kernel, or linux-image-rt-amd64")


def real_time_priority(rig: Rig) -> Line:
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    if limit == resource.RLIM_INFINITY or limit >= MIN_RTPRIO or not rig.robot.realtime:
        return Line("OK", "rtprio", "unlimited" if limit == resource.RLIM_INFINITY else f"{limit}")
    step = "add `@realtime - rtprio 99` to /etc/security/limits.conf, join that group, log in again"
    return Line("FAIL", "rtprio", f"limit {limit}, wanted {MIN_RTPRIO}", step)


def cpu_governor(rig: Rig, system: Path) -> Line:
    found = {_read(path) for path in system.glob("devices/system/cpu/cpu*/cpufreq/scaling_governor")}
    if found <= {"performance"} or not rig.robot.realtime:
        return Line("OK", "CPU governor", ", ".join(sorted(found)) or "none to be set here")
    return Line("WARN", "CPU governor", ", ".join(sorted(found)), "run `sudo cpupower frequency-set -g performance`")


def cameras(rigs: Iterable[CameraRig]) -> Iterator[Line]:
    if find_spec("pyrealsense2") is None:
        yield Line("FAIL", "cameras", "pyrealsense2 is not installed", "pip install the extra `robot`")
        return
    import pyrealsense2 as rs

    found = {device.get_info(rs.camera_info.serial_number): device for device in rs.context().query_devices()}
    for camera in rigs:
        subject = f"camera {camera.name}"
        if camera.serial not in found:
            there = ", ".join(found) or "none"
            yield Line("FAIL", subject, f"no serial {camera.serial}; found: {there}", "plug it in or mend the rig file")
            continue
        usb = found[camera.serial].get_info(rs.camera_info.usb_type_descriptor)
        if usb.startswith("2"):
            yield Line("WARN", subject, f"serial {camera.serial} on USB {usb}", "use a USB 3 port and cable")
        else:
            yield Line("OK", subject, f"serial {camera.serial} on USB {usb}")


def spacemouse(rig: Rig, *, system: Path, devices: Path) -> Line:
    found = [
        devices / node.name
        for node in sorted(system.glob("class/hidraw/hidraw*"))
        if any(f":0000{vendor}:" in _read(node / "device/uevent").upper() for vendor in SPACEMOUSE_VENDORS)
    ]
    if not found and not rig.robot.realtime:
        return Line("OK", "SpaceMouse", "none; operator:=scripted needs none")
    if not found:
        return Line(
            "FAIL", "SpaceMouse", "none among /dev/hidraw*", "plug it in; on a container pass the device through"
        )
    if not os.access(found[0], os.R_OK | os.W_OK):
        step = f"put `{UDEV_RULE}` into /etc/udev/rules.d/99-spacemouse.rules and replug it"
        return Line("FAIL", "SpaceMouse", f"{found[0]} may not be opened", step)
    return Line("OK", "SpaceMouse", str(found[0]))


def _simulated(subject: str) -> Line:
    return Line("OK", subject, "simulated")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _version(*names: str) -> str:
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"
