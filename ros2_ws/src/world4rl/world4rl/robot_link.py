"""What can be told about the way to the robot without moving it: its network and the versions of both ends."""

import socket
import struct
from importlib.util import find_spec
from pathlib import Path

from world4rl.checks import Line
from world4rl_core.rig import Rig

FCI_PORT = 1337
TIMEOUT_S = 2.0
MIN_NIC_MBPS = 1000
HIGHEST_SERVER = 100
WHEELS = "https://timschneider42.github.io/franky/whl/by-robot-server-version/{server}/"
# libfranka speaks exactly one server version: the first release of each, newest first (libfranka's CHANGELOG).
FIRST_RELEASES = {
    10: (0, 18, 0),
    9: (0, 15, 0),
    8: (0, 14, 1),
    7: (0, 13, 3),
    6: (0, 10, 0),
    5: (0, 9, 0),
    4: (0, 8, 0),
}
_HEADER = struct.Struct("<III")  # command, command id, size with the header
_CONNECT = struct.Struct("<HH")  # library version, UDP port
_ANSWERS = (struct.Struct("<BH"), struct.Struct("<HH"))  # status, server version: of a robot, of franky-sim


def libfranka_version() -> tuple[int, int, int] | None:
    """The libfranka bundled with the installed franky wheel; None where there is no wheel."""
    spec = find_spec("franky")
    if spec is None or spec.origin is None:
        return None
    site = Path(spec.origin).parents[1]
    for library in (*site.glob("franky*/libfranka*.so.*"), *site.glob("franky*.libs/libfranka*.so.*")):
        numbers = library.name.partition(".so.")[2].split(".")
        if len(numbers) == 3 and all(number.isdecimal() for number in numbers):
            return (int(numbers[0]), int(numbers[1]), int(numbers[2]))
    return None


def server_of(libfranka: tuple[int, int, int]) -> int | None:
    """The robot server version that this libfranka speaks."""
    return next((server for server, first in FIRST_RELEASES.items() if libfranka >= first), None)


def ask_server(host: str, version: int, *, port: int = FCI_PORT) -> int:
    """The server version of the robot at `host`: the first message of libfranka's handshake, then the line is closed.

    Raises OSError where nobody answers, or not as a robot does.
    """
    with (
        socket.create_connection((host, port), TIMEOUT_S) as line,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as states,
    ):
        states.bind(("", 0))
        body = _CONNECT.pack(version, states.getsockname()[1])
        line.sendall(_HEADER.pack(0, 0, _HEADER.size + len(body)) + body)
        answer = b""
        while len(answer) < _HEADER.size + _ANSWERS[0].size:
            if not (part := line.recv(64)):
                raise ConnectionResetError(f"{host} closed the connection")
            answer += part
    command, command_id, _ = _HEADER.unpack_from(answer)
    body = answer[_HEADER.size :].ljust(_ANSWERS[1].size, b"\xff")
    servers = [layout.unpack_from(body)[1] for layout in _ANSWERS]
    likely = [server for server in servers if 0 < server < HIGHEST_SERVER]
    if (command, command_id) != (0, 0) or not likely:
        raise ConnectionAbortedError(f"what answers at {host}:{port} is not a Franka robot")
    return likely[0]


def network_of(rig: Rig) -> Line:
    """Does the robot answer, and over which interface?"""
    host = rig.robot.host
    try:
        with socket.create_connection((host, FCI_PORT), TIMEOUT_S) as line:
            local = line.getsockname()[0]
    except OSError as error:
        if not rig.robot.realtime:
            return Line("OK", "FCI", f"nobody at {host}:{FCI_PORT} yet; the sim node will be")
        step = "activate FCI in Desk, and check the cable and this machine's address"
        return Line("FAIL", "FCI", f"{host}:{FCI_PORT} does not answer ({error})", step)
    return interface_line(f"{host}:{FCI_PORT} answers", _interface_with(local), is_needed=rig.robot.realtime)


def interface_line(finding: str, interface: Path | None, *, is_needed: bool) -> Line:
    """Grades a network interface, a folder of /sys/class/net, for a robot that wants a packet each millisecond."""
    if interface is None or not is_needed:
        return Line("OK", "FCI", finding)
    if (interface / "wireless").exists():
        return Line("FAIL", "FCI", f"{finding}, but over wireless {interface.name}", "use a cable")
    try:
        speed = int((interface / "speed").read_text())
    except (OSError, ValueError):
        speed = -1
    if 0 < speed < MIN_NIC_MBPS:
        return Line("WARN", "FCI", f"{finding} over {interface.name} at {speed} Mbit/s", "use a gigabit port and cable")
    return Line("OK", "FCI", f"{finding} over {interface.name}")


def pairing(rig: Rig) -> Line:
    """Do the installed wheel and the robot speak the same version?"""
    libfranka = libfranka_version()
    if libfranka is None:
        return Line("FAIL", "franky", "not installed", f"pip install franky-control (Panda: {WHEELS.format(server=5)})")
    ours = server_of(libfranka)
    name = f"libfranka {'.'.join(map(str, libfranka))}, server {ours}"
    try:
        theirs = ask_server(rig.robot.host, ours or 0)
    except OSError as error:
        if not rig.robot.realtime:
            return Line("OK", "franky", f"{name}; simulations speak server 10" if ours == 10 else name)
        step = "repeat once the robot answers and no other program is connected"
        return Line("WARN", "franky", f"{name}; the robot did not tell its own ({error})", step)
    if theirs == ours:
        return Line("OK", "franky", f"{name}, and so does the robot")
    index = f"pip install --force-reinstall franky-control --extra-index-url {WHEELS.format(server=theirs)}"
    return Line("FAIL", "franky", f"{name}, but the robot speaks server {theirs}", index)


def _interface_with(address: str) -> Path | None:
    """The interface that owns a local address, found by asking each one; None for the loopback."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                found = fcntl.ioctl(probe.fileno(), 0x8915, request)  # SIOCGIFADDR
            except OSError:
                continue
            if socket.inet_ntoa(found[20:24]) == address and name != "lo":
                return Path("/sys/class/net") / name
    return None
