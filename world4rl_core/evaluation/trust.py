"""`world4rl trust`: may a policy be refined in this world model? Held-out episodes are replayed in imagination."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from world4rl_core.evaluation import trust_page
from world4rl_core.evaluation.assessment import Probes, assess
from world4rl_core.evaluation.checks import Limits
from world4rl_core.evaluation.held_out import held_out_episodes, non_expert
from world4rl_core.evaluation.outcomes import read_checkpoints
from world4rl_core.evaluation.provenance import provenance
from world4rl_core.nets.device import device_of
from world4rl_core.policy.actor_critic import load_policy
from world4rl_core.reward.classifier import load_reward
from world4rl_core.world_model.model import load_world_model


@dataclass(frozen=True)
class Config:
    """Options of `world4rl trust`."""

    world_model: Path
    """Run folder or file of the world model."""
    reward: Path
    """Run folder or file of the success classifier."""
    out: Path
    """Folder for trust.html, trust.json, figures and films."""
    data: tuple[Path, ...] = ()
    """The datasets of the training, whose held-out part is used (the default), or only new ones."""
    policy: Path | None = None
    """Run folder or file of a policy: does it fare in imagination as in those episodes that it made without noise?"""
    episodes: int = 200
    """Most held-out episodes to replay."""
    checkpoints: Path | None = None
    """Imagined against real success: the evaluation.json of a refinement's iterates, or a JSON list of counts."""
    films: int = 6
    """Episodes shown as film strips, disagreements first."""
    limits: Limits = field(default_factory=Limits)
    probes: Probes = field(default_factory=Probes)
    device: str = "auto"


def run(config: Config) -> str:
    """Write trust.html, trust.json, figures and films to `config.out`; the answer is the verdict and where they lie."""
    device = device_of(config.device)
    rng = np.random.default_rng(config.probes.seed)
    model = load_world_model(config.world_model, device=device)
    classifier, decision = load_reward(config.reward, device=device)
    checkpoints = read_checkpoints(config.checkpoints) if config.checkpoints is not None else []
    policy = load_policy(config.policy, device=device) if config.policy is not None else None
    cache, held_out = held_out_episodes(config.data, world_model=config.world_model, reward=config.reward)
    chosen = non_expert(cache, held_out, most=config.episodes, rng=rng)
    report, replayed = assess(
        model, classifier, decision, cache=cache, episodes=chosen, limits=config.limits, probes=config.probes,
        checkpoints=checkpoints, policy=policy, device=device,
    )  # fmt: skip
    page = trust_page.write(
        config.out, report=report, replayed=replayed, films=config.films, fps=float(cache.fps),
        settings=config, provenance=provenance(datetime.now(UTC)),
    )  # fmt: skip
    lines = [f"{'go' if report.go else 'no-go'}:", *(f"  - {reason}" for reason in report.reasons), str(page)]
    return "\n".join(lines)
