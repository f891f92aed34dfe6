"""A full disk: a message with the folder and the bytes, and a dataset that is as it was.

The kernel refuses the writes: RLIMIT_FSIZE in a child process, as tests may not mount a small file system.
"""

import os
import subprocess
import sys
import textwrap

import pytest
from episode_assertions import assert_same_episode

from world4rl_core.data.check import check
from world4rl_core.data.reader import DatasetReader
from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.writer import DatasetWriter

LIMITED = """
import resource, sys
from pathlib import Path
from world4rl_core.data.cache import FrameCache
from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.errors import DataError

def limited(action):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
    try:
        action()
    except DataError as error:
        print(f"DataError: {error}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))

root = Path(sys.argv[1])
"""


def with_limit(root, limit: int, code: str) -> str:
    script = textwrap.dedent(LIMITED) + textwrap.dedent(code)
    command = [sys.executable, "-c", script, str(root), str(limit)]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("size", "limit"), [(32, 3000), (258, 2000)], ids=["data file", "video"])
def test_a_full_disk_names_folder_and_bytes_and_keeps_what_was_recorded(tmp_path, size, limit):
    root = tmp_path / "d"
    answer = with_limit(
        root,
        limit,
        f"""
        noise = lambda seed: synthetic_episode(seed=seed, steps=5, size={size})
        with DatasetWriter.create(root, fps=10, robot_type="test") as writer:
            writer.add(noise(0))
            limited(lambda: writer.add(noise(1)))
            assert not list((root / ".partial").iterdir())
            writer.add(noise(1))
        """,
    )
    assert f"DataError: {root}: no space for about {6 * size * size * 3} bytes" in answer
    assert "the 1 episodes recorded so far are intact" in answer and "free some space" in answer
    assert check(root) == []
    assert_same_episode(
        DatasetReader(root).episode(1), synthetic_episode(seed=1, steps=5, size=size), pixels=size < 256
    )


def test_a_full_disk_while_caching_leaves_no_cache_behind(copy):
    answer = with_limit(copy, 20000, "limited(lambda: FrameCache.build([root], cameras=['front']))")
    assert f"DataError: {copy / '.cache'}: no space for about {6 * 13 * 16 * 16 * 3} bytes" in answer
    assert "the dataset is untouched" in answer
    assert [path.suffix for path in (copy / ".cache").iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="file/d: cannot write.*check the path and its rights"):
        DatasetWriter.create(tmp_path / "file" / "d", fps=10, robot_type="test")
