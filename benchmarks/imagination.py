"""Imagined frames per second: `python -m benchmarks.imagination` prints one JSON line."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import tyro

from benchmarks.timing import report, take_turns
from benchmarks.variants import as_diamond, as_here
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.world_model.model import WorldModel
from world4rl_core.world_model.sampler import SamplerConfig, karras_sigmas


@dataclass(frozen=True)
class Config:
    """Size of the measurement."""

    size: int = 64
    steps: int = 3
    """Denoising steps."""
    cpu_batch: int = 64
    paper_batch: int = 8
    rounds: int = 5
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def ours(model: WorldModel, batch: int, config: Config, *, captured: bool = True) -> Callable[[], object]:
    """One imagined frame a row through `WorldModel.imagine`, or, not captured, without a GPU's graph."""
    model.config = replace(model.config, sampler=SamplerConfig(steps=config.steps))
    history, actions, random = _inputs(model, batch, config)
    if not captured:
        return lambda: model.drawn_from(random.normal((batch, *history.shape[2:])), history, actions)
    return lambda: model.imagine(history, actions, random=random)


def per_step(model: WorldModel, batch: int, config: Config) -> Callable[[], object]:
    """The whole network, history and all, called anew in a Python loop over the noise levels, as DIAMOND does."""
    history, actions, random = _inputs(model, batch, config)
    told = torch.zeros(batch, device=config.device)
    levels = karras_sigmas(config.steps, low=2e-3, high=5.0).to(config.device)

    @torch.no_grad()
    def run() -> None:
        x = random.normal((batch, *history.shape[2:]))
        for sigma, following in zip(levels[:-1], levels[1:], strict=True):
            clean = model.denoiser(x, sigma.expand(batch), history, actions, told)
            x = x + (x - clean) / sigma * (following - sigma)

    return run


def _inputs(model: WorldModel, batch: int, config: Config) -> tuple[torch.Tensor, torch.Tensor, RandomRows]:
    model.eval()
    random = RandomRows(0, device=config.device)
    history = random.uniform((batch, model.first_frame + model.history, 3, config.size, config.size)) * 2 - 1
    return history, random.uniform((batch, model.history, 4)) * 2 - 1, random


def main(config: Config) -> None:
    """Measures all variants in one run."""
    variants = {
        "cpu": ours(as_here("cpu", size=config.size, device=config.device), config.cpu_batch, config),
        "paper": ours(as_here("paper", size=config.size, device=config.device), config.paper_batch, config),
        "paper_as_diamond": per_step(
            as_diamond("paper", size=config.size, device=config.device), config.paper_batch, config
        ),
    }
    seconds = take_turns(variants, rounds=config.rounds)
    rates = {
        name: (config.cpu_batch if name == "cpu" else config.paper_batch) / value for name, value in seconds.items()
    }
    report(
        {
            "benchmark": "imagination", "size": config.size, "denoising_steps": config.steps,
            "cpu_frames_per_s": rates["cpu"], "paper_frames_per_s": rates["paper"],
            "paper_as_diamond_frames_per_s": rates["paper_as_diamond"],
            "paper_speedup": rates["paper"] / rates["paper_as_diamond"],
        }
    )  # fmt: skip


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
