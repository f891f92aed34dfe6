"""The go / no-go rule: explicit limits, one check a limit, and a sentence for each that fails."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from world4rl_core.errors import ConfigError
from world4rl_core.evaluation.outcomes import CheckpointRates, Confusion
from world4rl_core.evaluation.statistics import Interval


@dataclass(frozen=True)
class Limits:
    """What a world model and classifier must show before a policy is refined in them."""

    agreement: float = 0.6
    """Lowest acceptable lower limit (Wilson, 95 %) of the share of episodes whose imagined outcome is the real one."""
    balanced_agreement: float = 0.7
    """Lowest mean of the agreements on real successes and on real failures; .5 is what a constant guess gets."""
    false_success: float = 0.35
    """Highest share of real failures that succeed in imagination."""
    cases: int = 5
    """Fewest real successes, and fewest real failures, among the held-out episodes."""
    gain_over_still: float = 1.0
    """Lowest lower limit of the squared error of repeating the first frame over that of imagination."""
    action_effect: float = 1.2
    """Lowest lower limit of the squared error with other actions over that with the episode's own."""
    closed_loop_gap: float = 0.35
    """Largest gap between a policy's success in imagination and in its own episodes; a warning only."""
    uncertainty_rank: float = 0.1
    """Lowest rank correlation of uncertainty and error; a warning only."""

    def __post_init__(self) -> None:
        for name in ("agreement", "balanced_agreement", "false_success"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"limits.{name} is a share and must lie in 0..1, got {getattr(self, name)}")
        if self.cases < 1:
            raise ConfigError(f"limits.cases must be at least 1, got {self.cases}")


@dataclass(frozen=True)
class Check:
    """One limit held against one measurement. A failed gate forbids refinement, another failure only warns."""

    name: str
    measured: str
    wanted: str
    passed: bool
    reason: str
    gate: bool = True


def outcome_checks(confusion: Confusion, limits: Limits) -> list[Check]:
    """Do imagined and real outcomes agree episode by episode?"""
    agreement, false = confusion.agreement, confusion.false_success_rate
    balanced = confusion.balanced_agreement
    fewest = min(confusion.successes, confusion.failures)
    return [
        Check(
            name="enough held-out episodes of both outcomes",
            measured=f"{confusion.successes} successes, {confusion.failures} failures",
            wanted=f"at least {limits.cases} of each",
            passed=fewest >= limits.cases,
            reason=f"only {fewest} held-out episodes of one outcome: record more policy episodes to judge by",
        ),
        Check(
            name="imagined and real outcome agree",
            measured=f"{agreement} of {confusion.episodes}",
            wanted=f"lower limit at least {limits.agreement:.2f}",
            passed=agreement.low >= limits.agreement,
            reason=f"imagined and real outcome agree in only {agreement.estimate:.0%} of {confusion.episodes} "
            f"held-out episodes (at least {agreement.low:.0%} with 95 % confidence)",
        ),
        Check(
            name="agreement balanced over successes and failures",
            measured=f"{balanced:.3f}",
            wanted=f"at least {limits.balanced_agreement:.2f} (a constant guess has 0.5)",
            passed=balanced >= limits.balanced_agreement,
            reason=f"balanced agreement of outcomes is {balanced:.2f}, and a constant guess has 0.5: "
            "the world model does not know which episodes succeed",
        ),
        Check(
            name="false successes among real failures",
            measured=f"{false}",
            wanted=f"at most {limits.false_success:.2f}",
            passed=false.estimate <= limits.false_success,
            reason=f"{_share(false.estimate)} of the real failures succeed in imagination: PPO would exploit that",
        ),
    ]


