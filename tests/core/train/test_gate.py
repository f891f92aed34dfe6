"""When refinement refuses to start, and when it stops by itself."""

import json
from pathlib import Path

import pytest

from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.errors import CheckpointError, ConfigError, DataError, TrustError
from world4rl_core.evaluation import trust
from world4rl_core.evaluation.checks import Limits
from world4rl_core.evaluation.held_out import held_out_episodes
from world4rl_core.evaluation.outcomes import Confusion
from world4rl_core.imagination.env import ImaginationConfig
from world4rl_core.nets.checkpoint import load_state
from world4rl_core.nets.device import device_of
from world4rl_core.reward.classifier import load_reward
from world4rl_core.train import refine, run
from world4rl_core.train.gate import GateConfig, check_gate, refusal
from world4rl_core.train.stopping import Stopping, StoppingConfig
from world4rl_core.world_model.model import load_world_model


def config(dataset: Path, clone: Path, model: Path, judge: Path, out: Path, **changes: object) -> refine.Config:
    options = {"iterations": 2, "rollout_steps": 3, "imagination": ImaginationConfig(envs=4, horizon=5), **changes}
    return refine.Config(policy=clone, world_model=model, reward=judge, data=(dataset,), out=out, **options)  # type: ignore[arg-type]


def test_an_untrusted_world_model_is_refused_and_nothing_is_claimed(
    dataset: Path, clone: Path, model: Path, judge: Path, tmp_path: Path
) -> None:
    out = tmp_path / "refined"
    with pytest.raises(TrustError, match="refusing to refine: .*--override-trust REASON"):
        refine.run(config(dataset, clone, model, judge, out))
    assert not (out / run.CONFIG).exists()
    go_on = StoppingConfig(solved=1.1)
    refine.run(config(dataset, clone, model, judge, out, override_trust="a tiny model for a test", stopping=go_on))
    provenance = load_state(out / run.MODEL)["provenance"]
    assert provenance["override_trust"] == "a tiny model for a test"
    assert provenance["end"] == "all iterations done"


def test_gate_and_trust_report_hold_the_same_limits() -> None:
    assert GateConfig().limits == trust.Config(world_model=Path(), reward=Path(), out=Path()).limits
    assert refusal(Confusion(30, 5, 5, 30), Limits()) == ""
    assert "80% of the real failures succeed in imagination" in refusal(Confusion(30, 28, 0, 7), Limits())
    assert "only 4 held-out episodes of one outcome" in refusal(Confusion(4, 0, 0, 30), Limits())
    assert "only 0 held-out episodes" in refusal(Confusion(0, 0, 0, 0), Limits())


def test_checkpoints_of_other_kinds_are_named(
    dataset: Path, clone: Path, model: Path, judge: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="holds a world-model checkpoint, wanted policy"):
        refine.run(config(dataset, model, model, judge, tmp_path / "x"))
    with pytest.raises(ConfigError, match="pass --policy"):
        refine.run(config(dataset, Path(), model, judge, tmp_path / "x"))


def test_other_data_is_refused(dataset: Path, clone: Path, model: Path, judge: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing"):
        refine.run(config(tmp_path / "missing", clone, model, judge, tmp_path / "x"))


def test_alarm_needs_success_and_uncertainty_to_rise_together_for_a_while() -> None:
    alarm = Stopping(StoppingConfig(uncertainty_rise=0.5, success_rise=0.05, patience=2))

    def seen(success: float, uncertainty: float) -> str:
        return alarm.check({"imagined_success": success, "uncertainty": uncertainty})

    assert seen(0.4, 0.02) == ""
    assert alarm.check({"kl_clone": 1.0}) == ""
    assert seen(0.9, 0.02) == ""
    assert seen(0.4, 0.09) == ""
    assert seen(0.9, 0.09) == ""
    copy = Stopping(alarm.config)
    copy.load(alarm.state())
    assert "imagined success rose from 0.40 to 0.95 while uncertainty rose from 0.0200 to 0.0900" in seen(0.95, 0.09)
    assert copy.check({"imagined_success": 0.5, "uncertainty": 0.02}) == ""


def test_refinement_stops_when_imagination_has_nothing_left_to_teach() -> None:
    stopping = Stopping(StoppingConfig(solved=0.99, patience=2))
    assert "nothing left to gain" in stopping.check({"imagined_success": 1.0, "uncertainty": 0.02})
    stopping = Stopping(StoppingConfig(solved=0.99, patience=2))
    seen = [stopping.check({"imagined_success": success, "uncertainty": 0.02}) for success in (0.3, 1.0, 0.9, 1.0, 1.0)]
    assert seen[:4] == [""] * 4
    assert seen[4] == "imagined success has stayed at 1.00"


def test_gate_and_trust_report_see_the_same_outcomes(model: Path, judge: Path, tmp_path: Path) -> None:
    new = write_synthetic_dataset(tmp_path / "new", episodes=12, size=16, seed=50)
    trust.run(trust.Config(world_model=model, reward=judge, out=tmp_path / "trust", data=(new,), films=0))
    outcomes = json.loads((tmp_path / "trust" / "trust.json").read_text())["outcomes"].values()
    judged = Confusion(*(sum(one[key] for one in outcomes) for key in Confusion.__dataclass_fields__))
    cache, episodes = held_out_episodes((new,), world_model=model, reward=judge)
    device = device_of("auto")  # as trust: another device draws other numbers
    figures = check_gate(
        load_world_model(model, device=device), *load_reward(judge, device=device), cache, episodes,
        config=GateConfig(), override="a test",
    ).figures  # fmt: skip
    assert judged.episodes > 3
    assert (figures["gate_episodes"], figures["gate_agreement"]) == (judged.episodes, judged.agreement.estimate)


def test_a_reason_counts_only_where_the_gate_would_have_refused(model: Path, judge: Path, tmp_path: Path) -> None:
    new = write_synthetic_dataset(tmp_path / "new", episodes=12, size=16, seed=50)
    cache, episodes = held_out_episodes((new,), world_model=model, reward=judge)
    anything = GateConfig(Limits(agreement=0.0, balanced_agreement=0.0, false_success=1.0, cases=1))
    for limits, overridden in ((GateConfig(), "a test"), (anything, "")):
        passage = check_gate(
            load_world_model(model), *load_reward(judge), cache, episodes, config=limits, override="a test"
        )
        assert passage.overridden == overridden
