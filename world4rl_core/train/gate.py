"""Before refining: do imagined and real outcomes agree on held-out replays, episode by episode?"""

import logging
from dataclasses import dataclass, field

import numpy as np

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import TrustError
from world4rl_core.evaluation.assessment import Probes
from world4rl_core.evaluation.checks import Limits, outcome_checks
from world4rl_core.evaluation.outcomes import Confusion
from world4rl_core.evaluation.replays import replay_episodes
from world4rl_core.reward.classifier import SuccessClassifier
from world4rl_core.reward.decision import Decision
from world4rl_core.world_model.model import WorldModel

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GateConfig:
    """When the world model is too wrong to refine in: by the limits that `world4rl trust` holds it against."""

    limits: Limits = field(default_factory=Limits)
    sources: tuple[str, ...] = ("policy", "random")
    """Replays of these sources are judged; experts nearly always succeed and would flatter the model."""
    seed: int = Probes.seed
    """Of the imagined draws; by default those of `world4rl trust`, so that both see the same outcomes."""


@dataclass(frozen=True)
class Passage:
    """How the gate was passed: the evidence as figures, and the reason given where it had refused (else empty)."""

    figures: dict[str, float]
    overridden: str = ""


def check_gate(
    model: WorldModel, classifier: SuccessClassifier, decision: Decision, cache: FrameCache, held_out: np.ndarray,
    *, config: GateConfig, override: str,
) -> Passage:  # fmt: skip
    """Holds imagined against real outcomes. Raises TrustError when they agree too little and `override` is empty."""
    episodes = np.array([e for e in held_out if cache.sources[e] in config.sources], dtype=np.int64)
    confusion, figures = Confusion(0, 0, 0, 0), {}
    if len(episodes):
        confusion = outcome_confusion(model, classifier, decision, cache, episodes, seed=config.seed)
        figures = {
            "gate_episodes": float(confusion.episodes),
            "gate_balanced_agreement": confusion.balanced_agreement,
            "gate_agreement": confusion.agreement.estimate,
            "gate_false_success": confusion.false_success_rate.estimate,
            "gate_false_failure": confusion.false_failure_rate.estimate,
        }
    problem = refusal(confusion, config.limits)
    if problem and not override:
        raise TrustError(
            f"refusing to refine: {problem}. Record more policy episodes or train the world model longer, look at "
            "`world4rl trust`, or pass --override-trust REASON"
        )
    if problem:
        logger.warning("gate overridden (%s): %s", override, problem)
    return Passage(figures, overridden=override if problem else "")


def outcome_confusion(
    model: WorldModel,
    classifier: SuccessClassifier,
    decision: Decision,
    cache: FrameCache,
    episodes: np.ndarray,
    *,
    seed: int,
) -> Confusion:
    """Imagined against real outcomes of the episodes' recorded actions."""
    device = next(model.parameters()).device
    replayed = replay_episodes(model, classifier, decision, cache=cache, episodes=episodes, seed=seed, device=device)
    return Confusion.of([item.really_succeeded for item in replayed], [item.imagined_success for item in replayed])


def refusal(confusion: Confusion, limits: Limits) -> str:
    """Why outcomes that agree only so far forbid refinement; empty when they do not."""
    failed = [check.reason for check in outcome_checks(confusion, limits) if not check.passed]
    too_few = min(confusion.successes, confusion.failures) < limits.cases
    return failed[0] if too_few else "; ".join(failed)
