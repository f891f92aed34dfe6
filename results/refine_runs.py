"""What demo runs found, one record a run, for the files of results/: see metaworld_refine.py and twin_refine.py.

Runs that made things worse are gathered like any other, and so are those that the gate refused to refine. Runs whose
sizes differed from the recipe of their day are `exploratory`: they are shown and left out of the means, of which there
is one for each recipe. Records stay in the file when others are gathered, so that no run can be forgotten.
"""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from world4rl_core.errors import DataError
from world4rl_core.evaluation.statistics import PairedCounts, pool_stratified
from world4rl_core.nets.checkpoint import load_model_state
from world4rl_core.train.loop import REFUSED
from world4rl_core.train.places import Places
from world4rl_core.train.recipes import DEFAULT, Recipe, recipe_for

COMMAND = "world4rl demo {bench} --task {task} --seed {seed} --out runs/demo/{task}-{seed}"
COUNTS = ("true_success", "false_success", "false_failure", "true_failure")


def bench_of(folder: Path) -> str:
    """`twin` or `metaworld`: where a demo's episodes were recorded."""
    recorded = json.loads((folder / "data" / "policy" / "meta" / "collection.json").read_text())
    return "twin" if "rig" in recorded else "metaworld"  # only the twin is built from a rig file


def records(folder: Path, bench: str) -> list[dict[str, Any]]:
    """The record of a demo folder, and one of each later round that it has: the last policy against the cloned one."""
    found, number = [record(folder, bench)], 2
    while (file := (at := Places(folder, number)).evaluation / "evaluation.json").is_file():
        evaluation, first = json.loads(file.read_text()), found[0]
        state = load_model_state(at.refined_in(number), "policy")
        deployed = json.loads((at.deployed(number) / "meta" / "info.json").read_text())["total_episodes"]
        found.append(
            {
                **{key: first[key] for key in ("task", "seed", "exploratory")},
                "sizes": first["sizes"] | {"rounds": number, f"policy_{number}": deployed},
                "gate": state["provenance"]["gate"],
                "measured": {key: evaluation[key] for key in ("date", "machine")},
                **_compared(evaluation, f"refined-{number}", f"{first['command']} --rounds {number}"),
            }
        )
        number += 1
    return found


def record(folder: Path, bench: str) -> dict[str, Any]:
    """Counts and interval of one demo folder. Raises DataError when the demo there is not complete or of another bench.

    bench: `metaworld` or `twin`.
    """
    trust = folder / "trust" / "trust.json"
    if not trust.is_file():
        raise DataError(f"{folder}: no trust report; run `world4rl demo {bench} --out {folder}` to its end")
    judged = json.loads(trust.read_text())
    recorded = json.loads((folder / "data" / "policy" / "meta" / "collection.json").read_text())
    task, seed = recorded["task"], recorded["seed"]
    played = bench_of(folder)
    if played != bench:
        raise DataError(f"{folder}: a demo on the {played} bench; gather it with `python -m results.{played}_refine`")
    command = COMMAND.format(bench=bench, task=shlex.quote(task), seed=seed)
    sizes = _sizes(folder, task)
    if sizes.get("architecture") == "paper":
        command += f" --preset paper --world-model-steps {sizes['world_model_steps']}"
    found = {
        "task": task,
        "seed": seed,
        "exploratory": sizes != _recipe_sizes(task),
        "sizes": sizes,
        "held_out_replays": {key: sum(one[key] for one in judged["outcomes"].values()) for key in COUNTS},
        "trust": judged["reasons"],
        "measured": {key: judged["provenance"][key] for key in ("date", "machine")},
    }
    evaluation = folder / "evaluation" / "evaluation.json"
    if evaluation.is_file():
        override = load_model_state(folder / "refined", "policy")["provenance"]["override_trust"]
        command += f" --override-trust {shlex.quote(override)}" if override else ""
        return found | _compared(json.loads(evaluation.read_text()), "refined", command)
    refused = folder / REFUSED
    if judged["go"] and not refused.is_file():
        raise DataError(f"{folder}: no evaluation; run `world4rl demo {bench} --out {folder}` to its end")
    why = {"gate": json.loads(refused.read_text())["refused"]} if refused.is_file() else {}
    return found | {"refused": True, **why, "command": command}


