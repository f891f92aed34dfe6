"""Statistics per feature as LeRobot stores them: per episode in meta/episodes, aggregated in meta/stats.json."""

from typing import Any

import numpy as np

Stats = dict[str, np.ndarray]
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
STAT_NAMES = ("min", "max", "mean", "std", "count", *QUANTILES)
MOST_FRAMES = 100
MOST_PIXELS_ALONG_A_SIDE = 150


def vector_stats(values: np.ndarray) -> Stats:
    """Statistics over the rows of (rows,) or (rows, k): float64 (k,) each, k = 1 for (rows,), and count int64 (1,)."""
    table = values.reshape(len(values), -1).astype(np.float64)
    quantiles = np.quantile(table, list(QUANTILES.values()), axis=0)
    return {
        "min": table.min(axis=0),
        "max": table.max(axis=0),
        "mean": table.mean(axis=0),
        "std": table.std(axis=0),
        "count": np.array([len(table)], dtype=np.int64),
        **dict(zip(QUANTILES, quantiles, strict=True)),
    }


def image_stats(frames: np.ndarray) -> Stats:
    """Statistics per channel of uint8 (rows, h, w, 3) on the scale [0, 1], (3, 1, 1) each; sampled when long."""
    rows = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES)).round().astype(np.int64))
    stride = max(1, max(frames.shape[1:3]) // MOST_PIXELS_ALONG_A_SIDE)
    sample = frames[rows][:, ::stride, ::stride]
    levels = np.arange(256) / 255.0
    histogram = np.stack([np.bincount(sample[..., c].ravel(), minlength=256) for c in range(3)])
    share = histogram / histogram.sum(axis=1, keepdims=True)
    mean = share @ levels
    cumulative = share.cumsum(axis=1)
    stats = {
        "min": levels[(histogram > 0).argmax(axis=1)],
        "max": levels[255 - (histogram[:, ::-1] > 0).argmax(axis=1)],
        "mean": mean,
        "std": np.sqrt(np.maximum(share @ levels**2 - mean**2, 0)),
    }
    stats |= {name: levels[(cumulative >= q - 1e-12).argmax(axis=1)] for name, q in QUANTILES.items()}
    stats = {name: value.reshape(3, 1, 1) for name, value in stats.items()}
    return stats | {"count": np.array([len(rows)], dtype=np.int64)}


def merge_stats(first: Stats, second: Stats) -> Stats:
    """Statistics of both samples together; quantiles become an envelope, since they cannot be merged exactly."""
    counts = float(first["count"][0]), float(second["count"][0])
    total = sum(counts)
    shares = counts[0] / total, counts[1] / total
    mean = shares[0] * first["mean"] + shares[1] * second["mean"]
    variance = sum(
        share * (part["std"] ** 2 + (part["mean"] - mean) ** 2)
        for share, part in zip(shares, (first, second), strict=True)
    )
    merged = {
        "min": np.minimum(first["min"], second["min"]),
        "max": np.maximum(first["max"], second["max"]),
        "mean": mean,
        "std": np.sqrt(variance),
        "count": first["count"] + second["count"],
    }
    for name, quantile in QUANTILES.items():
        envelope = np.minimum if quantile <= 0.5 else np.maximum
        merged[name] = envelope(first[name], second[name])
    return merged


def merge_all(first: dict[str, Stats], second: dict[str, Stats]) -> dict[str, Stats]:
    """Merge feature by feature; a feature only one side has is kept as it is."""
    both = first | second
    return {
        key: merge_stats(first[key], second[key]) if key in first and key in second else value
        for key, value in both.items()
    }


def to_json(stats: dict[str, Stats]) -> dict[str, dict[str, Any]]:
    return {key: {name: value.tolist() for name, value in part.items()} for key, part in stats.items()}


def from_json(stats: dict[str, dict[str, Any]]) -> dict[str, Stats]:
    return {
        key: {name: np.atleast_1d(np.asarray(value)) for name, value in part.items()} for key, part in stats.items()
    }
