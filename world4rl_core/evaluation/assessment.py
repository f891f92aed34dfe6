"""Judging a world model and a classifier by replays of held-out episodes."""

import copy
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import ConfigError
from world4rl_core.evaluation.checks import (
    Check,
    Limits,
    closed_loop_checks,
    dynamics_checks,
    order_checks,
    outcome_checks,
    verdict,
)
from world4rl_core.evaluation.closed_loop import closed_loop, own_episodes
from world4rl_core.evaluation.metrics import frame_metrics
from world4rl_core.evaluation.open_loop import (
    HorizonError,
    ReplayedEpisode,
    errors_by_horizon,
    squared_errors,
    still_errors,
)
from world4rl_core.evaluation.outcomes import CheckpointRates, Confusion, confusion_by_source
from world4rl_core.evaluation.probes import (
    ShuffleTest,
    UncertaintyTest,
    shuffle_test,
    shuffled_actions,
    uncertainty_test,
)
from world4rl_core.evaluation.replays import classifier_on_real, replay_episodes
from world4rl_core.evaluation.resampling import bootstrap_ratio
from world4rl_core.policy.actor_critic import GaussianPolicy
from world4rl_core.reward.classifier import SuccessClassifier
from world4rl_core.reward.decision import Decision
from world4rl_core.world_model.model import WorldModel


@dataclass(frozen=True)
class Probes:
    """How closely to look."""

    horizon: int = 10
    """Imagined steps that the comparison with a still picture and with other actions covers."""
    uncertainty_steps: int = 128
    """Recorded steps that are imagined repeatedly."""
    uncertainty_draws: int = 8
    """How often each of them is imagined."""
    lpips_weights: Path | None = None
    """AlexNet's ImageNet weights for LPIPS; without them a gradient distance stands in, under its own name."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.horizon < 1 or self.uncertainty_steps < 3 or self.uncertainty_draws < 2:
            raise ConfigError("probes need horizon >= 1, uncertainty_steps >= 3 and uncertainty_draws >= 2")


@dataclass(frozen=True)
class TrustReport:
    """The verdict and everything it rests on."""

    go: bool
    reasons: list[str]
    checks: list[Check]
    episodes: int
    threshold: float
    outcomes: dict[str, Confusion]
    classifier_on_real: Confusion
    open_loop: list[HorizonError]
    shuffle: ShuffleTest
    uncertainty: UncertaintyTest
    checkpoints: list[CheckpointRates]
    closed_loop: Confusion | None
    """Outcomes of a policy's own held-out episodes, imagined under that policy."""


def assess(
    model: WorldModel,
    classifier: SuccessClassifier,
    decision: Decision,
    *,
    cache: FrameCache,
    episodes: np.ndarray,
    limits: Limits,
    probes: Probes,
    checkpoints: Sequence[CheckpointRates] = (),
    policy: GaussianPolicy | None = None,
    device: torch.device | str = "cpu",
) -> tuple[TrustReport, list[ReplayedEpisode]]:
    """Replay `episodes` (indices of cached, held-out, non-expert ones) and judge; the replays come back for films.

    The limits apply to all of them together. With a policy its own episodes among them are also imagined under it.
    Raises DataError without two episodes.
    """
    rng = np.random.default_rng(probes.seed)
    metrics = frame_metrics(probes.lpips_weights)
    imagine = functools.partial(
        replay_episodes, model, classifier, decision, episodes=episodes, seed=probes.seed, device=device
    )
    replayed = imagine(cache=cache)
    confused = copy.copy(cache)
    confused.actions = shuffled_actions(cache.actions, cache.starts, episodes, rng=rng)
    shuffle = shuffle_test(replayed, imagine(cache=confused), horizon=probes.horizon, rng=rng)
    uncertainty = uncertainty_test(
        model, cache, episodes, steps=probes.uncertainty_steps, draws=probes.uncertainty_draws, rng=rng, device=device
    )
    real, imagined = [item.really_succeeded for item in replayed], [item.imagined_success for item in replayed]
    outcomes = confusion_by_source([item.source for item in replayed], real, imagined)
    errors, still = (measure(replayed, horizon=probes.horizon) for measure in (squared_errors, still_errors))
    alone = None
    if policy is not None:
        own = own_episodes(policy, cache, episodes)
        alone = closed_loop(model, classifier, decision, policy, cache=cache, episodes=own, seed=probes.seed)
    checks = [
        *outcome_checks(Confusion.of(real, imagined), limits),
        *dynamics_checks(
            still=bootstrap_ratio(still, errors, rng=rng),
            action_effect=shuffle.ratio,
            uncertainty=uncertainty.correlation,
            limits=limits,
        ),
        *(closed_loop_checks(alone, limits) if alone is not None else []),
        *order_checks(checkpoints),
    ]
    go, reasons = verdict(checks)
    report = TrustReport(
        go=go,
        reasons=reasons,
        checks=checks,
        episodes=len(replayed),
        threshold=decision.threshold,
        outcomes=outcomes,
        classifier_on_real=classifier_on_real(classifier, decision, replayed, device=device),
        open_loop=errors_by_horizon(replayed, metrics, rng=rng),
        shuffle=shuffle,
        uncertainty=uncertainty,
        checkpoints=list(checkpoints),
        closed_loop=alone,
    )
    return report, replayed