def _compared(found: dict[str, Any], name: str, command: str) -> dict[str, Any]:
    comparison = found["comparisons"][name]
    counts = comparison["counts"]
    return {
        "refused": False,
        "episodes": found["settings"]["episodes"],
        "cloned": counts["both"] + counts["broken"],
        "refined": counts["both"] + counts["fixed"],
        "fixed": counts["fixed"],
        "broken": counts["broken"],
        "interval": [round(comparison["difference"]["low"], 4), round(comparison["difference"]["high"], 4)],
        "command": command,
    }


def _sizes(folder: Path, task: str) -> dict[str, Any]:
    """What of the recipe this run used."""
    episodes = {
        source: int(json.loads(info.read_text())["total_episodes"]) if info.is_file() else 0
        for source in ("expert", "policy", "random", "arm")
        for info in [folder / "data" / source / "meta" / "info.json"]
    }
    model, clone = (_config(folder / run) for run in ("world-model", "clone"))
    collected = json.loads((folder / "data" / "policy" / "meta" / "collection.json").read_text())
    return {
        **episodes,
        "clone_steps": clone["steps"],
        "held_out": model["held_out"],
        "world_model_steps": model["steps"],
        "policy_noise_memory": collected.get("noise_memory", 0.0),
        **_unusual(
            architecture=model["architecture"],
            policy_noise=collected["noise"],
            **_refinement(folder / "refined", recipe_for(task)),
        ),
    }


def _refinement(refined: Path, recipe: Recipe) -> dict[str, Any]:
    """How this run refined, or, where it did not come to that, how it would have."""
    if not refined.is_dir():
        return _refined_by(recipe)
    config = _config(refined)
    return {
        "std": config["ppo"]["std"],
        "iterations": config["iterations"],
        "envs": config["imagination"]["envs"],
        "average": config.get("average", False),
    }


def _refined_by(recipe: Recipe) -> dict[str, Any]:
    return {key: getattr(recipe, key) for key in ("std", "iterations", "envs", "average")}


def _unusual(**given: Any) -> dict[str, Any]:
    """Those that most recipes have alike, where they differ: records of all days keep to one form."""
    usual = {
        "architecture": "cpu", "policy_noise": list(DEFAULT.policy_noise), "std": DEFAULT.std,
        "iterations": DEFAULT.iterations, "envs": DEFAULT.envs, "average": DEFAULT.average,
    }  # fmt: skip
    return {key: value for key, value in given.items() if value != usual[key]}


def _config(run: Path) -> dict[str, Any]:
    return json.loads((run / "config.json").read_text())


def _recipe_sizes(task: str) -> dict[str, Any]:
    recipe = recipe_for(task)
    return {
        "expert": recipe.demonstrations,
        "policy": recipe.policy_episodes,
        "random": recipe.random_episodes,
        "arm": recipe.arm_episodes,
        "clone_steps": recipe.clone_steps,
        "held_out": recipe.held_out,
        "world_model_steps": recipe.world_model_steps,
        "policy_noise_memory": recipe.policy_noise_memory,
        **_unusual(policy_noise=list(recipe.policy_noise), **_refined_by(recipe)),
    }


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each task and recipe the mean difference over its seeds, each seed a stratum, with its 95 % interval."""
    means = []
    counted = [row for row in rows if not row["refused"] and not row["exploratory"]]
    for task, recipe in sorted({_group(row) for row in counted}):
        mine = [row for row in counted if _group(row) == (task, recipe)]
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
        means.append(
            {
                "task": task,
                "seeds": [row["seed"] for row in mine],
                "mean_difference": round(pooled.estimate, 4),
                "interval": [round(pooled.low, 4), round(pooled.high, 4)],
                "sizes": mine[0]["sizes"],
            }
        )
    return means


def _group(row: dict[str, Any]) -> tuple[str, str]:
    return row["task"], json.dumps(row["sizes"], sort_keys=True)


def merged(kept: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All records in order; one that is gathered again replaces itself."""
    return sorted({_order(row): row for row in [*kept, *new]}.values(), key=_order)


def _order(row: dict[str, Any]) -> tuple[str, int, str]:
    return row["task"], row["seed"], row["measured"]["date"]


def gather(out: Path, folders: list[str], bench: str) -> None:
    """Adds these demo folders to the file and prints it; leaves with a message where one is not complete."""
    kept = json.loads(out.read_text())["records"] if out.is_file() else []
    try:
        rows = merged(kept, [row for folder in folders for row in records(Path(folder), bench)])
    except DataError as error:
        sys.exit(str(error))
    out.write_text(json.dumps({"records": rows, "tasks": summary(rows)}, indent=1) + "\n")
    print(out.read_text())
