"""Reading what a training logged: `log.jsonl`, one JSON object a logged step with a `step` key."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from world4rl_core.errors import DataError

Row = dict[str, float]
Line = tuple[list[float], list[float]]


def read_log(folder: Path) -> list[Row]:
    """The logged steps of a run folder in order, none when there is no log; an unfinished last line is left out.

    Raises DataError, with file and line, for anything else that is not an object with a `step`.
    """
    path = folder / "log.jsonl"
    if not path.is_file():
        return []
    content = path.read_text(encoding="utf-8", errors="replace")
    rows = []
    for number, line in enumerate(content[: content.rfind("\n") + 1].splitlines(), start=1):
        try:
            row = json.loads(line)
            rows.append({key: float(value) for key, value in row.items()})
            rows[-1]["step"]
        except (ValueError, AttributeError, TypeError, KeyError) as error:
            raise DataError(f"{path}, line {number}: not a logged step ({error}); wanted {{'step': 1, ...}}") from error
    return rows


def line_of(rows: Sequence[Row], key: str) -> Line:
    """Steps and finite values at which `key` was logged."""
    pairs = [(row["step"], row[key]) for row in rows if math.isfinite(row.get(key, math.nan))]
    return [step for step, _ in pairs], [value for _, value in pairs]


def panels_of(rows: Sequence[Row], wanted: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Line]]:
    """Curves to draw, {title: {name: line}}, from {title: {name: key}}; what was never logged is left out."""
    drawn = {
        title: {name: line for name, key in keys.items() if (line := line_of(rows, key))[0]}
        for title, keys in wanted.items()
    }
    return {title: lines for title, lines in drawn.items() if lines}


def last_of(rows: Sequence[Row]) -> Row:
    """The newest value of every key that was logged."""
    newest: Row = {}
    for row in rows:
        newest |= row
    return newest
