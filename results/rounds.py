"""What a second round of refinement adds: `python -m results.rounds runs/demo/<task>-<seed> …` adds to
results/rounds.json one record a demo that was run with `--rounds 2`: all policies on the same initial states.
"""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from results.refine_runs import COMMAND, bench_of, merged
from world4rl_core.errors import DataError
from world4rl_core.evaluation.statistics import compare_paired
from world4rl_core.train.places import Places

OUT = Path(__file__).with_suffix(".json")
ROUNDS = 2


def record(folder: Path) -> dict[str, Any]:
    """Successes of every policy, and the second round's gain. Raises DataError for a demo without that round."""
    at = Places(folder, ROUNDS)
    file = at.evaluation / "evaluation.json"
    if not file.is_file():
        raise DataError(f"{folder}: no second round; run `world4rl demo … --rounds {ROUNDS} --out {folder}`")
    found = json.loads(file.read_text())
    names = found["settings"]["names"]
    success = {name: [row["success"][name] for row in found["outcomes"]] for name in names}
    gain = compare_paired(success[names[-2]], success[names[-1]]).difference
    deployed = json.loads((at.deployed(ROUNDS) / "meta" / "info.json").read_text())["total_episodes"]
    command = COMMAND.format(bench=bench_of(folder), task=shlex.quote(found["task"]), seed=found["seed"])
    return {
        "task": found["task"],
        "seed": found["seed"],
        "episodes": len(found["outcomes"]),
        "successes": {name: sum(success[name]) for name in names},
        "new_episodes": deployed,
        "gain_of_the_second_round": round(gain.estimate, 4),
        "interval": [round(gain.low, 4), round(gain.high, 4)],
        "measured": {key: found[key] for key in ("date", "machine")},
        "command": f"{command} --rounds {ROUNDS}",
    }


def main(folders: list[str]) -> None:
    """Adds these demo folders to the file."""
    kept = json.loads(OUT.read_text())["records"] if OUT.is_file() else []
    try:
        records = merged(kept, [record(Path(folder)) for folder in folders])
    except DataError as error:
        sys.exit(str(error))
    OUT.write_text(json.dumps({"records": records}, indent=1) + "\n")
    print(OUT.read_text())


if __name__ == "__main__":
    main(sys.argv[1:])
