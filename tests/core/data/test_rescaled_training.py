"""A public dataset, with actions in units of its own and no success labels, trains a world model to dream with."""

from pathlib import Path

import numpy as np
import pytest
from lerobot_layout import Recorded, make_episodes, write

from world4rl_core.errors import CheckpointError, DataError
from world4rl_core.evaluation import dream
from world4rl_core.evaluation.held_out import held_out_episodes
from world4rl_core.imagination.env import ImaginationConfig
from world4rl_core.train import bc, refine, reward, world_model

SUCCESS = {"next.success": ({"dtype": "bool", "shape": [1], "names": None}, True)}


def public(root: Path, *, seed: int = 0, extra: dict | None = None) -> Path:
    """Episodes of 4 to 8 rows whose actions reach from 0 to 80."""
    episodes = [Recorded(one.frames, 40 * (one.action + 1), one.task) for one in make_episodes(seed=seed)]
    return write(root, episodes, extra=extra)


def config(data: Path, out: Path, **changes: object) -> world_model.Config:
    options = {"steps": 1, "batch": 4, "held_out": 0.5, "rescale_actions": True, "drop_short": True, **changes}
    return world_model.Config(data=(data,), out=out, **options)  # type: ignore[arg-type]


def test_a_public_dataset_trains_a_world_model_and_is_dreamt_again(tmp_path: Path) -> None:
    data = public(tmp_path / "data")
    with pytest.raises(DataError, match="leave short episodes out with --drop-short"):
        world_model.run(config(data, tmp_path / "wm", drop_short=False, held_out=0.2))
    model = world_model.run(config(data, tmp_path / "wm"))
    cache, unseen = held_out_episodes((), world_model=model, reward=None)
    assert len(unseen) == 2 and np.abs(cache.actions).max() == 1
    answer = dream.run(dream.Config(world_model=model, out=tmp_path / "dream", episodes=1))
    assert "dream-" in answer
    with pytest.raises(DataError, match="others have another range; leave --data out"):
        held_out_episodes((public(tmp_path / "new", seed=1),), world_model=model, reward=None)


def test_policies_and_classifiers_that_act_in_other_units_are_not_mixed_in(tmp_path: Path) -> None:
    data = public(tmp_path / "data", extra=SUCCESS)
    model = world_model.run(config(data, tmp_path / "wm"))
    with pytest.raises(DataError, match="to clone, refine or export, convert the dataset"):
        bc.run(bc.Config(data=(data,), out=tmp_path / "bc"))
    within = write(tmp_path / "within", make_episodes(), extra=SUCCESS)
    options = {"out": tmp_path / "x", "world_model": model}
    with pytest.raises(CheckpointError, match="actions differ: data as recorded, world model rescaled"):
        reward.run(reward.Config(data=(within,), **options))
    clone = bc.run(bc.Config(data=(within,), out=tmp_path / "bc", steps=1, held_out=0.0))
    judge = reward.run(
        reward.Config(data=(within,), out=tmp_path / "judge", steps=1, batch=4, held_out=0.5, sources=None)
    )
    with pytest.raises(CheckpointError, match="actions differ: data as recorded, world model rescaled"):
        refine.run(
            refine.Config(policy=clone, reward=judge, data=(within,), imagination=ImaginationConfig(envs=2), **options)
        )
    assert not (tmp_path / "x").exists()
