"""The world model on a GPU: `python -m benchmarks.gpu` prints one JSON line.

Imagining: the network in fp32 and NCHW, called anew for each noise level, as DIAMOND runs it; the same as one CUDA
graph a frame, as `WorldModel.imagine` runs it; and in bf16 and channels_last, without and with a graph. Training
likewise: the graph is the forward and the backward pass. The variants of a preset take turns.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
import tyro

from benchmarks import imagination
from benchmarks import training as trained
from benchmarks.timing import report, take_turns
from benchmarks.variants import as_diamond, as_here, as_on_cpu
from world4rl_core.train.world_model import PRESETS
from world4rl_core.world_model.model import WorldModel

DEVICE = "cuda"


@dataclass(frozen=True)
class Config:
    """Size of the measurement."""

    size: int = 64
    steps: int = 3
    """Denoising steps."""
    envs: int = 256
    """Imagined environments that step together."""
    batch: int = 64
    """Segments in a gradient step."""
    rounds: int = 20
    presets: tuple[str, ...] = ("cpu", "paper")


def imagining(preset: str, config: Config) -> dict[str, Callable[[], object]]:
    """One imagined frame in each environment."""
    size = imagination.Config(size=config.size, steps=config.steps, device=DEVICE)

    def model(variant: Callable[..., WorldModel]) -> WorldModel:
        return variant(preset, size=config.size, device=DEVICE)

    return {
        "diamond": imagination.per_step(model(as_diamond), config.envs, size),
        "graph": imagination.ours(model(as_here), config.envs, size),
        "bf16_channels_last": imagination.ours(model(as_on_cpu), config.envs, size, captured=False),
        "bf16_channels_last_graph": imagination.ours(model(as_on_cpu), config.envs, size),
    }


def training(preset: str, config: Config) -> dict[str, Callable[[], object]]:
    """One gradient step, optimiser and averaged weights included."""
    size = trained.Config(size=config.size, device=DEVICE)

    def step(variant: Callable[..., WorldModel], *, captured: bool) -> Callable[[], object]:
        model = variant(preset, size=config.size, device=DEVICE)
        return trained.Variant(model, config.batch, PRESETS[preset].loss).step(size, captured=captured)

    return {
        "diamond": step(as_diamond, captured=False),
        "graph": step(as_here, captured=True),
        "bf16_channels_last": step(as_on_cpu, captured=False),
        "bf16_channels_last_graph": step(as_on_cpu, captured=True),
    }


def rates(variants: dict[str, Callable[[], object]], frames: int, config: Config) -> dict[str, float]:
    """Frames a second of each variant, and how many times the first one's that is."""
    seconds = take_turns(variants, rounds=config.rounds, warmup=3)
    found = {f"{name}_per_s": frames / value for name, value in seconds.items()}
    return found | {f"{name}_speedup": seconds["diamond"] / value for name, value in seconds.items()}


def main(config: Config) -> None:
    """Measures all variants in one run."""
    if not torch.cuda.is_available():
        sys.exit("benchmarks.gpu: torch sees no CUDA GPU; benchmarks.imagination and benchmarks.training run without")
    figures: dict[str, object] = {
        "benchmark": "gpu", "size": config.size, "denoising_steps": config.steps, "envs": config.envs,
        "batch": config.batch,
    }  # fmt: skip
    for preset in config.presets:
        unroll = PRESETS[preset].loss.unroll
        imagined = rates(imagining(preset, config), config.envs, config)
        learned = rates(training(preset, config), unroll * config.batch, config)
        figures |= {f"{preset}_imagined_{key}": value for key, value in imagined.items()}
        figures |= {f"{preset}_trained_{key}": value for key, value in learned.items()}
    report(figures)


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
