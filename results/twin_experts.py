"""Judges the twin's scripted experts: `python -m results.twin_experts` rewrites results/twin_experts.json.

One record a task: successes over `--resets` resets, each with the objects moved by up to ±`--spread-m`, within the
task's own horizon and without noise. Nothing is drawn, so that it takes about a minute.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tyro

from world4rl_core.evaluation.provenance import provenance
from world4rl_core.sim.collect import episode_seed
from world4rl_core.sim.twin.env import DEFAULT_SPREAD_M, TwinConfig, TwinEnv
from world4rl_core.sim.twin.tasks import TASKS

OUT = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Config:
    """Options of `python -m results.twin_experts`."""

    resets: int = 100
    seed: int = 0
    spread_m: float = DEFAULT_SPREAD_M


def record(task: str, config: Config) -> dict[str, Any]:
    """Successes of one task's expert and how many control steps they took."""
    env = TwinEnv(TwinConfig(task=task, spread_m=config.spread_m), draws=False)
    steps = []
    for episode in range(config.resets):
        env.reset(seed=episode_seed(config.seed, "expert", episode=episode))
        solved = over = False
        taken = 0
        while not (solved or over):
            _, _, solved, over, _ = env.step(env.expert_action())
            taken += 1
        steps += [taken] if solved else []
    env.close()
    return {
        "task": task,
        "resets": config.resets,
        "successes": len(steps),
        "seed": config.seed,
        "spread_m": config.spread_m,
        "mean_steps": round(sum(steps) / max(1, len(steps)), 1),
        "max_steps": max(steps, default=0),
        "horizon": TASKS[task].horizon,
    }


def main(config: Config) -> None:
    """Rewrites the file."""
    records = [record(task, config) for task in TASKS]
    measured = provenance(datetime.now(UTC))
    options = f" --resets {config.resets} --seed {config.seed} --spread-m {config.spread_m}"
    written = {
        "records": records,
        "command": "python -m results.twin_experts" + (options if config != Config() else ""),
        "measured": {"date": measured.date, "machine": measured.machine},
    }
    OUT.write_text(json.dumps(written, indent=1) + "\n")
    print(OUT.read_text())


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
