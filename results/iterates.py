"""Single iterates of a refinement against the mean of their weights: `python -m results.iterates runs/demo/TASK-SEED …`
plays the policies that a refinement without --average kept, and their means, from states that no other run uses, and
writes results/iterates.json: successes of each policy.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from world4rl_core.errors import DataError
from world4rl_core.evaluation import real
from world4rl_core.nets.checkpoint import State, load_model_state, save_state

OUT = Path(__file__).with_suffix(".json")
EPISODES = 120
SEED = 4242
EARLY = 15
"""Iterations of the shorter of two refinements."""


def mean(states: list[State]) -> State:
    """The last of them, with the mean of all their weights."""
    weights = [one["weights"] for one in states]
    provenance = {key: value for key, value in states[-1]["provenance"].items() if key != "imagined"}
    return states[-1] | {
        "provenance": provenance,
        "weights": {name: torch.stack([one[name] for one in weights]).mean(0) for name in weights[0]},
    }


def imagined_by(policy: Path) -> float | None:
    """The policy's success without noise in imagination, of 1; None for a mean."""
    told = load_model_state(policy, "policy")["provenance"].get("imagined")
    return told[0] / told[1] if told else None


def policies_of(folder: Path, out: Path) -> dict[str, Path]:
    """The clone, every iterate, and means from the first trained one on, which are written to `out`.

    Raises DataError where the folder has too few iterates or they are means already.
    """
    found = {int(file.stem): file for file in sorted((folder / "refined" / "iterates").glob("*.safetensors"))}
    states = {done: load_model_state(file, "policy") for done, file in found.items()}
    if not {0, EARLY} <= states.keys() or any(one["provenance"]["training"].get("average") for one in states.values()):
        raise DataError(f"{folder}: wanted a refinement without --average that kept its policies after 0 and {EARLY}")
    trained = [done for done in sorted(states) if done > 0]
    chosen = {"cloned": found[0]} | {f"after {done}": found[done] for done in trained}
    for last in (EARLY, trained[-1]):
        chosen[f"mean up to {last}"] = out / f"mean-{last:04d}.safetensors"
        save_state(chosen[f"mean up to {last}"], mean([states[done] for done in trained if done <= last]))
    return chosen


def record(folder: Path) -> dict[str, Any]:
    """Successes of each of the folder's policies."""
    out = folder / "iterates-played"
    out.mkdir(exist_ok=True)
    chosen = policies_of(folder, out)
    real.run(
        real.Config(
            policy=tuple(chosen.values()), names=tuple(chosen), out=out, episodes=EPISODES, seed=SEED, films=0,
        )
    )  # fmt: skip
    found = json.loads((out / "evaluation.json").read_text())
    collected = json.loads((folder / "data" / "policy" / "meta" / "collection.json").read_text())
    return {
        "task": collected["task"], "seed": collected["seed"], "states_seed": SEED, "episodes": len(found["outcomes"]),
        "imagined": {name: imagined_by(path) for name, path in chosen.items()},
        "successes": {name: sum(bool(one["success"][name]) for one in found["outcomes"]) for name in chosen},
        "measured": {key: found[key] for key in ("date", "machine")},
    }  # fmt: skip


def main(folders: list[str]) -> None:
    """One record a folder, in the place of what the file held of the same task and seed."""
    records = json.loads(OUT.read_text())["records"] if OUT.is_file() else []
    for folder in folders:
        try:
            new = record(Path(folder))
        except DataError as error:
            sys.exit(str(error))
        records = [one for one in records if (one["task"], one["seed"]) != (new["task"], new["seed"])]
        records = sorted([*records, new], key=lambda one: (one["task"], one["seed"]))
        OUT.write_text(
            json.dumps({"command": "python -m results.iterates FOLDER …", "records": records}, indent=1) + "\n"
        )
    print(OUT.read_text())


if __name__ == "__main__":
    main(sys.argv[1:])
