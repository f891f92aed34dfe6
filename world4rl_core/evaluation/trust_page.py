"""The trust report on disk: one HTML page that needs nothing else, and its numbers, figures and films beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from world4rl_core.config_json import to_json
from world4rl_core.evaluation import figures, page
from world4rl_core.evaluation.assessment import TrustReport
from world4rl_core.evaluation.open_loop import ReplayedEpisode
from world4rl_core.evaluation.provenance import Provenance
from world4rl_core.evaluation.video import comparison_strip, side_by_side, write_mp4, write_png
from world4rl_core.nets.checkpoint import write_atomically


@dataclass(frozen=True)
class Film:
    """One replayed episode on the page."""

    title: str
    strip: str
    video: str


def write(
    folder: Path,
    *,
    report: TrustReport,
    replayed: Sequence[ReplayedEpisode],
    films: int,
    fps: float,
    settings: Any,
    provenance: Provenance,
) -> Path:
    """Write trust.json, figures/, films/ and, last, trust.html, whose path is returned."""
    pictures = {}
    for name, content in _draw(report, replayed).items():
        write_atomically(folder / "figures" / f"{name}.png", content)
        pictures[name] = page.embed(content)
    shown = [_film(folder / "films", item, fps=fps) for item in most_telling(replayed, films)]
    numbers = to_json(report) | {
        "outcomes": {source: confusion.summary() for source, confusion in report.outcomes.items()},
        "classifier_on_real": report.classifier_on_real.summary(),
        "closed_loop": report.closed_loop.summary() if report.closed_loop is not None else None,
        "settings": settings,
        "provenance": provenance,
    }
    page.write_json(folder / "trust.json", numbers)
    html = page.render(
        "trust.html.jinja",
        report=report,
        pictures=pictures,
        films=shown,
        lpips=any("LPIPS" in item.metric for item in report.open_loop),
        settings=json.dumps(to_json(settings), indent=1),
        provenance=provenance,
    )
    write_atomically(folder / "trust.html", html.encode())
    return folder / "trust.html"


def most_telling(replayed: Sequence[ReplayedEpisode], count: int) -> list[ReplayedEpisode]:
    """Up to `count` episodes in turn from: false successes, false failures, true successes, true failures."""
    kinds: dict[tuple[bool, bool], list[ReplayedEpisode]] = {}
    for item in replayed:
        kinds.setdefault((item.really_succeeded, item.imagined_success), []).append(item)
    order = [kinds.get(kind, []) for kind in ((False, True), (True, False), (True, True), (False, False))]
    longest = max(map(len, order), default=0)
    turns = [(turn, kind) for turn in range(longest) for kind in range(4) if turn < len(order[kind])]
    return [order[kind][turn] for turn, kind in sorted(turns[:count], key=lambda pair: (pair[1], pair[0]))]


def _draw(report: TrustReport, replayed: Sequence[ReplayedEpisode]) -> dict[str, bytes]:
    real = [item.really_succeeded for item in replayed]
    peaks = [item.peak_probability for item in replayed]
    drawn = {
        "open_loop": figures.open_loop(report.open_loop),
        "peak_probability": figures.peak_probability(real, peaks, threshold=report.threshold),
        "shuffle": figures.shuffled_actions(report.shuffle.own, report.shuffle.shuffled),
        "uncertainty": figures.uncertainty(report.uncertainty.spread, report.uncertainty.error),
    }
    if report.checkpoints:
        drawn["checkpoints"] = figures.checkpoints(report.checkpoints)
    return drawn


def _film(folder: Path, item: ReplayedEpisode, *, fps: float) -> Film:
    outcomes = ["failure", "success"]
    real, imagined = outcomes[item.really_succeeded], outcomes[item.imagined_success]
    title = f"episode {item.episode} ({item.source}): real {real}, imagined {imagined}"
    strip = write_png(
        folder / f"{item.episode:05d}.png", comparison_strip(item.real, item.imagined, fps=fps, title=title)
    )
    beside = side_by_side({f"real: {real}": item.real, f"imagined: {imagined}": item.imagined})
    video = write_mp4(folder / f"{item.episode:05d}.mp4", beside, fps=fps)
    return Film(title, strip=page.embed_file(strip), video=page.embed_file(video))
