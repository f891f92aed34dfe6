"""Gathers demo runs: `python -m results.metaworld_refine runs/demo/*` rewrites results/metaworld_refine.json.

One record per task and seed, in the order of their names, and for each task the mean difference over its seeds. Runs
that made things worse are gathered like any other.
"""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from world4rl_core.errors import DataError
from world4rl_core.evaluation.statistics import PairedCounts, pool_stratified

OUT = Path(__file__).with_suffix(".json")


def record(folder: Path) -> dict[str, Any]:
    """Counts and interval of one demo folder. Raises DataError when the demo there is not complete."""
    path = folder / "evaluation" / "evaluation.json"
    if not path.is_file():
        raise DataError(f"{folder}: no evaluation; run `world4rl demo --out {folder}` to its end")
    found = json.loads(path.read_text())
    comparison = found["comparisons"]["refined"]
    task, seed, counts = found["task"], found["seed"], comparison["counts"]
    override = json.loads((folder / "refined" / "config.json").read_text())["override_trust"]
    command = f"world4rl demo --task {shlex.quote(task)} --seed {seed} --out runs/demo/{task}-{seed}"
    command += f" --override-trust {shlex.quote(override)}" if override else ""
    return {
        "task": task,
        "seed": seed,
        "episodes": found["settings"]["episodes"],
        "cloned": counts["both"] + counts["broken"],
        "refined": counts["both"] + counts["fixed"],
        "fixed": counts["fixed"],
        "broken": counts["broken"],
        "interval": [round(comparison["difference"]["low"], 4), round(comparison["difference"]["high"], 4)],
        "command": command,
        "measured": {key: found[key] for key in ("date", "machine") if key in found},
    }


def summary(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each task the mean difference over its seeds, each seed a stratum, with its 95 % interval."""
    rows = []
    for task in sorted({row["task"] for row in records}):
        mine = [row for row in records if row["task"] == task]
        tables = [
            PairedCounts(
                both=row["cloned"] - row["broken"],
                fixed=row["fixed"],
                broken=row["broken"],
                neither=row["episodes"] - row["cloned"] - row["fixed"],
            )
            for row in mine
        ]
        pooled = pool_stratified(tables)
        rows.append(
            {
                "task": task,
                "seeds": [row["seed"] for row in mine],
                "mean_difference": round(pooled.estimate, 4),
                "interval": [round(pooled.low, 4), round(pooled.high, 4)],
            }
        )
    return rows


def main(folders: list[str]) -> None:
    """Rewrites the file from these demo folders."""
    records = sorted((record(Path(folder)) for folder in folders), key=lambda row: (row["task"], row["seed"]))
    OUT.write_text(json.dumps({"records": records, "tasks": summary(records)}, indent=1) + "\n")
    print(OUT.read_text())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DataError as error:
        sys.exit(str(error))
