"""SIGKILL of the recorder at random moments loses at most the running episode, and the next start goes on: fault 67."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
from stage import Stage
from std_msgs.msg import String

from world4rl import convert, qos
from world4rl_core.data.check import check
from world4rl_core.data.reader import DatasetReader
from world4rl_core.data.writer import DatasetWriter


class Process:
    """The recorder as a process of its own, and the newest of what it says."""

    def __init__(self, stage, data):
        self.stage, self.told = stage, {}
        self._subscription = stage.node.create_subscription(String, "recorder/status", self._hear, qos.STATUS)
        words = [sys.executable, "-m", "world4rl.nodes.recorder", "--ros-args", "-r", "__ns:=/w4rl"]
        for name, value in {"rig": stage.rig, "dataset": data, "use_sim_time": "true", "min_free_gb": 0.0}.items():
            words += ["-p", f"{name}:={value}"]
        quiet = {"ROS_DOMAIN_ID": str(stage.domain), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(words, env=os.environ | quiet)
        try:
            while self.told.get("state") != "recording":
                assert self.process.poll() is None, "the recorder has ended by itself"
                stage.play(0.1)
                if self.told:
                    stage.call("recorder/start", timeout_s=2.0)  # the killed one before may still be announced
        except BaseException:
            self.process.kill()
            raise

    def _hear(self, message):
        self.told = convert.json_of(message)

    def label(self):
        """Ends the running episode as success, without waiting for the disk."""
        return self.stage.call("recorder/stop_success", timeout_s=5.0)[0]

    def kill(self):
        """Returns how many labelled episodes were on the disk for certain."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.stage.node.destroy_subscription(self._subscription)
        return self.told.get("labelled", 0)


def kill_at_random(stage, data, rng):
    """One life of the recorder: some episodes, then the end at any moment, also right after a label."""
    life = Process(stage, data)
    try:
        for _ in range(int(rng.integers(1, 3))):
            stage.play(0.9)
            life.label()
            stage.play(float(rng.uniform(0.0, 0.6)))
            if not stage.call("recorder/start", timeout_s=5.0)[0]:
                break
        stage.play(float(rng.uniform(0.0, 0.8)))
        if rng.random() < 0.5:
            life.label()
            time.sleep(float(rng.uniform(0.0, 0.15)))
    finally:
        certain = life.kill()
    return certain


@pytest.mark.slow
def test_a_killed_recorder_loses_at_most_the_running_episode(tmp_path):
    rng = np.random.default_rng(int(os.environ.get("KILL_SEED", "0")))
    data, certain = tmp_path / "data", 0
    with Stage(tmp_path) as stage:
        for _ in range(int(os.environ.get("KILLS", "5"))):
            certain += kill_at_random(stage, data, rng)
            DatasetWriter.open(data).close()  # repairs or quarantines what is left
            found = DatasetReader(data).num_episodes if certain else 0
            assert found >= certain
            certain = max(found, certain)
    assert certain > 0
    assert check(data) == []
    assert not any(path.is_file() for path in (data / ".partial").rglob("*"))
