"""World-model samples trained per second: `python -m benchmarks.training` prints one JSON line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from benchmarks.timing import report, take_turns
from benchmarks.variants import as_diamond, as_here
from world4rl_core.train.distributed import join
from world4rl_core.train.world_model import Config as Training
from world4rl_core.train.world_model import Trainer
from world4rl_core.world_model.loss import LossConfig
from world4rl_core.world_model.model import WorldModel


@dataclass(frozen=True)
class Config:
    """Size of the measurement. A sample is one predicted frame."""

    size: int = 64
    cpu_batch: int = 64
    paper_batch: int = 8
    unroll: int = 1
    rounds: int = 5
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def step_of(model: WorldModel, batch: int, config: Config) -> Callable[[], object]:
    """One whole gradient step, optimiser and averaged weights included."""
    training = Training(data=(), out=Path(), loss=LossConfig(unroll=config.unroll))
    trainer = Trainer(model, training, join(config.device))
    frames = torch.rand(batch, model.history + config.unroll, 3, config.size, config.size, device=config.device) * 2 - 1
    actions = torch.rand(batch, model.history + config.unroll - 1, 4, device=config.device) * 2 - 1
    return lambda: trainer.step(frames, actions, step=0)


def main(config: Config) -> None:
    """Measures all variants in one run."""
    variants = {
        "cpu": step_of(as_here("cpu", size=config.size, device=config.device), config.cpu_batch, config),
        "paper": step_of(as_here("paper", size=config.size, device=config.device), config.paper_batch, config),
        "diamond": step_of(as_diamond("paper", size=config.size, device=config.device), config.paper_batch, config),
    }
    seconds = take_turns(variants, rounds=config.rounds)
    rates = {
        name: config.unroll * (config.cpu_batch if name == "cpu" else config.paper_batch) / value
        for name, value in seconds.items()
    }
    report(
        {
            "benchmark": "training", "size": config.size, "unroll": config.unroll, "cpu_samples_per_s": rates["cpu"],
            "paper_samples_per_s": rates["paper"], "paper_as_diamond_samples_per_s": rates["diamond"],
            "paper_speedup": rates["paper"] / rates["diamond"],
        }
    )  # fmt: skip


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