def dynamics_checks(*, still: Interval, action_effect: Interval, uncertainty: Interval, limits: Limits) -> list[Check]:
    """Does the world model predict motion, listen to actions and know its errors?

    still: squared error of the repeated first frame over that of imagination; action_effect: squared error with other
    actions over that with the own ones; uncertainty: rank correlation of uncertainty and error.
    """
    return [
        Check(
            name="imagination beats a still picture",
            measured=f"{still.estimate:.2f} [{still.low:.2f}, {still.high:.2f}] times its squared error",
            wanted=f"lower limit above {limits.gain_over_still:.2f}",
            passed=still.low > limits.gain_over_still,
            reason="imagined frames are no nearer to the real ones than the first frame repeated: train longer",
        ),
        Check(
            name="other actions change what is imagined",
            measured=f"error × {action_effect.estimate:.2f} [{action_effect.low:.2f}, {action_effect.high:.2f}]",
            wanted=f"lower limit above {limits.action_effect:.2f}",
            passed=action_effect.low > limits.action_effect,
            reason="the error hardly grows with another episode's actions: the world model ignores the actions",
        ),
        Check(
            name="uncertainty ranks the errors",
            measured=f"rank correlation {uncertainty.estimate:.2f} [{uncertainty.low:.2f}, {uncertainty.high:.2f}]",
            wanted=f"at least {limits.uncertainty_rank:.2f}",
            passed=uncertainty.estimate >= limits.uncertainty_rank,
            reason="uncertainty does not tell where the world model is wrong: do not rely on an uncertainty penalty",
            gate=False,
        ),
    ]


def closed_loop_checks(alone: Confusion, limits: Limits) -> list[Check]:
    """Does the policy meet in imagination the fate of its own recorded episodes?"""
    if alone.episodes < 2 * limits.cases:
        return [
            Check(
                name="enough held-out episodes of the policy without noise",
                measured=f"{alone.episodes}",
                wanted=f"at least {2 * limits.cases}",
                passed=False,
                reason=f"only {alone.episodes} held-out episodes are what this policy does without noise: record some "
                "with --noise 0 to see how it fares in imagination",
                gate=False,
            )
        ]
    imagined, real = alone.imagined_rate.estimate, alone.real_rate.estimate
    found = f"{imagined:.0%} of {alone.episodes} episodes succeed in imagination, {real:.0%} in reality"
    return [
        Check(
            name="the policy itself fares in imagination as in reality",
            measured=f"{found}; balanced agreement {alone.balanced_agreement:.2f}",
            wanted=f"at most {limits.closed_loop_gap:.0%} apart",
            passed=abs(imagined - real) <= limits.closed_loop_gap,
            reason=f"acting on imagined frames the policy does not fare as in its own episodes: {found}",
            gate=False,
        )
    ]


def order_checks(rates: Sequence[CheckpointRates]) -> list[Check]:
    """Do imagined and real success put the policies in the same order? Nothing to check below two policies."""
    pairs = list(itertools.combinations(rates, 2))
    if not pairs:
        return []
    same = sum(
        (one.imagined.estimate - two.imagined.estimate) * (one.real.estimate - two.real.estimate) > 0
        for one, two in pairs
    )
    return [
        Check(
            name="imagined success orders the policies as reality does",
            measured=f"{same} of {len(pairs)} pairs",
            wanted="more than half",
            passed=2 * same > len(pairs),
            reason=f"imagination orders only {same} of {len(pairs)} pairs of policies as reality does",
            gate=False,
        )
    ]


def verdict(checks: Sequence[Check]) -> tuple[bool, list[str]]:
    """Go unless a gate failed, and the reasons: of the failed gates, else what was shown; warnings last."""
    failed = [check.reason for check in checks if check.gate and not check.passed]
    warnings = [f"warning: {check.reason}" for check in checks if not check.gate and not check.passed]
    shown = [f"{check.name}: {check.measured}" for check in checks if check.gate and check.passed]
    return not failed, [*(failed or shown), *warnings]


def _share(value: float) -> str:
    return "an unknown share" if math.isnan(value) else f"{value:.0%}"
