"""Outcomes of an evaluation as they come, one line an episode, so that an interrupted evaluation continues."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from world4rl_core.errors import ConfigError, DataError
from world4rl_core.nets.checkpoint import write_atomically


@dataclass(frozen=True)
class EpisodeOutcome:
    """What every policy made of one initial state: success and control steps taken, by policy name."""

    episode: int
    seed: int
    success: dict[str, bool]
    steps: dict[str, int]


class OutcomeLog:
    """`outcomes.jsonl` in a folder: a first line that says what is evaluated, then one line an episode, in order.

    The file is made with the first outcome.
    Raises ConfigError when the folder holds outcomes of another evaluation, DataError when it is damaged.
    """

    def __init__(self, folder: Path, *, identity: dict[str, Any]) -> None:
        self.path = folder / "outcomes.jsonl"
        self.outcomes: list[EpisodeOutcome] = []
        self._identity = identity
        if not self.path.is_file():
            return
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]  # a kill can only leave the last line unfinished
        if whole != content:
            write_atomically(self.path, whole)
        try:
            rows = [json.loads(line) for line in whole.splitlines()]
            found = rows[0]["evaluation"]
            self.outcomes = [EpisodeOutcome(**row) for row in rows[1:]]
        except (ValueError, LookupError, TypeError) as error:
            raise DataError(f"{self.path}: damaged ({error}); delete the file and evaluate again") from error
        _refuse_other(found, identity, folder)
        if [outcome.episode for outcome in self.outcomes] != list(range(len(self.outcomes))):
            raise DataError(f"{self.path}: episodes are missing or repeated; delete the file and evaluate again")

    def append(self, outcome: EpisodeOutcome) -> None:
        """Keep one more episode; it survives a kill of the process from here on."""
        row = {name: getattr(outcome, name) for name in ("episode", "seed", "success", "steps")}
        if not self.path.is_file():
            write_atomically(self.path, _line({"evaluation": self._identity}))
        with self.path.open("ab") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())
        self.outcomes.append(outcome)


def successes(outcomes: Sequence[EpisodeOutcome], policy: str) -> list[bool]:
    """The policy's outcome from each initial state, in order."""
    return [outcome.success[policy] for outcome in outcomes]


def _line(row: dict[str, Any]) -> bytes:
    return (json.dumps(row) + "\n").encode()


def _refuse_other(found: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    for key in sorted({*found, *wanted}):
        if found.get(key) != wanted.get(key):
            raise ConfigError(
                f"{folder} holds another evaluation: {key} was {found.get(key)}, now {wanted.get(key)}; "
                "choose another --out or delete the folder"
            )
