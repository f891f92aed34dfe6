"""The trust report on a synthetic task, judged for a world model that knows the task and for others that do not."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_oracle import TINY, Oracle, SeesGoal, all_episodes, record

from world4rl_core.config_json import to_json
from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import ConfigError, DataError
from world4rl_core.evaluation import trust
from world4rl_core.evaluation.assessment import Probes, TrustReport, assess
from world4rl_core.evaluation.checks import Limits, order_checks, outcome_checks, verdict
from world4rl_core.evaluation.held_out import held_out_episodes, non_expert
from world4rl_core.evaluation.outcomes import CheckpointRates, Confusion, read_checkpoints
from world4rl_core.evaluation.probes import shuffled_actions
from world4rl_core.evaluation.statistics import wilson
from world4rl_core.nets.checkpoint import save_state
from world4rl_core.reward.decision import Decision
from world4rl_core.world_model.model import WorldModel

PROBES = Probes(horizon=6, uncertainty_steps=24, uncertainty_draws=3)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    return record(tmp_path_factory.mktemp("datasets") / "policy")


def judge(cache: FrameCache, model: WorldModel) -> TrustReport:
    report, replayed = assess(
        model, SeesGoal(), Decision(), cache=cache, episodes=all_episodes(cache), limits=Limits(), probes=PROBES
    )
    assert len(replayed) == cache.num_episodes
    return report


def failed(report: TrustReport) -> set[str]:
    return {check.name for check in report.checks if check.gate and not check.passed}


def test_a_world_model_that_knows_the_task_is_trusted(cache: FrameCache) -> None:
    report = judge(cache, Oracle())
    assert report.go, report.reasons
    assert set(report.outcomes) == {"policy", "random"}
    assert report.outcomes["policy"].agreement.estimate > 0.85
    assert report.shuffle.ratio.low > 2
    assert report.classifier_on_real.agreement.estimate > 0.9


def test_a_world_model_that_ignores_the_actions_is_not(cache: FrameCache) -> None:
    report = judge(cache, Oracle(listens=False))
    assert not report.go
    assert "other actions change what is imagined" in failed(report)
    assert "agreement balanced over successes and failures" in failed(report)
    assert any("ignores the actions" in reason for reason in report.reasons)


def test_own_actions_are_left_alone_by_the_shuffle(cache: FrameCache) -> None:
    before = cache.actions.copy()
    shuffled = shuffled_actions(cache.actions, cache.starts, all_episodes(cache), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(cache.actions, before)
    for episode in range(cache.num_episodes):
        rows = cache.rows(episode)
        assert not np.array_equal(shuffled[rows], cache.actions[rows])
        np.testing.assert_array_equal(shuffled[rows][-1], 0)
    with pytest.raises(DataError, match="needs two episodes, got 1"):
        shuffled_actions(cache.actions, cache.starts, np.array([0]), rng=np.random.default_rng(0))


def test_false_successes_forbid_refinement_and_say_why() -> None:
    checks = outcome_checks(Confusion(true_success=20, false_success=9, false_failure=0, true_failure=11), Limits())
    go, reasons = verdict(checks)
    assert not go
    assert reasons == ["45% of the real failures succeed in imagination: PPO would exploit that"]


def test_one_sided_evidence_is_no_evidence() -> None:
    go, reasons = verdict(outcome_checks(Confusion(40, 0, 0, 0), Limits()))
    assert not go
    assert "only 0 held-out episodes of one outcome" in reasons[0]


def test_a_warning_does_not_forbid() -> None:
    rates = [
        CheckpointRates("cloned", wilson(38, 100), wilson(61, 180)),
        CheckpointRates("refined", wilson(80, 100), wilson(21, 180)),
    ]
    checks = [*outcome_checks(Confusion(20, 1, 1, 18), Limits()), *order_checks(rates)]
    go, reasons = verdict(checks)
    assert go
    assert reasons[-1] == "warning: imagination orders only 0 of 1 pairs of policies as reality does"


def test_limits_are_shares() -> None:
    with pytest.raises(ConfigError, match=r"limits\.agreement is a share"):
        Limits(agreement=60)


@pytest.fixture
def runs(cache: FrameCache, tmp_path: Path) -> trust.Config:
    """Run folders of an untrained world model and classifier that held out the first 16 episodes."""
    provenance = {
        "data": cache.hash,
        "held_out": list(range(16)),
        "training": {"data": [str(cache.folder.parent.parent)], "cameras": None, "size": None},
    }
    model, classifier = WorldModel(TINY), SeesGoal()
    for name, kind, module, more in (
        ("world-model", "world-model", model, {}),
        ("reward", "reward", classifier, {"decision": to_json(Decision())}),
    ):
        state = {"kind": kind, "config": to_json(module.config), "weights": module.state_dict(), **more}
        save_state(tmp_path / name / "model.safetensors", state | {"provenance": provenance})
    return trust.Config(
        world_model=tmp_path / "world-model", reward=tmp_path / "reward", out=tmp_path / "trust", probes=PROBES, films=3
    )


def test_run_writes_a_page_that_needs_nothing_else(runs: trust.Config) -> None:
    answer = trust.run(runs)
    assert answer.startswith("no-go:")
    page = (runs.out / "trust.html").read_text()
    assert 'src="data:image/png' in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    numbers = json.loads((runs.out / "trust.json").read_text())
    assert numbers["go"] is False
    assert numbers["episodes"] == 16
    assert {"agreement", "false_success_rate"} <= set(numbers["outcomes"]["policy"])
    assert len(list((runs.out / "films").glob("*.mp4"))) == 3


@pytest.mark.parametrize(("device", "message"), [("gpu9", "unknown device 'gpu9'"), ("cuda", "use cpu")])
def test_a_device_that_is_not_there_is_named(runs: trust.Config, device: str, message: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ConfigError, match=message):
        trust.run(dataclasses.replace(runs, device=device))
    assert not runs.out.exists()


def test_training_episodes_are_never_judged(runs: trust.Config, cache: FrameCache) -> None:
    _, episodes = held_out_episodes((), world_model=runs.world_model, reward=runs.reward)
    np.testing.assert_array_equal(episodes, np.arange(16))


def test_part_of_the_training_data_is_refused_and_new_data_taken_whole(runs: trust.Config, tmp_path: Path) -> None:
    new = tmp_path / "new"
    record(new, episodes=4, seed=100)
    _, episodes = held_out_episodes((new,), world_model=runs.world_model, reward=runs.reward)
    assert len(episodes) == 4
    old, _ = held_out_episodes((), world_model=runs.world_model, reward=runs.reward)
    with pytest.raises(DataError, match="exactly as in that training"):
        held_out_episodes((old.folder.parent.parent, new), world_model=runs.world_model, reward=runs.reward)


def test_demonstrations_are_not_judged(cache: FrameCache) -> None:
    chosen = non_expert(cache, all_episodes(cache), most=5, rng=np.random.default_rng(0))
    assert len(chosen) == 5
    with pytest.raises(DataError, match="only 1 held-out policy or random"):
        non_expert(cache, np.array([0]), most=5, rng=np.random.default_rng(0))


def test_checkpoints_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.json"
    path.write_text('[{"policy": "cloned", "imagined": [3, 10], "real": [4, 10]}]')
    assert read_checkpoints(path)[0].real.estimate == 0.4
    path.write_text('[{"policy": "cloned"}]')
    with pytest.raises(DataError, match="wanted"):
        read_checkpoints(path)
