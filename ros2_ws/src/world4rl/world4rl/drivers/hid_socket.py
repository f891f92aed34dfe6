"""HID reports over a local socket: what a simulated SpaceMouse is plugged into, and the plug.

One packet is one report (SOCK_SEQPACKET), and a closed peer is an unplugged cable, exactly as on /dev/hidraw*.
"""

import contextlib
import os
import socket
from pathlib import Path

from easyhid import HIDException


class HidSocket:
    """The driver's end, with the methods of easyhid's HIDDevice that pyspacemouse calls."""

    product_string = "simulated SpaceMouse"
    manufacturer_string = "World4RL"
    release_number = 1
    serial_number = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Raises HIDException while nobody serves the socket."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(str(self.path))
        except OSError as error:
            connection.close()
            raise HIDException(f"nobody sends reports at {self.path}; is the operator node running?") from error
        connection.setblocking(False)
        self._socket = connection

    def read(self, size: int = 64, timeout: int | None = None) -> bytearray:
        """The next report, padded to `size`; empty when none has arrived. Raises HIDException once the peer is gone."""
        if self._socket is None:
            raise HIDException("HIDDevice not open")
        try:
            report = self._socket.recv(size)
        except BlockingIOError:
            return bytearray()
        except OSError as error:
            raise HIDException(f"Failed to read from HID device: {error}") from error
        if not report:
            raise HIDException("Failed to read from HID device: the sender has closed the socket")
        return bytearray(report.ljust(size, b"\0"))

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class HidSender:
    """The simulated hand's end: serves one reader at a time; a new reader starts with the newest reports."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._listener.setblocking(False)
        self._reader: socket.socket | None = None

    @property
    def has_reader(self) -> bool:
        return self._reader is not None

    def send(self, reports: list[bytes]) -> bool:
        """Sends what the device would send; returns False, and drops it, while nobody reads or the reader lags."""
        with contextlib.suppress(BlockingIOError):
            reader, _ = self._listener.accept()
            reader.setblocking(False)
            if self._reader is not None:
                self._reader.close()
            self._reader = reader
        if self._reader is None:
            return False
        try:
            for report in reports:
                self._reader.send(report)
        except BlockingIOError:
            return False
        except OSError:
            self._reader.close()
            self._reader = None
            return False
        return True

    def close(self) -> None:
        """Unplugs: the reader sees a HID error at its next read."""
        for one in (self._reader, self._listener):
            if one is not None:
                one.close()
        self._reader = None
        with contextlib.suppress(OSError):
            os.unlink(self.path)
