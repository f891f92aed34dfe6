"""A bundle on a recorded episode."""

import numpy as np
import pytest

from world4rl_core.data.episode import Episode
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.errors import DataError
from world4rl_core.export.pictures import raw_of
from world4rl_core.export.replay import replay
from world4rl_core.runtime.inference import BundlePolicy, SessionConfig

CPU = SessionConfig(provider="cpu")
ROWS = 6


def record(root, policy: BundlePolicy, *, size: int = 16, off: float = 0.0) -> None:
    """An episode of noise in which the policy itself acted, all but the gripper changed by `off`."""
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 255, (ROWS, size, size, 3), dtype=np.uint8) for name in ("external", "wrist")}
    cameras = policy.manifest.facts.cameras
    actions = np.zeros((ROWS, 7), np.float32)
    if size == 16:
        for row in range(ROWS - 1):
            actions[row] = policy.act({c.name: raw_of(c, images[c.name][row]) for c in cameras})
    requested = actions.copy()
    requested[:-1, :6] = np.clip(requested[:-1, :6] + off, -1, 1)
    zeros = np.zeros(ROWS, np.float32)
    with DatasetWriter.create(root, fps=10, robot_type="fr3") as writer:
        writer.add(
            Episode(
                images=images, state=np.zeros((ROWS, 0), np.float32), action=requested, requested=requested,
                next_reward=zeros, next_success=zeros.astype(bool), terminated=False, truncated=True,
                task="press_button", source="policy", seed=0, outcome="timeout",
            )
        )  # fmt: skip


def test_the_policy_that_recorded_an_episode_agrees_with_it(folder, tmp_path):
    record(tmp_path / "data", BundlePolicy.open(folder, CPU))
    found = replay(folder, tmp_path / "data", 0, session=CPU)
    assert found.answered.shape == (ROWS - 1, 7)
    assert found.error.max() < 1e-5 and found.gripper_agreement == 1
    assert "the gripper agrees in 100% of the rows" in found.table()


def test_a_difference_is_shown_by_dimension(folder, tmp_path):
    record(tmp_path / "data", BundlePolicy.open(folder, CPU), off=0.25)
    found = replay(folder, tmp_path / "data", 0, session=CPU)
    assert found.error[:, :6].mean() == pytest.approx(0.25, abs=0.05) and found.error[:, 6].max() < 1e-5
    assert "translation x, x translation_m" in found.table() and "differs by 0.2" in found.table()


def test_an_episode_that_is_not_there_or_was_recorded_otherwise_is_refused(folder, tmp_path):
    record(tmp_path / "data", BundlePolicy.open(folder, CPU), size=20)
    with pytest.raises(DataError, match=r"was recorded at \(20, 20\), the bundle's rig records \(16, 16\)"):
        replay(folder, tmp_path / "data", 0, session=CPU)
    with pytest.raises(DataError, match="no episode 1; it has episodes 0 to 0"):
        replay(folder, tmp_path / "data", 1, session=CPU)
