"""Does the imagined outcome of an episode agree with the real one? Episode by episode, not only on average."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from world4rl_core.errors import DataError
from world4rl_core.evaluation.statistics import Interval, outcomes_of, wilson
from world4rl_core.nets.checkpoint import load_model_state


@dataclass(frozen=True)
class Confusion:
    """Counts of replayed episodes by their real and their imagined outcome.

    A *false success* failed in reality and succeeds in imagination: it is what a refined policy would exploit.
    """

    true_success: int
    false_success: int
    false_failure: int
    true_failure: int

    @classmethod
    def of(cls, real: ArrayLike, imagined: ArrayLike) -> "Confusion":
        """Count outcomes; entry i of both sequences belongs to the same episode."""
        happened, predicted = outcomes_of(real), outcomes_of(imagined)
        if len(happened) != len(predicted):
            raise DataError(f"outcomes need equal lengths, got {len(happened)} real and {len(predicted)} imagined")
        return cls(
            true_success=int((happened & predicted).sum()),
            false_success=int((~happened & predicted).sum()),
            false_failure=int((happened & ~predicted).sum()),
            true_failure=int((~happened & ~predicted).sum()),
        )

    @property
    def episodes(self) -> int:
        return self.true_success + self.false_success + self.false_failure + self.true_failure

    @property
    def successes(self) -> int:
        return self.true_success + self.false_failure

    @property
    def failures(self) -> int:
        return self.false_success + self.true_failure

    @property
    def agreement(self) -> Interval:
        return wilson(self.true_success + self.true_failure, self.episodes)

    @property
    def false_success_rate(self) -> Interval:
        """Share of real failures that succeed in imagination; NaN without real failures."""
        return wilson(self.false_success, self.failures)

    @property
    def false_failure_rate(self) -> Interval:
        """Share of real successes that fail in imagination; NaN without real successes."""
        return wilson(self.false_failure, self.successes)

    @property
    def balanced_agreement(self) -> float:
        """Mean of the agreements on real successes and on real failures: .5 for a guess that ignores the episode."""
        return 1 - (self.false_success_rate.estimate + self.false_failure_rate.estimate) / 2

    @property
    def imagined_rate(self) -> Interval:
        return wilson(self.true_success + self.false_success, self.episodes)

    @property
    def real_rate(self) -> Interval:
        return wilson(self.successes, self.episodes)

    def summary(self) -> dict[str, Any]:
        """Counts and derived rates, for JSON."""
        rates = ("agreement", "false_success_rate", "false_failure_rate", "imagined_rate", "real_rate")
        derived = {name: getattr(self, name) for name in (*rates, "balanced_agreement")}
        return asdict(self) | derived


@dataclass(frozen=True)
class CheckpointRates:
    """Success of one policy, imagined and real."""

    policy: str
    imagined: Interval
    real: Interval


def read_checkpoints(path: Path) -> list[CheckpointRates]:
    """Imagined and real success of policies: the evaluation.json of a comparison of a refinement's iterates.

    Or a list `[{"policy": name, "imagined": [successes, episodes], "real": [successes, episodes]}, ...]`. Policies that
    do not know their imagined success are left out. Raises DataError when the file is missing or of another form.
    """
    wanted = 'the evaluation.json of iterates, or [{"policy": "cloned", "imagined": [38, 100], "real": [61, 180]}, ...]'
    try:
        found = json.loads(path.read_text())
        rows = _of_iterates(found) if isinstance(found, dict) else found
        return [CheckpointRates(row["policy"], wilson(*row["imagined"]), wilson(*row["real"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: cannot read checkpoints ({type(error).__name__}: {error}); wanted {wanted}"
        ) from error


def _of_iterates(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    outcomes = evaluation["outcomes"]
    rows = []
    for name, policy in evaluation["policies"].items():
        imagined = load_model_state(Path(policy["path"]), "policy")["provenance"].get("imagined")
        real = [sum(bool(row["success"][name]) for row in outcomes), len(outcomes)]
        rows += [{"policy": name, "imagined": imagined, "real": real}] if imagined else []
    return rows


def confusion_by_source(sources: Sequence[str], real: ArrayLike, imagined: ArrayLike) -> dict[str, Confusion]:
    """One confusion per source in alphabetical order; a source without episodes is absent."""
    happened, predicted = outcomes_of(real), outcomes_of(imagined)
    if not len(sources) == len(happened) == len(predicted):
        raise DataError(f"got {len(sources)} sources for {len(happened)} real and {len(predicted)} imagined outcomes")
    out = {}
    for source in sorted(set(sources)):
        rows = [index for index, name in enumerate(sources) if name == source]
        out[source] = Confusion.of(happened[rows], predicted[rows])
    return out
