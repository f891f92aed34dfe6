"""One page about a whole run of the loop: collection, cloning, world model, trust, refinement and the real result."""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from world4rl_core.config_json import to_json
from world4rl_core.data.reader import DatasetReader
from world4rl_core.errors import DataError
from world4rl_core.evaluation import figures, page
from world4rl_core.evaluation.provenance import provenance
from world4rl_core.evaluation.run_log import Row, last_of, line_of, panels_of, read_log
from world4rl_core.evaluation.statistics import Interval
from world4rl_core.nets.checkpoint import write_atomically

CLONING = {"behaviour cloning loss": {"training": "loss", "held out": "held_out_loss"}}
WORLD_MODEL = {"denoising loss": {"": "loss"}, "gradient norm": {"": "grad_norm"}, "learning rate": {"": "lr"}}
REWARD = {"classification loss": {"": "loss"}}
REFINEMENT = {
    "imagined success": {"mean action": "imagined_success", "with exploration noise": "imagined_success_noisy"},
    "KL to the cloned policy": {"": "kl_clone"},
    "uncertainty": {"mean action": "uncertainty", "with exploration noise": "uncertainty_noisy"},
    "KL of one update": {"": "kl_step"},
    "value loss": {"": "value_loss"},
    "value": {"": "value"},
}
REWARD_FIGURES = {
    "threshold": "threshold",
    "precision": "precision on held-out real frames",
    "recall": "recall on held-out real frames",
    "false_positive_rate": "false positives among negative real frames",
    "calibration_error": "calibration error on real frames",
    "imagined_agreement": "imagined and real outcome agree (held-out replays)",
    "imagined_success": "success rate of the replays, imagined",
    "real_success": "success rate of the same episodes, real",
}
STRIPS, FILMS = 3, 6


@dataclass(frozen=True)
class Folders:
    """Where the parts of one run lie. What is None, or not there yet, the page says is missing."""

    datasets: tuple[Path, ...] = ()
    clone: Path | None = None
    world_model: Path | None = None
    reward: Path | None = None
    trust: Path | None = None
    refined: Path | None = None
    evaluation: Path | None = None


@dataclass(frozen=True)
class Collected:
    """Episodes of one source in one dataset."""

    task: str
    source: str
    episodes: int
    successes: int
    transitions: int


def write_report(out: Path, folders: Folders, *, title: str, now: datetime) -> Path:
    """Write the page to `out` and return it. Raises DataError for a part that exists and cannot be read."""
    trust, evaluation = _json(folders.trust, "trust.json"), _json(folders.evaluation, "evaluation.json")
    logs = {
        name: read_log(folder) if folder is not None else []
        for name, folder in dataclasses.asdict(folders).items()
        if name in ("clone", "world_model", "reward", "refined")
    }
    parts = {
        "collected": collection(folders.datasets),
        "cloning": _curves(logs["clone"], CLONING),
        "world_model": _curves(logs["world_model"], WORLD_MODEL),
        "reward": _curves(logs["reward"], REWARD),
        "refinement": _curves(logs["refined"], REFINEMENT, xlabel="iteration"),
        "trust": trust,
        "evaluation": evaluation,
    }
    promised = line_of(logs["refined"], "imagined_success")[1]
    html = page.render(
        "report.html.jinja",
        title=title,
        missing=[name.replace("_", " ") for name, part in parts.items() if not part],
        **parts,
        rates={name: Interval(**rate) for name, rate in (evaluation or {}).get("rates", {}).items()},
        comparisons=_comparisons(evaluation),
        success_figure=_success_figure(evaluation),
        promised=(promised[0], promised[-1]) if promised else None,
        reward_figures=_named(last_of(logs["reward"]), REWARD_FIGURES),
        films=_embedded(folders.evaluation, "films/*.mp4", most=FILMS),
        strips=_embedded(folders.trust, "films/*.png", most=STRIPS),
        drift=next(iter(_embedded(folders.trust, "figures/open_loop.png", most=1)), None),
        provenance=provenance(now),
        settings=json.dumps(to_json(folders), indent=1),
    )
    write_atomically(out, html.encode())
    return out


def collection(datasets: Sequence[Path]) -> list[Collected]:
    """Episodes, successes and transitions of every dataset that is there, by task and source."""
    episodes: Counter[tuple[str, str]] = Counter()
    successes: Counter[tuple[str, str]] = Counter()
    transitions: Counter[tuple[str, str]] = Counter()
    for root in datasets:
        if not (root / "meta" / "info.json").is_file():
            continue
        reader = DatasetReader(root)
        for index, rows in enumerate(reader.lengths.tolist()):
            told = reader.labels(index)
            key = (told["task"], told["source"])
            episodes[key] += 1
            successes[key] += told["outcome"] == "success"
            transitions[key] += rows - 1
    return [Collected(*key, episodes[key], successes[key], transitions[key]) for key in sorted(episodes)]


def _comparisons(evaluation: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Each later policy against the first, with a sentence that says what the interval allows to say."""
    out = []
    for name, item in (evaluation or {}).get("comparisons", {}).items():
        gain = Interval(**item["difference"])
        first = next(iter(evaluation["rates"])) if evaluation else ""
        if gain.low > 0:
            verdict, mood = f"{name} succeeds more often than {first}", "good"
        elif gain.high < 0:
            verdict, mood = f"{name} succeeds less often than {first}", "bad"
        else:
            verdict, mood = f"{name} and {first} cannot be told apart", "note"
        out.append({"name": name, "first": first, "gain": gain, "verdict": verdict, "mood": mood, **item})
    return out


def _success_figure(evaluation: Mapping[str, Any] | None) -> str | None:
    if not evaluation:
        return None
    rates = {name: Interval(**rate) for name, rate in evaluation["rates"].items()}
    return page.embed(figures.success_rates(rates))


def _curves(rows: Sequence[Row], wanted: Mapping[str, Mapping[str, str]], *, xlabel: str = "step") -> str | None:
    panels = panels_of(rows, wanted)
    return page.embed(figures.curves(panels, xlabel=xlabel)) if panels else None


def _named(values: Row, names: Mapping[str, str]) -> dict[str, float]:
    return {names[key]: value for key, value in values.items() if key in names}


def _embedded(folder: Path | None, pattern: str, *, most: int) -> list[str]:
    if folder is None:
        return []
    return [page.embed_file(path) for path in sorted(folder.glob(pattern))[:most]]


def _json(folder: Path | None, name: str) -> dict[str, Any] | None:
    if folder is None or not (folder / name).is_file():
        return None
    try:
        return json.loads((folder / name).read_text())
    except ValueError as error:
        raise DataError(f"{folder / name}: damaged ({error}); delete it and run its command again") from error
