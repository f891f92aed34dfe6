"""Configs small enough for a test."""

from pathlib import Path

from world4rl_core.policy.actor_critic import EncoderConfig
from world4rl_core.reward.classifier import ClassifierConfig
from world4rl_core.train import bc, reward, world_model


def bc_config(dataset: Path, out: Path, **changes: object) -> bc.Config:
    options = {"steps": 60, "batch": 16, "encoder": EncoderConfig((8, 8), 16), **changes}
    return bc.Config(data=(dataset,), out=out, **options)  # type: ignore[arg-type]


def world_model_config(dataset: Path, out: Path, **changes: object) -> world_model.Config:
    options = {"steps": 8, "batch": 8, "held_out": 0.3, "warmup": 2, **changes}
    return world_model.Config(data=(dataset,), out=out, **options)  # type: ignore[arg-type]


def reward_config(dataset: Path, out: Path, **changes: object) -> reward.Config:
    small = ClassifierConfig(width=8, stem="small")
    options = {"steps": 20, "batch": 16, "held_out": 0.5, "architecture": small, **changes}
    return reward.Config(data=(dataset,), out=out, **options)  # type: ignore[arg-type]
