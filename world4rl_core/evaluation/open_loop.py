"""How fast imagination drifts: errors of open-loop replays by the number of steps since the last real frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from world4rl_core.errors import DataError
from world4rl_core.evaluation.metrics import Metric
from world4rl_core.evaluation.resampling import bootstrap_mean
from world4rl_core.evaluation.statistics import Interval
from world4rl_core.evaluation.video import Film


@dataclass(frozen=True)
class ReplayedEpisode:
    """A recorded episode and the world model's account of it, given its first frame and all its actions.

    real, imagined: frames 0..N, frame 0 the same in both; really_succeeded, imagined_success: the episode's outcomes;
    peak_probability: highest success probability of an imagined frame.
    """

    episode: int
    source: str
    real: Film
    imagined: Film
    really_succeeded: bool
    imagined_success: bool
    peak_probability: float

    def __post_init__(self) -> None:
        if self.real.shape != self.imagined.shape:
            raise DataError(
                f"episode {self.episode}: real frames {self.real.shape} and imagined {self.imagined.shape} differ"
            )


@dataclass(frozen=True)
class HorizonError:
    """One metric, `horizon` steps into the imagination, over the episodes of one source that last so long.

    still: the same metric for a world model that repeats the first frame: the score to beat.
    """

    source: str
    metric: str
    horizon: int
    episodes: int
    error: Interval
    still: Interval


def horizons_up_to(steps: int) -> tuple[int, ...]:
    """1, 2, 5, then every fifth step, at most `steps`."""
    return tuple(horizon for horizon in (1, 2, *range(5, steps + 1, 5)) if horizon <= steps)


def errors_by_horizon(
    episodes: Sequence[ReplayedEpisode], metrics: Sequence[Metric], *, rng: np.random.Generator
) -> list[HorizonError]:
    """Errors per source, metric and horizon with bootstrap intervals over episodes."""
    out = []
    for source in sorted({episode.source for episode in episodes}):
        chosen = [episode for episode in episodes if episode.source == source]
        for horizon in horizons_up_to(max(len(episode.real) for episode in chosen) - 1):
            lasting = [episode for episode in chosen if len(episode.real) > horizon]
            real = _stack([episode.real[horizon] for episode in lasting])
            imagined = _stack([episode.imagined[horizon] for episode in lasting])
            first = _stack([episode.real[0] for episode in lasting])
            for metric in metrics:
                error = bootstrap_mean(metric.compute(real, imagined).numpy(), rng=rng)
                still = bootstrap_mean(metric.compute(real, first).numpy(), rng=rng)
                out.append(HorizonError(source, metric.name, horizon, len(lasting), error, still))
    return out


def squared_errors(episodes: Sequence[ReplayedEpisode], *, horizon: int) -> np.ndarray:
    """Mean squared error of each episode over its first `horizon` imagined frames; pixels in 0..1."""
    return np.array([_mean_square(item.real, item.imagined, horizon=horizon) for item in episodes])


def still_errors(episodes: Sequence[ReplayedEpisode], *, horizon: int) -> np.ndarray:
    """The same for a world model that repeats the first frame."""
    return np.array([_mean_square(item.real, item.real[:1], horizon=horizon) for item in episodes])


def _mean_square(real: np.ndarray, other: np.ndarray, *, horizon: int) -> float:
    wanted = real[1 : horizon + 1].astype(np.float32)
    got = (other[1 : horizon + 1] if len(other) > 1 else other).astype(np.float32)
    return float(np.square((wanted - got) / 255).mean())


def _stack(frames: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.stack(frames)))
