"""`world4rl data check`: look for every fault that would make a dataset lie or fail, without changing a file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from world4rl_core import progress
from world4rl_core.data.layout import INFO, PARTIAL, STATS, TASKS, read_info
from world4rl_core.data.reader import DatasetReader
from world4rl_core.data.recording import recording_problems
from world4rl_core.data.records import metadata_files, read_metadata_rows, to_record
from world4rl_core.data.stats import Stats, from_json, merge_all, vector_stats
from world4rl_core.data.video import count_frames
from world4rl_core.errors import DataError

TIME_TOLERANCE_S = 1e-4
STAT_TOLERANCE = 1e-4
DATA_FOLDERS = ("data", "videos", "meta/episodes")
NUMERIC = ("float", "int", "uint", "bool")


@dataclass(frozen=True)
class Problem:
    """One fault: the file or episode it is in, and what is wrong with it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def check(root: Path) -> list[Problem]:
    """Every fault of the dataset; an empty list means that what the recorder guarantees holds.

    Counts and indices, contiguous rows, time stamps, finite numbers, actions in [-1, 1], decodable frames of the stated
    size, files that are missing, not referred to or left over, and statistics; for a robot's recording also that its
    rows, cameras and states belong together. Raises DataError only when `root` is not
    a dataset at all.
    """
    root = Path(root)
    read_info(root)
    problems = list(_left_over_files(root))
    try:
        reader = DatasetReader(root)
    except DataError as error:
        return [*problems, Problem("meta", str(error))]
    problems += _counts(reader)
    measured: dict[str, Stats] = {}
    for index in progress.bar(range(reader.num_episodes), desc="checking", unit="episode", leave=False):
        try:
            reader.episode(index)
        except DataError as error:
            problems.append(Problem(f"episode {index}", str(error).removeprefix(f"{root}: episode {index}: ")))
        try:
            columns = reader.columns(index, _numeric_features(reader))
        except DataError as error:
            problems.append(Problem(f"episode {index}", str(error)))
            continue
        problems += _episode(reader, index, columns)
        problems += [Problem(f"episode {index}", what) for what in recording_problems(reader, index, columns)]
        measured = merge_all(measured, {key: vector_stats(values) for key, values in columns.items()})
    return _unique([*problems, *_videos(reader), *_statistics(reader, measured)])


def _numeric_features(reader: DatasetReader) -> list[str]:
    """Features that are plain numbers: neither frames nor text."""
    cameras = set(reader.camera_keys().values())
    return [
        key
        for key, feature in reader.features.items()
        if key not in cameras and str(feature["dtype"]).startswith(NUMERIC) and len(feature["shape"]) == 1
    ]


