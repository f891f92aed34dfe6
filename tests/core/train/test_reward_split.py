"""Episodes of the success classifier: what cannot choose a threshold is refused before anything is trained."""

from pathlib import Path

import pytest
from tiny_runs import reward_config

from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.errors import DataError
from world4rl_core.train import reward


def test_sources_that_leave_nothing_to_choose_on_are_refused_with_those_there_are(dataset: Path, tmp_path: Path):
    for sources in (("exprt",), ()):
        with pytest.raises(DataError, match=r"found sources: expert \(12\), random \(12\)"):
            reward.run(reward_config(dataset, tmp_path / "a", sources=sources))
    assert not (tmp_path / "a").exists()


def test_held_out_episodes_of_one_outcome_are_refused_before_training(model: Path, tmp_path: Path):
    experts = write_synthetic_dataset(tmp_path / "data", episodes=6, steps=16, size=16)
    options = {"sources": ("expert",), "held_out": 0.6}
    with pytest.raises(DataError, match="held-out episodes of both outcomes; got . successes of"):
        reward.run(reward_config(experts, tmp_path / "a", world_model=model, **options))
    assert not (tmp_path / "a").exists()
    reward.run(reward_config(experts, tmp_path / "a", steps=1, **options))
