"""Dreams: recorded actions and typed keys through a world model that knows the task."""

import numpy as np
import pytest
from synthetic_oracle import Oracle, record

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import ConfigError
from world4rl_core.evaluation.dream import actions_of, by_keys
from world4rl_core.imagination.replay import replay


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    return record(tmp_path_factory.mktemp("datasets") / "policy")


def test_each_key_is_one_action_and_the_gripper_keeps_its_state() -> None:
    actions = actions_of("wdqc.o", action_dim=7, speed=0.5)
    assert actions[:, :3].tolist() == [[0.5, 0, 0], [0, -0.5, 0], [0, 0, 0.5], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert not actions[:, 3:6].any()
    assert actions[:, 6].tolist() == [1, 1, 1, -1, -1, 1]


@pytest.mark.parametrize("keys", ["wx", ""])
def test_other_keys_are_refused_with_the_known_ones(keys: str) -> None:
    with pytest.raises(ConfigError, match="w/s x, a/d y, q/e z"):
        actions_of(keys, action_dim=7, speed=0.5)


def test_driving_with_the_recorded_actions_is_the_replay(cache: FrameCache) -> None:
    rows = cache.rows(3)
    driven = by_keys(Oracle(), cache, 3, cache.actions[rows][:-1], seed=5)
    replayed = replay(Oracle(), cache, np.array([3]), seed=5)
    assert len(driven) > 2 and (driven[0] == cache.frames[rows.start]).all()
    assert np.array_equal(driven, replayed.frames[0, : len(driven)])


def test_other_actions_lead_elsewhere(cache: FrameCache) -> None:
    actions = np.zeros((6, cache.action_dim), np.float32)
    still = by_keys(Oracle(), cache, 3, actions, seed=5)
    moved = by_keys(Oracle(), cache, 3, actions + 1, seed=5)
    assert not np.array_equal(still[-1], moved[-1])
