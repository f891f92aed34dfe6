"""Records into argv[1] again and again and is killed each time; run as a script, prints a JSON list of what happened.

Each try is a forked child. It reports `opened N` once the dataset is repaired and `added N` when `add` returns, and is
killed by SIGKILL: either after a delay drawn from the seed argv[2] (`random TRIES`), or at its n-th system call that
reaches the disk, n = 1, 2, ... until a child survives (`each-call`).
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.writer import DatasetWriter

EPISODES_PER_TRY = 1000  # more than any machine writes before it is killed
EPISODES_AT_EACH_CALL = 2
DISK_CALLS = ("fsync", "replace", "mkdir", "rmdir", "unlink")


def record(root: Path, report: Callable[[str, int], None], *, episodes: int) -> None:
    started = (root / "meta/info.json").exists()
    with DatasetWriter.open(root) if started else DatasetWriter.create(root, fps=10, robot_type="test") as writer:
        report("opened", writer.num_episodes)
        for _ in range(episodes):
            writer.add(synthetic_episode(seed=writer.num_episodes, steps=5))
            report("added", writer.num_episodes)


def die_at_call(n: int) -> None:
    """Replace the calls of `os` that reach the disk by ones that kill this process at the n-th."""
    made = 0

    def counted(call: Callable) -> Callable:
        def wrapped(*args, **kwargs):
            nonlocal made
            made += 1
            if made == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapped

    for name in DISK_CALLS:
        setattr(os, name, counted(getattr(os, name)))


def in_child(work: Callable[[Callable[[str, int], None]], None], kill_after_s: float | None) -> dict:
    """Run `work` in a forked child, kill it `kill_after_s` after its first report, and return what it reported."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        failed = True
        try:
            work(lambda what, count: os.write(write_end, f"{what} {count}\n".encode()))
            failed = False
        finally:
            if failed:
                traceback.print_exc()
            os._exit(failed)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        first = pipe.readline()
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            os.kill(child, signal.SIGKILL)
        lines = [line for line in [first, *pipe] if line.endswith("\n")]
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("the recorder failed instead of being killed; its traceback is above")
    counts = [(what, int(count)) for what, count in (line.split() for line in lines)]
    return {"reports": counts, "killed": os.WIFSIGNALED(status)}


def main() -> None:
    root, seed, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    tries = []
    if how == "random":
        delays = np.random.default_rng(seed).uniform(0, 0.25, int(sys.argv[4]))
        for delay in delays:
            tries.append(in_child(lambda report: record(root, report, episodes=EPISODES_PER_TRY), float(delay)))
    else:
        n = 0
        while not tries or tries[-1]["killed"]:
            n += 1

            def work(report: Callable[[str, int], None], n: int = n) -> None:
                die_at_call(n)
                record(root, report, episodes=EPISODES_AT_EACH_CALL)

            tries.append(in_child(work, None))
    json.dump(tries, sys.stdout)


if __name__ == "__main__":
    main()
