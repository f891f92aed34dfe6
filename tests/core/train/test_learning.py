"""Everything meant to learn receives a gradient, and learning lowers the loss."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import bc_config, world_model_config

from world4rl_core.data.cache import FrameCache
from world4rl_core.nets.image import to_frames
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.policy.actor_critic import Critic, GaussianPolicy, PolicyConfig, load_policy
from world4rl_core.reward.classifier import ClassifierConfig, SuccessClassifier
from world4rl_core.train import bc, run, world_model
from world4rl_core.world_model.loss import LossConfig, draw, unrolled_loss
from world4rl_core.world_model.model import WorldModel, preset


def without_gradient(module: torch.nn.Module) -> list[str]:
    return [
        name
        for name, parameter in module.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    ]


@pytest.mark.parametrize("architecture", ["cpu", "fine", "paper"])
def test_every_parameter_of_the_denoiser_receives_a_gradient(architecture: str) -> None:
    torch.manual_seed(0)
    model = WorldModel(preset(architecture, action_dim=4, height=16, width=16))
    seen = int(model.first_frame)
    frames, actions = torch.rand(4, seen + 6, 3, 16, 16) * 2 - 1, torch.rand(4, 5, 4) * 2 - 1
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(4):  # zero-initialised layers let the gradient through only after a step
        draws = draw(frames[:, seen:], model.config.denoiser.noise, LossConfig(unroll=2), random=RandomRows(0, step))
        optimiser.zero_grad()
        unrolled_loss(model.denoiser, frames, actions, draws, LossConfig(unroll=2)).mean().backward()
        optimiser.step()
    assert without_gradient(model) == []


def test_every_parameter_of_policy_critic_and_classifier_receives_a_gradient() -> None:
    torch.manual_seed(0)
    frames = torch.rand(8, 3, 32, 32) * 2 - 1
    shape = PolicyConfig(height=32, width=32)
    policy, critic, classifier = GaussianPolicy(shape), Critic(shape), SuccessClassifier(ClassifierConfig(width=8))
    (policy(frames).pow(2).sum() + critic(frames, torch.rand(8)).sum() + classifier(frames).pow(2).sum()).backward()
    assert without_gradient(policy) + without_gradient(critic) + without_gradient(classifier) == []


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / run.LOG).read_text().splitlines()]


def test_the_clone_acts_as_the_demonstrator_does(dataset: Path, tmp_path: Path) -> None:
    """The synthetic expert moves right at 0.5 to 1, and at random in the other dimensions."""
    policy = load_policy(bc.run(bc_config(dataset, tmp_path / "bc", steps=200)))
    cache = FrameCache.build((dataset,), cameras=None, size=None)
    rows = cache.rows(0)
    actions = policy(to_frames(torch.from_numpy(np.array(cache.frames[rows]))))
    assert actions[:, 0].mean().item() == pytest.approx(0.75, abs=0.15)
    assert actions[:, 1:].mean().abs().item() < 0.25


@pytest.mark.slow
def test_training_lowers_the_loss_of_the_world_model(dataset: Path, tmp_path: Path) -> None:
    found = losses(world_model.run(world_model_config(dataset, tmp_path / "wm", steps=150)))
    assert found[-1] < 0.9 * found[0]
