"""Evaluation in the simulator: resuming, counting and comparing, with a fake simulator that knows the outcomes."""

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from world4rl_core.config_json import to_json
from world4rl_core.errors import CheckpointError, ConfigError, DataError, SimulatorError
from world4rl_core.evaluation import real
from world4rl_core.evaluation.outcome_log import EpisodeOutcome, OutcomeLog
from world4rl_core.nets.checkpoint import save_state
from world4rl_core.policy.actor_critic import GaussianPolicy, PolicyConfig
from world4rl_core.sim.evaluate import Outcome
from world4rl_core.sim.metaworld import MetaWorldConfig

TASK = "faucet-open-v3"


def measure(config: real.Config, *, play: Callable[..., Any]) -> real.Evaluation:
    return real.measure(config, real.simulator_of(config), play=play)


def save_policy(folder: Path, *, data: Path | None = None, seed: int = 0) -> Path:
    policy = GaussianPolicy(PolicyConfig(height=16, width=16))
    policy.head.bias.data.fill_(0.1 * seed)
    provenance = {"training": {"data": [] if data is None else [str(data)]}}
    state = {"kind": "policy", "config": to_json(policy.config), "weights": policy.state_dict()}
    save_state(folder / "model.safetensors", state | {"provenance": provenance})
    return folder


