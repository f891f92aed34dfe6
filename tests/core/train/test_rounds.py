"""A later round trains anew, as the first runs were trained, on the episodes of the policy before it."""

import json
from pathlib import Path

import pytest

from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.errors import ConfigError, TrustError
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


def test_deployed_datasets_that_no_round_would_read_or_that_are_known_already_are_refused(
    dataset, clone, model, judge, tmp_path
):
    with pytest.raises(ConfigError, match="pass --rounds 2, got 1"):
        config(dataset, clone, model, judge, tmp_path, deployed=(tmp_path,))
    with pytest.raises(ConfigError, match="is given twice; each round needs episodes of its own policy"):
        config(dataset, clone, model, judge, tmp_path, rounds=2, deployed=(dataset,))


def test_a_reason_to_override_the_gate_is_for_the_next_round_only(dataset, clone, model, judge, tmp_path):
    """Round 1 was let through by its reason; round 2 is judged anew, and takes a reason of its own."""
    deployed = write_synthetic_dataset(tmp_path / "deployed", episodes=6, size=16, seed=9)
    options = (dataset, clone, model, judge, tmp_path / "refined")
    more = {"rounds": 2, "deployed": (deployed,)}
    with pytest.raises(TrustError, match="refusing to refine"):
        rounds.run(config(*options, **more))
    last = rounds.run(config(*options, **more, override_trust="another reason"))
    first = load_model_state(tmp_path / "refined", "policy")["provenance"]["override_trust"]
    assert first == "a tiny model for a test"
    assert load_model_state(last, "policy")["provenance"]["override_trust"] == "another reason"


def test_a_round_after_a_model_of_unknown_training_is_refused(dataset, clone, model, judge, tmp_path):
    options = config(dataset, clone, model / run.MODEL, judge, tmp_path / "x")
    with pytest.raises(ConfigError, match=r"has no config.json.*pass its run folder"):
        rounds.later_round(options, 2, deployed=dataset, out=tmp_path, override_trust="")
