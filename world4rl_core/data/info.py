"""`world4rl data info`: what a dataset holds, as a short table."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from world4rl_core.data.layout import PARTIAL, QUARANTINE
from world4rl_core.data.reader import DatasetReader


def info(root: Path) -> str:
    """Format, content, cameras, and episodes by source and outcome. Raises DataError when `root` is no dataset."""
    reader = DatasetReader(root)
    facts = {
        "dataset": str(reader.root),
        "format": f"LeRobotDataset {reader.info['codebase_version']}",
        "robot": reader.info.get("robot_type") or "unknown",
        "content": _content(reader),
        "cameras": ", ".join(_camera(reader, camera) for camera in reader.cameras),
        "vectors": f"action {reader.action_dim}, state {reader.state_dim}",
        "hash": reader.content_hash()[:16],
    }
    aside = _aside(reader.root)
    if aside:
        facts["set aside"] = aside
    width = max(map(len, facts)) + 2
    lines = [f"{name:{width}}{value}" for name, value in facts.items()]
    return "\n".join([*lines, "", *_episodes_by_source(reader)])


def _content(reader: DatasetReader) -> str:
    lengths = reader.lengths
    span = (
        f"{lengths.min()} to {lengths.max()} rows each" if lengths.min() < lengths.max() else f"{lengths[0]} rows each"
    )
    size = sum((reader.root / path).stat().st_size for path in reader.files())
    return (
        f"{reader.num_episodes} episodes, {lengths.sum()} rows ({span}) at {reader.fps:g} fps, "
        f"{np.sum(lengths) / reader.fps / 60:.1f} min, {size / 2**20:.1f} MiB"
    )


def _camera(reader: DatasetReader, camera: str) -> str:
    height, width = reader.image_size(camera)
    return f"{camera} {height}x{width} {reader.features[reader.camera_keys([camera])[camera]]['dtype']}"


def _aside(root: Path) -> str:
    found = []
    for name, what in ((QUARANTINE, "quarantined"), (PARTIAL, "interrupted")):
        folder = root / name
        count = sum(1 for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else 0
        if count:
            found.append(f"{count} {what} in {name}/")
    return ", ".join(found)


def _episodes_by_source(reader: DatasetReader) -> list[str]:
    """One line for each task and source: number of episodes of each outcome."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for task, source, outcome in _labels(reader):
        counts[task, source, outcome.split(":")[0]] += 1
    outcomes = sorted({outcome for _, _, outcome in counts})
    table = [["task", "source", "episodes", *outcomes]]
    for task, source in sorted({key[:2] for key in counts}):
        numbers = [counts[task, source, outcome] for outcome in outcomes]
        table.append([task, source, str(sum(numbers)), *map(str, numbers)])
    return _aligned(table)


def _labels(reader: DatasetReader) -> list[tuple[str, str, str]]:
    rows = []
    for index in range(reader.num_episodes):
        told = reader.labels(index)
        rows.append((told["task"], told["source"], told["outcome"]))
    return rows


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(cell.ljust(width) if column < 2 else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in table)
    ]
