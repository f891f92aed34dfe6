"""What is gathered from finished demos for the tables of the README."""

import json
from pathlib import Path

import pytest

from results import refine_runs
from world4rl_core.errors import DataError
from world4rl_core.nets.checkpoint import save_state


def write(folder: Path, files: dict) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))


def demo(folder: Path, *, reason: str = "", task: str = "button-press-topdown-v3") -> Path:
    """A finished demo, as far as its record asks."""
    collected = {"task": task, "seed": 0, "noise": [0.1, 0.2, 0.4], **({"rig": "twin"} if "-v3" not in task else {})}
    written = {
        "data/policy/meta/collection.json": collected,
        "data/policy/meta/info.json": {"total_episodes": 300},
        "trust/trust.json": {
            "go": not reason, "reasons": [], "outcomes": {"policy": dict.fromkeys(refine_runs.COUNTS, 5)},
            "provenance": {"date": "2026-01-01", "machine": "a machine"},
        },
        "world-model/config.json": {"held_out": 0.2, "steps": 1500, "architecture": "cpu"},
        "clone/config.json": {"steps": 600},
        "refined/config.json": {
            "override_trust": "", "iterations": 40, "imagination": {"envs": 64}, "ppo": {"std": 0.2},
        },
        "evaluation/evaluation.json": {
            "settings": {"episodes": 20},
            "comparisons": {"refined": {
                "counts": {"both": 8, "fixed": 8, "broken": 2, "neither": 2},
                "difference": {"estimate": 0.3, "low": 0.005, "high": 0.534},
            }},
        },
    }  # fmt: skip
    write(folder, written)
    save_state(folder / "refined/model.safetensors", {"kind": "policy", "provenance": {"override_trust": reason}})
    return folder


@pytest.mark.parametrize("reason", ["", "few held-out failures"])
def test_a_record_names_the_reason_with_which_the_gate_was_overridden(tmp_path: Path, reason: str) -> None:
    found = refine_runs.record(demo(tmp_path, reason=reason), "metaworld")
    assert (found["cloned"], found["refined"], found["fixed"], found["broken"]) == (10, 16, 8, 2)
    assert ("--override-trust 'few held-out failures'" in found["command"]) is bool(reason)


@pytest.mark.parametrize(
    ("task", "bench", "other"), [("press_button", "metaworld", "twin"), ("door-lock-v3", "twin", "metaworld")]
)
def test_a_demo_of_the_other_bench_is_refused(tmp_path: Path, task: str, bench: str, other: str) -> None:
    folder = demo(tmp_path, task=task)
    assert refine_runs.record(folder, other)["task"] == task
    with pytest.raises(DataError, match=f"a demo on the {other} bench; .*results.{other}_refine"):
        refine_runs.record(folder, bench)


def row(seed: int, *, date: str, policy: int = 300, exploratory: bool = False) -> dict:
    """A record as it lies in the file, ten points better than its clone."""
    counts = {"episodes": 20, "cloned": 10, "refined": 12, "fixed": 4, "broken": 2}
    return {
        "task": "press_button", "seed": seed, "refused": False, "exploratory": exploratory, "sizes": {"policy": policy},
        "measured": {"date": date}, **counts,
    }  # fmt: skip


def test_records_are_never_forgotten_and_gathered_again_only_once() -> None:
    old, other = row(0, date="2026-01-01"), row(1, date="2026-01-01")
    again, newer = dict(old, refined=13), row(0, date="2026-01-02", policy=450)
    assert refine_runs.merged([other, old], [again, newer]) == [again, newer, other]


def test_there_is_one_mean_for_each_recipe_and_none_for_explorations() -> None:
    rows = [row(0, date="1"), row(1, date="1"), row(0, date="2", policy=450), row(2, date="3", exploratory=True)]
    found = refine_runs.summary(rows)
    assert [(one["sizes"]["policy"], one["seeds"]) for one in found] == [(300, [0, 1]), (450, [0])]
    assert found[0]["mean_difference"] == pytest.approx(0.1)


def test_a_second_round_is_a_record_of_its_own_against_the_clone(tmp_path: Path) -> None:
    folder = demo(tmp_path)
    written = {
        "data/policy-2/meta/info.json": {"total_episodes": 150},
        "evaluation-2/evaluation.json": {
            "date": "2026-01-02", "machine": "a machine", "settings": {"episodes": 20},
            "comparisons": {"refined-2": {
                "counts": {"both": 10, "fixed": 9, "broken": 0, "neither": 1},
                "difference": {"estimate": 0.45, "low": 0.2, "high": 0.65},
            }},
        },
    }  # fmt: skip
    write(folder, written)
    state = {"kind": "policy", "provenance": {"gate": {"gate_agreement": 0.8}}}
    save_state(folder / "refined/round-2/refined/model.safetensors", state)
    first, second = refine_runs.records(folder, "metaworld")
    assert first["refined"] == 16 and (second["cloned"], second["refined"]) == (10, 19)
    assert second["command"].endswith("--rounds 2") and second["sizes"]["policy_2"] == 150
    counted = [row | {"exploratory": False} for row in (first, second)]
    assert len(refine_runs.summary(counted)) == 2, "another recipe"


def test_sizes_name_what_most_recipes_share_only_where_it_differs(tmp_path: Path) -> None:
    folder = demo(tmp_path)
    usual = {"std", "policy_noise", "architecture", "iterations", "envs", "average"}
    assert not usual & refine_runs.record(folder, "metaworld")["sizes"].keys()
    write(folder, {
        "refined/config.json": {"iterations": 15, "average": True, "imagination": {"envs": 256}, "ppo": {"std": 0.1}},
        "world-model/config.json": {"held_out": 0.2, "steps": 9, "architecture": "paper"},
    })  # fmt: skip
    found = refine_runs.record(folder, "metaworld")
    assert {key: found["sizes"][key] for key in usual - {"policy_noise"}} == {
        "std": 0.1, "architecture": "paper", "iterations": 15, "envs": 256, "average": True,
    }  # fmt: skip
    assert found["exploratory"]
    assert "--preset paper --world-model-steps 9" in found["command"]
