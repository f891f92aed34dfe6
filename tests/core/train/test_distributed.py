"""Two processes train as one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import ddp_world_model
import pytest
import torch

from world4rl_core.cli import main
from world4rl_core.errors import ConfigError
from world4rl_core.nets.device import device_of
from world4rl_core.train.distributed import World, join

REPOSITORY = Path(__file__).parents[3]


def torchrun(*arguments: str) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one_at_the_same_global_batch(dataset: Path) -> None:
    alone = ddp_world_model.losses(dataset)
    out = torchrun(ddp_world_model.__file__, str(dataset))
    line = next(line for line in out.splitlines() if line.startswith("losses"))
    together = [float(word) for word in line.split()[1:]]
    assert together == pytest.approx(alone, rel=0.02)


@pytest.mark.slow
def test_two_processes_refine_as_one_does(dataset: Path, clone: Path, judge: Path, model: Path, tmp_path: Path) -> None:
    options = [
        "refine", "--policy", str(clone), "--world-model", str(model), "--reward", str(judge), "--data", str(dataset),
        "--iterations", "6", "--rollout-steps", "4", "--imagination.envs", "8", "--imagination.horizon", "8",
        "--ppo.critic-warmup", "1", "--evaluate-every", "2", "--override-trust", "a tiny model for a test",
        "--device", "cpu",
    ]  # fmt: skip
    torchrun("-m", "world4rl_core", *options, "--out", str(tmp_path / "two"))
    assert main([*options, "--out", str(tmp_path / "one")]) == 0
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert len(one) == len(two) == 7
    for mine, theirs in zip(one, two, strict=True):
        assert mine.keys() == theirs.keys()
        for key in mine.keys() & {"reward", "imagined_success", "imagined_success_noisy", "imagined_episodes"}:
            assert theirs[key] == pytest.approx(mine[key], abs=0.07), (mine["step"], key)
    curves = [[line["value_loss"] for line in run[1:]] for run in (one, two)]
    assert curves[1] == pytest.approx(curves[0], rel=0.1)


@pytest.mark.slow
def test_the_world_model_trains_under_torchrun(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "wm"
    torchrun(
        "-m", "world4rl_core", "train", "world-model", "--data", str(dataset), "--out", str(out), "--steps", "4",
        "--batch", "8", "--held-out", "0.3", "--device", "cpu",
    )  # fmt: skip
    assert (out / "model.safetensors").is_file()


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert device_of("auto").type == "cuda"
    with pytest.raises(ConfigError, match=r"process 2 .* torch sees 1; start 1 \(torchrun --nproc-per-node=1\)"):
        device_of("auto", local=1)


def test_a_batch_that_does_not_divide_is_refused() -> None:
    world = World(rank=0, size=3, device=join("cpu").device)
    with pytest.raises(ConfigError, match="batch 8 must be a multiple of the 3 processes"):
        world.share(8)


@pytest.mark.parametrize(("device", "message"), [("gpu9", "unknown device 'gpu9'"), ("cuda:63", "use cpu")])
def test_a_training_on_a_device_that_is_not_there_is_refused(device: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        join(device)
