"""A recorder that is killed at any moment loses at most the episode it was writing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from episode_assertions import assert_same_episode

from world4rl_core.data.check import check
from world4rl_core.data.reader import DatasetReader
from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.writer import DatasetWriter

RECORDER = Path(__file__).parent / "killed_recorder.py"


def killed_again_and_again(root: Path, *how: str) -> list[dict]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(RECORDER), str(root), *how]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_at_most_the_running_episode_was_lost(tries: list[dict]) -> None:
    acknowledged = 0
    for one_try in tries:
        for what, count in one_try["reports"]:
            if what == "opened":
                assert count in (acknowledged, acknowledged + 1), tries
            acknowledged = count


def assert_all_episodes_are_whole(root: Path, acknowledged: int) -> None:
    with DatasetWriter.open(root) as writer:
        assert writer.num_episodes in (acknowledged, acknowledged + 1)
    assert check(root) == []
    for seed, episode in enumerate(DatasetReader(root).episodes()):
        assert_same_episode(episode, synthetic_episode(seed=seed, steps=5))


def test_a_recorder_killed_at_random_moments_loses_at_most_the_running_episode(tmp_path):
    tries = killed_again_and_again(tmp_path / "d", "0", "random", "10")
    assert all(one_try["killed"] for one_try in tries)
    assert_at_most_the_running_episode_was_lost(tries)
    assert_all_episodes_are_whole(tmp_path / "d", tries[-1]["reports"][-1][1])


def test_a_recorder_killed_at_each_call_that_reaches_the_disk_loses_at_most_the_running_episode(tmp_path):
    tries = killed_again_and_again(tmp_path / "d", "0", "each-call")
    assert len(tries) > 20 and not tries[-1]["killed"]
    assert_at_most_the_running_episode_was_lost(tries)
    assert_all_episodes_are_whole(tmp_path / "d", tries[-1]["reports"][-1][1])


def uncount_last_episode(root: Path) -> dict:
    """Set info.json back by one episode, as if the recorder had died just before it."""
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info | {"total_episodes": 5, "total_frames": 5 * 13, "splits": {"train": "0:5"}}))
    return info


def test_a_complete_episode_that_info_json_does_not_count_is_counted_on_open(copy):
    info = uncount_last_episode(copy)
    stats = json.loads((copy / "meta/stats.json").read_text())
    assert any("no counted episode refers" in str(problem) for problem in check(copy))
    assert DatasetReader(copy).num_episodes == 5
    DatasetWriter.open(copy).close()
    assert json.loads((copy / "meta/info.json").read_text()) == info
    assert json.loads((copy / "meta/stats.json").read_text())["index"]["max"] == stats["index"]["max"]
    assert check(copy) == []


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda root: (root / "data/chunk-000/file-005.parquet").unlink(), "lacks data/chunk-000/file-005.parquet"),
        (lambda root: (root / "data/chunk-000/file-005.parquet").write_bytes(b"PAR1"), "damaged parquet file"),
        (lambda root: (root / "meta/episodes/chunk-000/file-005.parquet").write_bytes(b""), "damaged episode metadata"),
        (
            lambda root: shutil.copy(
                root / "data/chunk-000/file-000.parquet", root / "meta/episodes/chunk-000/file-005.parquet"
            ),
            "metadata is not that of episode 5",
        ),
    ],
    ids=["data missing", "data cut", "metadata empty", "metadata of something else"],
)
def test_an_incomplete_episode_is_quarantined_with_the_reason(copy, damage, reason):
    uncount_last_episode(copy)
    damage(copy)
    with DatasetWriter.open(copy) as writer:
        assert writer.num_episodes == 5
        writer.add(synthetic_episode(seed=5, cameras=("front", "side")))
    assert reason in (copy / ".quarantine/episode-000005/reason.txt").read_text()
    assert check(copy) == []


def test_an_unfinished_stage_is_quarantined_and_nothing_else_changes(copy):
    before = DatasetReader(copy).content_hash()
    staged = copy / ".partial/episode-000006"
    staged.mkdir(parents=True)
    (staged / "data%2Fchunk-000%2Ffile-006.parquet").write_bytes(b"half a file")
    assert ".partial/episode-000006" in str(check(copy)[0])
    DatasetWriter.open(copy).close()
    assert not (copy / ".partial").exists()
    kept = copy / ".quarantine/episode-000006"
    assert "stopped while it was writing" in (kept / "reason.txt").read_text()
    assert next(kept.rglob("*.parquet")).read_bytes() == b"half a file"
    assert DatasetReader(copy).content_hash() == before
    assert check(copy) == []


def test_statistics_that_were_lost_are_computed_again(copy):
    stated = json.loads((copy / "meta/stats.json").read_text())
    (copy / "meta/stats.json").write_text("{")
    with DatasetWriter.open(copy) as writer:
        writer.add(synthetic_episode(seed=6, cameras=("front", "side")))
    assert check(copy) == []
    assert json.loads((copy / "meta/stats.json").read_text())["index"]["min"] == stated["index"]["min"]