def _unique(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def _counts(reader: DatasetReader) -> Iterator[Problem]:
    """The totals of info.json against meta/episodes and meta/tasks.parquet."""
    rows = int(reader.lengths.sum())
    if reader.info["total_frames"] != rows:
        yield Problem(str(INFO), f"total_frames is {reader.info['total_frames']}, the episodes add up to {rows}")
    if reader.info.get("total_tasks", len(reader.tasks)) != len(reader.tasks):
        yield Problem(str(INFO), f"total_tasks is {reader.info['total_tasks']}, {TASKS} has {len(reader.tasks)}")
    first_row = 0
    for record in reader.records:
        if record.first_row != first_row:
            yield Problem(f"episode {record.index}", f"starts at row {record.first_row}, wanted {first_row}")
        first_row = record.first_row + record.length


def _episode(reader: DatasetReader, index: int, columns: dict[str, np.ndarray]) -> Iterator[Problem]:
    """Indices, time stamps and numbers of one episode."""
    record = reader.records[index]
    where = f"episode {index}"
    counter = np.arange(record.length)
    wanted = {"frame_index": counter, "index": record.first_row + counter, "timestamp": counter / reader.fps}
    for key, expected in wanted.items():
        if key not in columns:
            yield Problem(where, f"has no column '{key}'")
            continue
        tolerance = TIME_TOLERANCE_S + 1e-6 * expected if key == "timestamp" else 0
        wrong = ~(np.abs(columns[key][:, 0] - expected) <= tolerance)
        if wrong.any():
            row = int(wrong.argmax())
            yield Problem(where, f"{key} is {columns[key][row, 0]:g} at row {row}, wanted {expected[row]:g}")
    tasks = columns.get("task_index", np.zeros((1, 1)))
    if tasks.min() < 0 or tasks.max() >= max(1, len(reader.tasks)):
        yield Problem(where, f"task_index reaches {tasks.max():g}, {TASKS} has {len(reader.tasks)} tasks")
    if "action.requested" in columns and columns["action"][-1].any():
        yield Problem(where, "action of the last row is not zero, though no frame follows it")
    for key, values in columns.items():
        bad = ~np.isfinite(values)
        if bad.any():
            yield Problem(where, f"{key} is NaN or infinite at row {int(bad.any(axis=1).argmax())}")


def _videos(reader: DatasetReader) -> Iterator[Problem]:
    """Each video holds as many frames as the episodes that refer to it."""
    wanted: dict[Path, int] = {}
    for record in reader.records:
        for span in record.videos.values():
            wanted[span.path] = wanted.get(span.path, 0) + record.length
    for path, rows in wanted.items():
        try:
            frames = count_frames(reader.root / path)
        except DataError as error:
            yield Problem(str(path), str(error))
            continue
        if frames != rows:
            yield Problem(str(path), f"{frames} frames decode, its episodes have {rows} rows")


def _statistics(reader: DatasetReader, measured: dict[str, Stats]) -> Iterator[Problem]:
    """meta/stats.json against what the rows say; images are sampled, so only their count is known to be wrong."""
    try:
        stated = from_json(json.loads((reader.root / STATS).read_text()))
    except (OSError, ValueError, AttributeError) as error:
        yield Problem(str(STATS), f"cannot be read ({error}); lerobot normalises with it")
        return
    for key, parts in measured.items():
        if key not in stated:
            yield Problem(str(STATS), f"has no statistics of '{key}'")
            continue
        for name in ("count", "min", "max", "mean", "std"):
            got, wanted = stated[key].get(name), parts[name]
            if (
                got is None
                or got.shape != wanted.shape
                or not np.allclose(got, wanted, rtol=STAT_TOLERANCE, atol=STAT_TOLERANCE, equal_nan=True)
            ):
                yield Problem(str(STATS), f"{name} of '{key}' is {_short(got)}, the rows give {_short(wanted)}")


def _short(values: np.ndarray | None) -> str:
    return "absent" if values is None else np.array2string(values.ravel()[:4].astype(float), precision=4)


def _left_over_files(root: Path) -> Iterator[Problem]:
    """Files that no counted episode refers to, files that are missing, and what an interrupted recorder left."""
    partial = root / PARTIAL
    for path in sorted(partial.iterdir()) if partial.is_dir() else []:
        what = "was left by an interrupted recorder; recording into the folder repairs it"
        yield Problem(f"{PARTIAL}/{path.name}", what)
    known: set[Path] = set()
    for path in metadata_files(root):
        try:
            known |= _referred_by(root, path)
        except DataError as error:
            yield Problem(str(path.relative_to(root)), str(error))
    present = {
        path.relative_to(root) for folder in DATA_FOLDERS for path in (root / folder).rglob("*") if path.is_file()
    }
    for path in sorted(present - known):
        yield Problem(str(path), "no counted episode refers to this file")
    for path in sorted(known - present):
        yield Problem(str(path), "is missing, but an episode refers to it")


def _referred_by(root: Path, metadata: Path) -> set[Path]:
    """Data, video and metadata files of the counted episodes in one meta/episodes file, relative to the root."""
    info = read_info(root)
    records = [to_record(row, info, metadata) for row in read_metadata_rows(metadata)]
    known: set[Path] = set()
    for record in records:
        if record.index < info["total_episodes"]:
            known |= {metadata.relative_to(root), record.data_path, *(span.path for span in record.videos.values())}
    return known
