"""A policy moves the simulated arm through the arm node, is recorded, and gives way to a person's hand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("franky")
from cell import Cell
from line_bundles import ALONG_Y, line_bundle

from world4rl_core.data.check import check
from world4rl_core.data.layout import read_info
from world4rl_core.data.reader import DatasetReader

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """A cell in which a policy that moves along y at 5 cm/s acts while an episode is recorded."""
    folder = tmp_path_factory.mktemp("deployed")
    with Cell(folder, cameras=True) as cell:
        bundle = line_bundle(folder / "line", cell.rig, ALONG_Y)
        cell.start("recorder", ["-m", "world4rl.nodes.recorder"], use_sim_time=True, source="policy", min_free_gb=0.1,
                   dataset=folder / "data")  # fmt: skip
        start_policy(cell, bundle)
        yield cell, bundle, folder / "data"


def start_policy(cell: Cell, bundle: Path) -> None:
    cell.start("policy", ["-m", "world4rl.nodes.policy"], use_sim_time=True, bundles=bundle, time_limit_s=60.0)


def begin(cell: Cell) -> np.ndarray:
    """Armed, at home, recording, and the policy has moved the hand; returns where it began."""
    client = cell.client
    client.get_ready()
    at = client.position()
    client.wait(lambda: client.call("recorder/start")[0], "the recording", timeout_s=90.0)
    client.wait(lambda: client.position()[1] - at[1] > 0.02, "the policy's motion", timeout_s=60.0)
    assert client.status["source"] == "policy"
    return at


def test_a_person_takes_over_at_once_hands_back_after_neutral_and_all_of_it_is_recorded(deployed):
    cell, _, data = deployed
    client = cell.client
    begin(cell)
    client.push(0.0, -0.1, 0.0)
    client.wait(lambda: client.status["source"] == "human" and client.status["intervention"], "the person's touch")
    turned = client.position()[1]
    client.wait(lambda: client.position()[1] < turned - 0.01, "the person's motion")
    client.let_go()
    client.wait(lambda: client.status["source"] == "policy", "the hand-back")
    back = client.position()[1]
    client.wait(lambda: client.position()[1] > back + 0.01, "the policy's motion afterwards", timeout_s=60.0)
    assert client.call("recorder/stop_success")[0]
    client.sleep(0.5)
    assert client.travelled_m(client.now_s() - 0.1) < 1e-3, "the policy stands still when the recording ends"
    client.wait(lambda: read_info(data)["total_episodes"], "the dataset", timeout_s=60.0)
    episode = DatasetReader(data).episode(DatasetReader(data).num_episodes - 1)
    flags, sources = episode.columns["is_intervention"].ravel(), episode.columns["source"].ravel()
    assert episode.source == "policy" and 0 < flags.sum() < len(flags)
    assert set(sources[flags.astype(bool)]) == {1} and 2 in set(sources), "1 is a person, 2 a policy"
    assert episode.requested[flags.astype(bool), 1].min() < -0.2 and episode.requested[sources == 2, 1].max() > 0.1
    assert check(data) == []


def test_a_killed_policy_stops_the_arm_and_nothing_goes_on_by_itself(deployed):
    cell, bundle, _ = deployed
    client = cell.client
    begin(cell)
    cell.kill("policy")
    killed_s = client.now_s()
    client.assert_stopped(killed_s)
    client.call("recorder/discard")
    start_policy(cell, bundle)
    client.sleep(1.0)
    assert client.travelled_m(client.now_s() - 0.5) < 1e-3


def test_a_replay_compares_with_what_was_recorded(deployed):
    cell, bundle, data = deployed
    line = [
        sys.executable,
        "-m",
        "world4rl_core",
        "up",
        "deploy",
        "mode:=replay",
        f"bundle:={bundle}",
        f"dataset:={data}",
    ]
    done = subprocess.run([*line, f"rig:={cell.rig}"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "translation y" in done.stdout and "the gripper agrees in" in done.stdout
