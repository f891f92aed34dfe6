"""Small datasets that the tests of episodes share; they must not be changed, copy them first."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.synthetic import write_synthetic_dataset

CAMERAS = ("front", "side")
IN_MEMORY = "/dev/shm"  # recording flushes every file to disk; in memory that takes no time


@pytest.fixture(scope="session")
def shared() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def tmp_path(shared: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def dataset(shared: Path) -> Path:
    """Six episodes of two 16x16 cameras, seeds 0 to 5."""
    return write_synthetic_dataset(shared / "square", 6, cameras=CAMERAS)


@pytest.fixture(scope="session")
def films(shared: Path) -> Path:
    """Three episodes of one camera too large for images, so stored as video."""
    return write_synthetic_dataset(shared / "films", 3, size=258, steps=6)


@pytest.fixture(scope="session")
def cache(dataset: Path, shared: Path) -> FrameCache:
    return FrameCache.build([dataset], cameras=["front"], directory=shared / "cache")


@pytest.fixture
def copy(dataset: Path, tmp_path: Path) -> Path:
    """A copy of `dataset` that a test may damage."""
    return shutil.copytree(dataset, tmp_path / "copy")
