"""A later round trains anew, as the first runs were trained, on the episodes of the policy before it."""

import json
from pathlib import Path

import pytest

from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.errors import ConfigError
from world4rl_core.imagination.env import ImaginationConfig
from world4rl_core.nets.checkpoint import load_model_state
from world4rl_core.train import rounds, run


def config(dataset: Path, clone: Path, model: Path, judge: Path, out: Path, **changes) -> rounds.Config:
    options = {
        "iterations": 1, "rollout_steps": 3, "evaluate_every": 1, "imagination": ImaginationConfig(envs=4, horizon=3),
        "override_trust": "a tiny model for a test", **changes,
    }  # fmt: skip
    return rounds.Config(policy=clone, world_model=model, reward=judge, data=(dataset,), out=out, **options)


def test_the_second_round_waits_for_its_episodes_and_then_learns_from_them(dataset, clone, model, judge, tmp_path):
    out = tmp_path / "refined"
    with pytest.raises(ConfigError, match=rf"round 2 needs episodes of {out}: .*--deployed FOLDER"):
        rounds.run(config(dataset, clone, model, judge, out, rounds=2))
    first = (out / run.MODEL).read_bytes()

    deployed = write_synthetic_dataset(tmp_path / "deployed", episodes=6, size=16, seed=9)
    last = rounds.run(config(dataset, clone, model, judge, out, rounds=2, deployed=(deployed,)))
    assert last == out / "round-2" / "refined"
    assert (out / run.MODEL).read_bytes() == first

    trained = {name: json.loads((last.parent / name / run.CONFIG).read_text()) for name in ("world-model", "reward")}
    for name, before in (("world-model", model), ("reward", judge)):
        wanted = json.loads((before / run.CONFIG).read_text()) | {"data": [str(dataset), str(deployed)]}
        differing = {key for key in wanted if wanted[key] != trained[name][key]}
        assert differing <= {"out", "world_model"}
    assert trained["reward"]["world_model"] == str(last.parent / "world-model")
    training = load_model_state(last, "policy")["provenance"]["training"]
    assert (training["policy"], training["world_model"]) == (str(out), str(last.parent / "world-model"))


def test_too_many_deployed_datasets_are_refused(dataset, clone, model, judge, tmp_path):
    with pytest.raises(ConfigError, match="at most one deployed dataset for each later one, got 2 and 2"):
        config(dataset, clone, model, judge, tmp_path, rounds=2, deployed=(dataset, dataset))


def test_a_round_after_a_model_of_unknown_training_is_refused(dataset, clone, model, judge, tmp_path):
    options = config(dataset, clone, model / run.MODEL, judge, tmp_path / "x")
    with pytest.raises(ConfigError, match=r"has no config.json.*pass its run folder"):
        rounds.later_round(options, 2, deployed=dataset, out=tmp_path)
