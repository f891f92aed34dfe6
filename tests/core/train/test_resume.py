"""An interrupted training that is continued ends exactly where an uninterrupted one does."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import bc_config, reward_config, world_model_config

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.synthetic import synthetic_episode, write_synthetic_dataset
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.errors import CheckpointError, ConfigError, DataError
from world4rl_core.imagination.env import ImaginationConfig
from world4rl_core.nets.checkpoint import load_state, save_state
from world4rl_core.policy.actor_critic import EncoderConfig
from world4rl_core.policy.update import PPOConfig
from world4rl_core.train import bc, refine, reward, run, world_model


class Killed(Exception):
    """Stands for a SIGKILL between two steps."""


def interrupt_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Every state is saved; the process dies once `step` steps are done."""

    def save_and_die(self: run.Run, make_state: Callable[[], dict[str, Any]]) -> None:
        state = make_state()
        self.save(state)
        if state["step"] == step:
            raise Killed

    monkeypatch.setattr(run.Run, "save_if_due", save_and_die)


def assert_same_result(first: Path, second: Path) -> None:
    one, other = load_state(first / run.MODEL), load_state(second / run.MODEL)
    assert one["step"] == other["step"]
    assert one["weights"].keys() == other["weights"].keys()
    for name, weight in one["weights"].items():
        assert torch.equal(weight, other["weights"][name]), name
    assert (first / run.LOG).read_text() == (second / run.LOG).read_text()