class FakeSimulator:
    """Plays policies whose outcomes are fixed: the first solves every second state, the others all but each fifth.

    `dies_after` episodes it is interrupted, as by Ctrl-C.
    """

    def __init__(self, *, dies_after: int | None = None) -> None:
        self.dies_after, self.played = dies_after, []

    def __call__(
        self,
        config: MetaWorldConfig,
        *,
        policies: Mapping[str, Callable[[], Any]],
        episodes: int,
        seed: int,
        workers: int,
        keep_frames: int,
        first_episode: int,
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        for episode in range(first_episode, first_episode + episodes):
            for index, name in enumerate(policies):
                if self.dies_after is not None and len(self.played) >= self.dies_after and index == 1:
                    raise KeyboardInterrupt
                success = episode % 5 != 0 if index else episode % 2 == 0
                frames = np.zeros((3 + index, 16, 16, 3), np.uint8) if episode < keep_frames else None
                on_outcome(Outcome(name, episode, 1000 * seed + episode, success, 2 + index, frames))
            self.played.append(episode)


@pytest.fixture
def config(tmp_path: Path) -> real.Config:
    policies = (save_policy(tmp_path / "bc"), save_policy(tmp_path / "refined", seed=1))
    return real.Config(policy=policies, out=tmp_path / "evaluation", episodes=20, task=TASK, size=16, films=2)


def test_evaluation_counts_compares_and_says_where_it_comes_from(config: real.Config) -> None:
    evaluation = measure(config, play=FakeSimulator())
    assert evaluation.rates["bc"].estimate == 0.5
    assert evaluation.rates["refined"].estimate == 0.8
    counts = evaluation.comparisons["refined"].counts
    assert (counts.fixed, counts.broken) == (8, 2)
    written = json.loads((config.out / "evaluation.json").read_text())
    assert len(written["outcomes"]) == 20
    assert written["comparisons"]["refined"]["counts"] == {"both": 8, "fixed": 8, "broken": 2, "neither": 2}
    assert {"command", "date", "machine", "versions", "seed", "task", "policies", "simulator"} <= set(written)
    assert sorted(path.name for path in (config.out / "films").iterdir()) == ["00000.mp4", "00001.mp4"]


def test_table_reads_well(config: real.Config) -> None:
    assert real.table(measure(config, play=FakeSimulator())).splitlines() == [
        "faucet-open-v3: 20 initial states, seed 0, 95 % intervals",
        "",
        "  bc         10/20   50.0%  [29.9%, 70.1%]",
        "  refined    16/20   80.0%  [58.4%, 91.9%]",
        "",
        "  refined - bc: +30.0 points [+0.5, +53.4], 8 fixed, 2 broken, McNemar's exact p = 0.11",
    ]


def test_interrupted_evaluation_continues_where_it_stopped(config: real.Config) -> None:
    with pytest.raises(KeyboardInterrupt):
        measure(config, play=FakeSimulator(dies_after=7))
    again = FakeSimulator()
    evaluation = measure(config, play=again)
    assert again.played == list(range(7, 20))
    whole = measure(real.Config(**{**vars(config), "out": config.out.with_name("whole")}), play=FakeSimulator())
    assert evaluation == whole


def test_an_evaluation_that_no_simulator_could_play_leaves_no_folder(config: real.Config) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise SimulatorError("no OpenGL here")

    with pytest.raises(SimulatorError):
        measure(config, play=broken)
    assert not config.out.exists()
    elsewhere = real.Config(**{**vars(config), "size": 24})
    assert measure(elsewhere, play=FakeSimulator()).episodes == 20


def test_finished_evaluation_plays_nothing_and_more_episodes_extend_it(config: real.Config) -> None:
    first = measure(config, play=FakeSimulator())
    silent = FakeSimulator()
    assert measure(config, play=silent) == first
    assert silent.played == []
    extended = measure(real.Config(**{**vars(config), "episodes": 25}), play=silent)
    assert silent.played == list(range(20, 25))
    assert extended.episodes == 25


def test_retrained_policy_is_not_mixed_with_the_old_one(config: real.Config) -> None:
    measure(config, play=FakeSimulator())
    save_policy(config.policy[1], seed=2)
    with pytest.raises(ConfigError, match="holds another evaluation: policies was"):
        measure(config, play=FakeSimulator())


def test_unfinished_line_is_dropped_and_damage_refused(tmp_path: Path) -> None:
    log = OutcomeLog(tmp_path, identity={"seed": 0})
    log.append(EpisodeOutcome(0, 5, {"bc": True}, {"bc": 3}))
    with log.path.open("a") as file:
        file.write('{"episode": 1, "se')
    assert OutcomeLog(tmp_path, identity={"seed": 0}).outcomes == log.outcomes
    log.append(EpisodeOutcome(2, 5, {"bc": True}, {"bc": 3}))
    with pytest.raises(DataError, match="missing or repeated"):
        OutcomeLog(tmp_path, identity={"seed": 0})
    log.path.write_text("garbage\n")
    with pytest.raises(DataError, match="damaged"):
        OutcomeLog(tmp_path, identity={"seed": 0})


def test_simulator_is_the_one_the_data_was_recorded_in(tmp_path: Path) -> None:
    record = tmp_path / "data" / "meta" / "collection.json"
    record.parent.mkdir(parents=True)
    record.write_text(
        json.dumps({"task": "door-lock-v3", "camera": "corner2", "crop": [0.3, 0.7, 0.2, 0.6], "size": 16})
    )
    policy = save_policy(tmp_path / "bc", data=tmp_path / "data")
    simulator = real.simulator_of(real.Config(policy=(policy,), out=tmp_path, horizon=30))
    assert (simulator.task, simulator.size, simulator.horizon) == ("door-lock-v3", 16, 30)
    assert simulator.crop == (0.3, 0.7, 0.2, 0.6)


def test_unknown_task_and_bad_options_are_explained(tmp_path: Path) -> None:
    policy = save_policy(tmp_path / "bc")
    with pytest.raises(ConfigError, match="pass --task"):
        real.simulator_of(real.Config(policy=(policy,), out=tmp_path))
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        absent = (policy, tmp_path / "absent")
        measure(real.Config(policy=absent, out=tmp_path / "out", task=TASK), play=FakeSimulator())
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="pass --policy"):
        real.Config(policy=(), out=tmp_path)
    with pytest.raises(ConfigError, match="as many names, got 1"):
        real.Config(policy=(policy, policy), out=tmp_path, names=("a",))
    with pytest.raises(ConfigError, match="called alike"):
        measure(real.Config(policy=(policy, policy), out=tmp_path, task=TASK), play=FakeSimulator())


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("metaworld") is None, reason="Meta-World is not installed")
def test_real_simulator_judges_two_policies(config: real.Config) -> None:
    short = real.Config(**{**vars(config), "episodes": 2, "horizon": 4, "films": 1, "workers": 1})
    answer = real.run(short)
    assert "2 initial states" in answer
    assert (config.out / "films" / "00000.mp4").stat().st_size > 500
