"""Where the classifier's first weights come from."""

import logging
from pathlib import Path

import pytest
import torch
from tiny_runs import reward_config

from world4rl_core.nets.checkpoint import load_model_state
from world4rl_core.nets.resnet import ResNet18
from world4rl_core.reward.classifier import ClassifierConfig
from world4rl_core.train import reward


@pytest.mark.parametrize(
    ("architecture", "cached", "pretrained"),
    [
        (ClassifierConfig(), True, True),
        (ClassifierConfig(), False, False),
        (ClassifierConfig(width=8, stem="small"), True, False),
    ],
)
def test_weights_in_the_cache_of_torch_hub_are_used_where_they_fit(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    architecture: ClassifierConfig, cached: bool, pretrained: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    if cached:
        file.parent.mkdir(parents=True)
        torch.save(ResNet18().state_dict(), file)
    options = reward_config(dataset, tmp_path / "reward", architecture=architecture, steps=1, batch=4)
    with caplog.at_level(logging.INFO):
        out = reward.run(options)
    assert load_model_state(out, "reward")["provenance"]["pretrained"] is pretrained
    assert (f"from {file}" if pretrained else "from scratch") in caplog.text