def interrupted_equals_uninterrupted(
    train: Callable[[Any], Any], config: Any, other: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(config)
    again = dataclasses.replace(config, out=other)
    with monkeypatch.context() as patched:
        interrupt_after(patched, step)
        with pytest.raises(Killed):
            train(again)
    assert not (other / run.MODEL).exists()
    assert load_state(other / run.CHECKPOINT)["step"] == step
    train(again)
    assert_same_result(config.out, other)
    assert not (other / run.CHECKPOINT).exists()


def test_cloning_resumes_bit_for_bit(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = bc_config(dataset, tmp_path / "a")
    interrupted_equals_uninterrupted(bc.run, config, tmp_path / "b", 53, monkeypatch)


def test_world_model_resumes_bit_for_bit(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = world_model_config(dataset, tmp_path / "a")
    interrupted_equals_uninterrupted(world_model.run, config, tmp_path / "b", 5, monkeypatch)


def test_reward_resumes_bit_for_bit(
    dataset: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = reward_config(dataset, tmp_path / "a", world_model=model)
    interrupted_equals_uninterrupted(reward.run, config, tmp_path / "b", 13, monkeypatch)


def refine_config(dataset: Path, clone: Path, model: Path, judge: Path, out: Path) -> refine.Config:
    return refine.Config(
        policy=clone, world_model=model, reward=judge, data=(dataset,), out=out, iterations=6, rollout_steps=4,
        evaluate_every=2, imagination=ImaginationConfig(envs=6, horizon=8), override_trust="a tiny model for a test",
    )  # fmt: skip


def test_refinement_resumes_bit_for_bit(
    dataset: Path, clone: Path, model: Path, judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = refine_config(dataset, clone, model, judge, tmp_path / "a")
    interrupted_equals_uninterrupted(refine.run, config, tmp_path / "b", 3, monkeypatch)


def test_an_averaged_refinement_is_the_mean_of_its_iterates_and_resumes_bit_for_bit(
    dataset: Path, clone: Path, model: Path, judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = refine_config(dataset, clone, model, judge, tmp_path / "a")
    config = dataclasses.replace(config, evaluate_every=1, ppo=PPOConfig(critic_warmup=2, lr_actor=1e-3))
    plain = refine.run(dataclasses.replace(config, out=tmp_path / "plain"))
    interrupted_equals_uninterrupted(
        refine.run, dataclasses.replace(config, average=True), tmp_path / "b", 4, monkeypatch
    )
    trained = [load_state(plain / refine.ITERATE.format(done))["weights"] for done in (3, 4, 5, 6)]
    found = load_state(config.out / run.MODEL)["weights"]
    for name, weight in found.items():
        torch.testing.assert_close(weight, torch.stack([one[name] for one in trained]).mean(0), msg=name)
    assert any(not torch.equal(weight, trained[-1][name]) for name, weight in found.items())


def test_the_reason_to_override_the_gate_survives_an_interruption(
    dataset: Path, clone: Path, model: Path, judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = refine_config(dataset, clone, model, judge, tmp_path / "a")
    with monkeypatch.context() as patched:
        interrupt_after(patched, 1)
        with pytest.raises(Killed):
            refine.run(config)
    refine.run(dataclasses.replace(config, override_trust=""))
    assert load_state(config.out / run.MODEL)["provenance"]["override_trust"] == config.override_trust


def test_a_complete_run_is_not_repeated(dataset: Path, clone: Path) -> None:
    before = (clone / run.MODEL).stat().st_mtime_ns
    assert bc.run(bc_config(dataset, clone)) == clone
    assert (clone / run.MODEL).stat().st_mtime_ns == before


def test_another_config_is_refused_by_name(dataset: Path, clone: Path) -> None:
    with pytest.raises(ConfigError, match="lr was 0.001, now 0.5; choose another --out"):
        bc.run(bc_config(dataset, clone, lr=0.5))


def test_episodes_added_after_an_interruption_are_refused(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_synthetic_dataset(tmp_path / "data", episodes=6)
    configs = [bc_config(data, tmp_path / "bc"), world_model_config(data, tmp_path / "wm")]
    for train, config in zip((bc.run, world_model.run), configs, strict=True):
        with monkeypatch.context() as patched:
            interrupt_after(patched, 3)
            with pytest.raises(Killed):
                train(config)  # type: ignore[arg-type]
    with DatasetWriter.open(data) as writer:
        writer.add(synthetic_episode(seed=6))
    for train, config in zip((bc.run, world_model.run), configs, strict=True):
        with pytest.raises(ConfigError, match=f"{config.out}: the datasets are not as they were .*another --out"):
            train(config)  # type: ignore[arg-type]


def test_a_state_from_before_data_was_recorded_continues(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = bc_config(dataset, tmp_path / "a")
    with monkeypatch.context() as patched:
        interrupt_after(patched, 3)
        with pytest.raises(Killed):
            bc.run(config)
    state = load_state(config.out / run.CHECKPOINT)
    assert state.pop(run.DATA_HASH) == FrameCache.build((dataset,)).hash
    save_state(config.out / run.CHECKPOINT, state)
    assert bc.run(config) == config.out


def test_a_dataset_that_cannot_be_learned_from_leaves_no_run_folder(tmp_path: Path) -> None:
    short = write_synthetic_dataset(tmp_path / "data", episodes=6, steps=3)
    with pytest.raises(DataError, match="are shorter than a segment needs"):
        world_model.run(world_model_config(short, tmp_path / "wm"))
    assert not (tmp_path / "wm").exists()


def test_a_folder_from_before_an_option_existed_has_its_default(dataset: Path, tmp_path: Path) -> None:
    config = bc_config(dataset, tmp_path / "a", steps=1)
    bc.run(config)
    asked = json.loads((config.out / run.CONFIG).read_text())
    del asked["shift"], asked["encoder"]["hidden"]
    (config.out / run.CONFIG).write_text(json.dumps(asked))
    default = dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, hidden=EncoderConfig.hidden))
    assert bc.run(default) == config.out
    with pytest.raises(ConfigError, match="shift was 2, now 3"):
        bc.run(dataclasses.replace(default, shift=3))
    with pytest.raises(ConfigError, match="holds a bc run, not a world-model one"):
        world_model.run(world_model_config(dataset, config.out))


def test_log_lines_after_the_checkpoint_are_cut(tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = bc_config(dataset, tmp_path / "a")
    with monkeypatch.context() as patched:
        interrupt_after(patched, 51)
        with pytest.raises(Killed):
            bc.run(config)
    with (tmp_path / "a" / run.LOG).open("a") as log:
        log.write('{"step": 99, "loss": 0.0}\n{"step": 100, "lo')
    bc.run(config)
    assert [json.loads(line)["step"] for line in (tmp_path / "a" / run.LOG).read_text().splitlines()] == [50, 60]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_state(path, {"step": 1, "list": [torch.ones(2), None, {"a": 1.5}], 3: "int key"})
    state = load_state(path)
    assert state["list"][2] == {"a": 1.5}
    assert state[3] == "int key"  # type: ignore[index]
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(CheckpointError, match="damaged checkpoint"):
        load_state(path)


def test_a_folder_in_which_another_process_trains_is_refused(dataset: Path, tmp_path: Path) -> None:
    config = bc_config(dataset, tmp_path / "run")
    config.out.mkdir()
    code = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True)"
    command = [sys.executable, "-c", f"{code}; input()", str(config.out / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match="another process is training in .*run; wait for it"):
            bc.run(config)
        other.communicate("\n")
    assert bc.run(config) == config.out
