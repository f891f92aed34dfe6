"""The recorder at work for minutes: `python -m benchmarks.recording --minutes 5` prints one JSON line.

The real-time twin with two cameras, franky, a wandering arm and the recorder run as they do in `world4rl up`, and write
episodes of a minute. Row jitter is how far the time between two cuts is from the period, on the clock of the rows; a row
is dropped when the episode's grid has it and the dataset has not; it is out of step when a camera or the arm's state was
not there in time, which the recorder flags.
"""

import contextlib
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rclpy
import tyro
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool, Trigger

from benchmarks.timing import report
from world4rl import convert, qos
from world4rl.bringup import NAMESPACE, Process
from world4rl.drivers.hid_socket import HidSender
from world4rl.drivers.spacemouse import SIMULATED_MODEL, reports, ros_info
from world4rl.up import command_line
from world4rl_core.data.reader import DatasetReader
from world4rl_core.robot.step_columns import audit, cameras_of

EPISODE_S = 60.0
START_S, ANSWER_S = 120.0, 30.0
HAND_S = 0.01


@dataclass(frozen=True)
class Config:
    """Options of `python -m benchmarks.recording`."""

    minutes: float = 5.0
    """Of recording, on the simulation's clock."""
    rig: str = "twin"
    seed: int = 0


class Conductor:
    """Calls the services and watches the simulation's clock."""

    def __init__(self) -> None:
        rclpy.init(args=[])
        self._node = rclpy.create_node("benchmark", namespace=NAMESPACE)
        self.time_s = 0.0
        self._node.create_subscription(Clock, "/clock", self._tick, qos.CLOCK)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def call(self, name: str, *, data: bool | None = None, timeout_s: float = ANSWER_S) -> bool:
        """True when the service is there in time and says yes."""
        kind = Trigger if data is None else SetBool
        client = self._node.create_client(kind, name)
        if not self.wait(client.service_is_ready, timeout_s):
            return False
        answer = client.call_async(kind.Request() if data is None else kind.Request(data=data))
        return self.wait(answer.done, timeout_s) and answer.result().success

    def insist(self, name: str, *, data: bool | None = None) -> None:
        """Calls until the answer is yes; a rig that is starting says no for a while."""
        until_s = time.monotonic() + START_S
        while not self.call(name, data=data):
            if time.monotonic() > until_s:
                raise SystemExit(f"{name} was refused for {START_S:g} s; see the nodes' output above")
            self.pass_time(0.5)

    def pass_time(self, seconds: float) -> None:
        until_s = self.time_s + seconds
        self.wait(lambda: self.time_s >= until_s, 20 * seconds + ANSWER_S)

    def wait(self, is_met: Callable[[], bool], timeout_s: float) -> bool:
        until_s = time.monotonic() + timeout_s
        while not is_met():
            if time.monotonic() > until_s:
                return False
            self._executor.spin_once(timeout_sec=0.05)
        return True

    def close(self) -> None:
        self._node.destroy_node()
        rclpy.try_shutdown()

    def _tick(self, message: Clock) -> None:
        self.time_s = convert.seconds_of(message.clock)


@contextlib.contextmanager
def running(config: Config, folder: Path) -> Iterator[None]:
    """The nodes of a collection with a hand that rests on the puck."""
    common = {"rig": config.rig, "use_sim_time": True}
    device = folder / "mouse"
    recorder = {"dataset": str(folder / "data"), "source": "random", "min_free_gb": 0.5, "longest_s": 2 * EPISODE_S}
    processes = [
        Process("sim", "sim", {"rig": config.rig}),
        Process("arm", "arm", common),
        Process("teleop", "teleop", common | {"device": f"unix:{device}"}),
        Process("explorer", "explorer", common | {"seed": config.seed}),
        Process("recorder", "recorder", common | recorder),
    ]
    sender, is_open = HidSender(device), threading.Event()

    def rest() -> None:
        neutral = reports(np.zeros(6), (False, False), info=ros_info(SIMULATED_MODEL))
        while not is_open.wait(HAND_S):
            sender.send(neutral)

    threading.Thread(target=rest, daemon=True).start()
    children = [subprocess.Popen(command_line(process), stdout=subprocess.DEVNULL) for process in processes]
    try:
        yield
    finally:
        for child in reversed(children):
            child.terminate()
        for child in children:
            child.wait(30)
        is_open.set()
        sender.close()


def record(config: Config, conductor: Conductor) -> tuple[float, float]:
    """Records the minutes; returns them in seconds of the simulation and of the wall."""
    conductor.insist("arm/home")
    conductor.pass_time(1.0)
    conductor.insist("arm/enable", data=True)
    began_s, began_wall_s, left_s = conductor.time_s, time.monotonic(), 60 * config.minutes
    while left_s > 0:
        conductor.insist("recorder/start")
        conductor.pass_time(min(left_s, EPISODE_S))
        conductor.call("recorder/stop_failure")
        left_s = 60 * config.minutes - (conductor.time_s - began_s)
    return conductor.time_s - began_s, time.monotonic() - began_wall_s


def figures(root: Path) -> dict[str, float]:
    """What the rows of the dataset say."""
    episodes = list(DatasetReader(root).episodes(cameras=[]))
    audits = [audit(episode.columns, fps=10) for episode in episodes]
    columns = [{key: np.ravel(values) for key, values in episode.columns.items()} for episode in episodes]
    jitter_s = np.concatenate([np.abs(np.diff(one["time.lateness_s"])) for one in columns])
    grid = [round((one["time.ros_s"][-1] - one["time.ros_s"][0]) * 10) + 1 for one in columns]
    cameras = cameras_of(columns[0])
    return {
        "episodes": len(episodes),
        "aborted": sum(episode.outcome.startswith("aborted") for episode in episodes),
        "rows": sum(one.rows for one in audits),
        "dropped_rows": sum(grid) - sum(one.rows for one in audits),
        "out_of_step_rows": sum(one.unsynced for one in audits),
        "duplicate_frames": sum(one.cameras[name].duplicates for one in audits for name in cameras),
        "row_jitter_p50_ms": 1e3 * float(np.quantile(jitter_s, 0.5)),
        "row_jitter_p99_ms": 1e3 * float(np.quantile(jitter_s, 0.99)),
        "camera_skew_p99_ms": max(one.cameras[name].skew_p99_ms for one in audits for name in cameras),
    }


def main(config: Config) -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as name:
        conductor = Conductor()
        with running(config, Path(name)):
            sim_s, wall_s = record(config, conductor)
            conductor.pass_time(2.0)
        conductor.close()
        found = {"benchmark": "recording", "minutes": sim_s / 60, "sim_s_per_wall_s": sim_s / wall_s}
        report(found | figures(Path(name) / "data"))


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
