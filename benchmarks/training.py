"""World-model samples trained per second: `python -m benchmarks.training` prints one JSON line.

Each preset is trained as `world4rl train world-model` does, `cpu` with four frames predicted in a row and `paper` with
one; `cpu` with one frame a step is timed beside it, since a step's costs are then shared by fewer.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro

from benchmarks.timing import report, take_turns
from benchmarks.variants import as_diamond, as_here
from world4rl_core.train.distributed import join
from world4rl_core.train.world_model import PRESETS, Trainer
from world4rl_core.train.world_model import Config as Training
from world4rl_core.world_model.loss import LossConfig
from world4rl_core.world_model.model import WorldModel


@dataclass(frozen=True)
class Config:
    """Size of the measurement. A sample is one predicted frame."""

    size: int = 64
    cpu_batch: int = 64
    paper_batch: int = 8
    rounds: int = 5
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Variant:
    """A network and how it is trained."""

    model: WorldModel
    batch: int
    loss: LossConfig

    def step(self, config: Config, *, captured: bool = True) -> Callable[[], object]:
        """One whole gradient step, optimiser and averaged weights included; not captured: without a GPU's graph."""
        model, device = self.model, config.device
        trainer = Trainer(model, Training(data=(), out=Path(), loss=self.loss), join(device))
        if not captured:
            trainer.gradient = trainer.backward
        shape = (self.batch, model.first_frame + model.history + self.loss.unroll)
        frames = torch.rand(*shape, 3, config.size, config.size, device=device) * 2 - 1
        actions = torch.rand(self.batch, model.history + self.loss.unroll - 1, 4, device=device) * 2 - 1
        return lambda: trainer.step(frames, actions, step=0)


def main(config: Config) -> None:
    """Measures all variants in one run."""
    size, device = config.size, config.device
    cpu, paper = PRESETS["cpu"].loss, PRESETS["paper"].loss
    variants = {
        "cpu": Variant(as_here("cpu", size=size, device=device), config.cpu_batch, cpu),
        "cpu_single": Variant(as_here("cpu", size=size, device=device), config.cpu_batch, replace(cpu, unroll=1)),
        "paper": Variant(as_here("paper", size=size, device=device), config.paper_batch, paper),
        "diamond": Variant(as_diamond("paper", size=size, device=device), config.paper_batch, paper),
    }
    steps = {name: one.step(config, captured=name != "diamond") for name, one in variants.items()}
    seconds = take_turns(steps, rounds=config.rounds)
    rates = {name: one.loss.unroll * one.batch / seconds[name] for name, one in variants.items()}
    report(
        {
            "benchmark": "training", "size": size, "cpu_unroll": cpu.unroll, "cpu_samples_per_s": rates["cpu"],
            "cpu_single_samples_per_s": rates["cpu_single"], "paper_samples_per_s": rates["paper"],
            "paper_as_diamond_samples_per_s": rates["diamond"], "paper_speedup": rates["paper"] / rates["diamond"],
        }
    )  # fmt: skip


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
