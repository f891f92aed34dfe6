"""Episodes of the success classifier: what cannot choose a threshold is refused before anything is trained."""

from pathlib import Path

import pytest
from tiny_runs import reward_config

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.errors import DataError
from world4rl_core.nets.checkpoint import load_model_state
from world4rl_core.train import reward
from world4rl_core.train.reward_split import split_for_reward


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


def kept(run: Path, kind: str) -> dict[str, list[int]]:
    """The episodes a training left out, by what for."""
    provenance = load_model_state(run, kind)["provenance"]
    return {key: provenance[key] for key in ("held_out", "calibration") if key in provenance}


def test_the_threshold_is_chosen_on_episodes_that_the_world_model_has_not_seen(
    dataset: Path, model: Path, tmp_path: Path
) -> None:
    judge = reward.run(reward_config(dataset, tmp_path / "a", steps=1, world_model=model, held_out=None, seed=3))
    unseen, mine = kept(model, "world-model")["held_out"], kept(judge, "reward")
    assert sorted(mine["held_out"] + mine["calibration"]) == unseen
    assert abs(len(mine["held_out"]) - len(mine["calibration"])) <= 1


def test_with_the_world_models_seed_and_share_the_episodes_are_the_same_unnamed(
    dataset: Path, model: Path, tmp_path: Path
) -> None:
    options = {"steps": 1, "world_model": model}
    unnamed = reward.run(reward_config(dataset, tmp_path / "a", held_out=None, **options))
    named = reward.run(reward_config(dataset, tmp_path / "b", held_out=0.3, **options))
    assert kept(unnamed, "reward") == kept(named, "reward")


def test_too_few_held_out_episodes_to_choose_and_to_judge_by_are_refused(dataset: Path, tmp_path: Path):
    cache = FrameCache.build((dataset,))
    options = {"seed": 0, "sources": None, "by_outcome": True, "world_model": {"data": cache.hash, "held_out": [3]}}
    with pytest.raises(DataError, match="1 of 24 episodes are held out, two at least.*larger --held-out"):
        split_for_reward(cache, share=None, **options)
    with pytest.raises(DataError, match="1 of 24 episodes are held out, two at least.*larger --held-out"):
        split_for_reward(cache, share=0.01, **options)
    other = options | {"world_model": {"data": "other data", "held_out": [3]}}
    assert [len(part) for part in split_for_reward(cache, share=None, **other)] == [20, 2, 2]
