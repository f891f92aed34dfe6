"""ROS domains that no other test process on this machine uses at the same time."""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

DOMAINS = range(1, 100)


def take_domain() -> tuple[int, IO[str]]:
    """A free domain and the lock that keeps it; closing the file gives the domain back."""
    start = os.getpid() % len(DOMAINS)
    for domain in (*DOMAINS[start:], *DOMAINS[:start]):
        lock = (Path(tempfile.gettempdir()) / f"world4rl-domain-{domain}-{os.getuid()}").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return domain, lock
    raise RuntimeError("every ROS domain is in use by other tests")
