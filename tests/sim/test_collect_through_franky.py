"""The whole way in simulation: device reports, teleop, arbiter, filter, franky, twin, cameras, recorder, dataset."""

import os
import subprocess
import sys

import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("franky")
from world4rl_core.data.check import check
from world4rl_core.data.reader import DatasetReader
from world4rl_core.rig import RIGS

pytestmark = pytest.mark.realtime


def up(folder, *words):
    """`world4rl up teleop_collect` on an address and a ROS domain of its own; returns its output."""
    facts = yaml.safe_load((RIGS / "twin.yaml").read_text())
    facts["robot"]["host"] = f"127.77.{os.getpid() // 250 % 250}.{1 + os.getpid() % 250}"
    rig = folder / "rig.yaml"
    rig.write_text(yaml.safe_dump(facts))
    quiet = {"ROS_DOMAIN_ID": str(101 + os.getpid() % 100), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    quiet |= {"OMP_NUM_THREADS": "1", "XDG_RUNTIME_DIR": str(folder)}
    line = [sys.executable, "-m", "world4rl_core", "up", "teleop_collect", "backend:=sim", f"rig:={rig}"]
    line += ["operator:=scripted", f"dataset:={folder / 'data'}", *words]
    done = subprocess.run(line, env=os.environ | quiet, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_the_scripted_operator_records_labelled_episodes(tmp_path):
    output = up(tmp_path, "task:=press_button", "episodes:=2")
    assert "recorder has finished" in output and "Traceback" not in output
    assert check(tmp_path / "data") == []
    episodes = list(DatasetReader(tmp_path / "data").episodes())
    labelled = [episode for episode in episodes if not episode.outcome.startswith("aborted")]
    assert len(labelled) == 2 and "success" in {episode.outcome for episode in labelled}
    assert {episode.source for episode in episodes} == {"human"}
    assert all(abs(episode.action[:, :3]).max() > 0.1 for episode in labelled)


@pytest.mark.slow
def test_the_random_source_goes_through_the_same_filter(tmp_path):
    up(tmp_path, "task:=press_button", "episodes:=1", "source:=random", "seed:=5")
    episodes = list(DatasetReader(tmp_path / "data").episodes())
    assert {episode.source for episode in episodes} == {"random"}
    assert any(abs(episode.action[:, :6]).max() > 0.1 for episode in episodes)
