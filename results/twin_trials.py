"""Gathers the trials of demo runs: `python -m results.twin_trials runs/demo/<task>-<seed> …` adds to
results/twin_trials.json one record a session of interleaved trials through ROS, franky and the simulated arm.
"""

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from results.refine_runs import COMMAND, merged
from world4rl_core.errors import TrialError
from world4rl_core.evaluation.session import summarise
from world4rl_core.runtime.trial_record import read_session

OUT = Path(__file__).with_suffix(".json")


def record(folder: Path) -> dict[str, Any]:
    """Counts of each policy and their comparison. Raises TrialError for a session that is not over."""
    recorded = read_session(folder / "session")
    found = summarise(recorded)
    if not found.is_complete:
        raise TrialError(f"{folder}: the trials are not over; run `world4rl demo twin --out {folder}` to its end")
    versus = found.comparisons[0]
    measured = json.loads((folder / "trust" / "trust.json").read_text())["provenance"]
    sheet = recorded.sheet
    return {
        "task": sheet.task,
        "seed": sheet.seed,
        "trials_each": sheet.trials_each,
        "successes": {arm.name: arm.successes for arm in found.arms},
        "repeated_after_faults": {arm.name: arm.faults for arm in found.arms},
        "median_s": {arm.name: round(arm.median_s, 2) for arm in found.arms},
        "paired_difference": asdict(versus.paired.difference) if versus.paired else None,
        "fisher_p": versus.fisher_p,
        "measured": {key: measured[key] for key in ("date", "machine")},
        "command": COMMAND.format(bench="twin", task=shlex.quote(sheet.task), seed=sheet.seed),
    }


def main(folders: list[str]) -> None:
    """Adds these demo folders to the file."""
    kept = json.loads(OUT.read_text())["records"] if OUT.is_file() else []
    try:
        records = merged(kept, [record(Path(folder)) for folder in folders])
    except TrialError as error:
        sys.exit(str(error))
    OUT.write_text(json.dumps({"records": records}, indent=1) + "\n")
    print(OUT.read_text())


if __name__ == "__main__":
    main(sys.argv[1:])
