"""Numbers and names that no training can use: a message that says what was got and wanted, and no traceback."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import bc_config, reward_config, world_model_config

from world4rl_core.cli import main
from world4rl_core.errors import CheckpointError, ConfigError, DataError
from world4rl_core.imagination.env import ImaginationConfig
from world4rl_core.reward.classifier import ClassifierConfig
from world4rl_core.train import refine, reward, rounds
from world4rl_core.world_model.loss import LossConfig

CONFIGS: dict[str, Callable[..., Any]] = {
    "bc": bc_config, "world-model": world_model_config, "reward": reward_config,
}  # fmt: skip


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("steps", 0, "--steps must be at least 1, got 0"),
        ("batch", -4, "--batch must be at least 1, got -4"),
        ("lr", -1e-3, "--lr must be positive, got -0.001"),
        ("lr", math.nan, "--lr must be positive, got nan"),
        ("held_out", 1.0, r"--held-out is a share and must lie in \[0, 1\), got 1.0"),
    ],
)
def test_a_training_refuses_numbers_that_it_cannot_use(kind: str, option: str, value: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CONFIGS[kind](Path("data"), Path("out"), **{option: value})


def test_options_of_one_training_are_refused_too() -> None:
    with pytest.raises(ConfigError, match="--denoising-steps must be at least 1, got 0"):
        world_model_config(Path("data"), Path("out"), denoising_steps=0)
    with pytest.raises(ConfigError, match="loss.unroll >= 1.* got 0,"):
        LossConfig(unroll=0)
    with pytest.raises(ConfigError, match=r"--imagined-share is a share and must lie in \[0, 1\], got 2.0"):
        reward_config(Path("data"), Path("out"), imagined_share=2.0)
    with pytest.raises(ConfigError, match="--held-out must be positive, got 0.0"):
        reward_config(Path("data"), Path("out"), held_out=0.0)
    with pytest.raises(ConfigError, match="imagination.envs and imagination.horizon >= 1"):
        ImaginationConfig(envs=0)


@pytest.mark.parametrize("option", ["iterations", "rollout_steps", "evaluate_every"])
@pytest.mark.parametrize("kind", [refine.Config, rounds.Config])
def test_refinement_refuses_counts_below_one(kind: Callable[..., Any], option: str) -> None:
    with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')} must be at least 1, got 0"):
        kind(policy=Path("p"), world_model=Path("w"), reward=Path("r"), data=(), out=Path("o"), **{option: 0})


def test_the_command_line_says_so_in_one_message(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "world-model", "--data", str(dataset), "--out", "never", "--steps", "0"]) == 1
    assert "--steps must be at least 1, got 0" in capsys.readouterr().err


def test_unknown_tasks_are_answered_with_those_there_are(
    dataset: Path, clone: Path, model: Path, judge: Path, tmp_path: Path
) -> None:
    options = refine.Config(
        policy=clone, world_model=model, reward=judge, data=(dataset,), out=tmp_path / "refined", tasks=("nope",)
    )
    with pytest.raises(DataError, match="no episode of nope; the data has: push the square to the right edge"):
        refine.run(options)
    assert not options.out.exists()


def test_a_file_that_holds_no_imagenet_weights_is_named(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"not a weight file")
    torch.save([1, 2], tmp_path / "bad.pth")
    whole = ClassifierConfig()
    for name, message in (
        ("bad.safetensors", "not a readable weight file"),
        ("bad.pth", "holds a list, wanted a dict"),
    ):
        options = {"imagenet_weights": tmp_path / name, "architecture": whole}
        with pytest.raises(CheckpointError, match=f"{name}: {message}"):
            reward.run(reward_config(dataset, tmp_path / "reward", **options))
    assert not (tmp_path / "reward").exists()
