"""Training windows out of a frame cache: random, reproducible per step, without a Python loop over frames."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import DataError


@dataclass(frozen=True, eq=False)
class SegmentBatch:
    """`history` frames and the `horizon` frames that follow them; where the history reaches before the episode,
    the first frame is repeated, its action is 0 and its mask False."""

    frames: Tensor  # uint8 (b, history + horizon, h, w, 3); with `first_frame` one more, the episode's first, before it
    actions: Tensor  # float32 (b, history + horizon - 1, d); actions[:, -i] was taken at frames[:, -1 - i]
    mask: Tensor  # bool (b, history + horizon)
    success: Tensor  # bool (b, history + horizon)


class RowBatch(NamedTuple):
    """Single frames with the action taken at them."""

    frames: Tensor  # uint8 (b, h, w, 3)
    actions: Tensor  # float32 (b, d)
    requested: Tensor  # float32 (b, d)
    success: Tensor  # bool (b,)
    rows: Tensor  # int64 (b,): row in the cache


class SegmentSampler:
    """Segments of `episodes`, each anchor (last history frame) equally likely.

    Raises DataError for an episode shorter than the history or than horizon + 1 frames, unless `drop_short`.
    """

    def __init__(
        self,
        cache: FrameCache,
        episodes: np.ndarray,
        *,
        history: int,
        horizon: int,
        seed: int,
        first_frame: bool = False,
        drop_short: bool = False,
    ) -> None:
        if history < 1 or horizon < 0:
            raise DataError(f"a segment needs history >= 1 and horizon >= 0, got {history} and {horizon}")
        episodes = _checked_ids(cache, episodes)
        episodes = _long_enough(cache, episodes, rows=max(history, horizon + 1), drop_short=drop_short)
        self.history = history
        self.horizon = horizon
        self.first_frame = first_frame
        self.seed = seed
        self._cache = cache
        self._frames = np.asarray(cache.frames)
        self._starts = cache.starts[episodes]
        self._ends = np.cumsum(cache.lengths[episodes] - horizon)  # of the anchors of each episode

    @property
    def num_anchors(self) -> int:
        """Number of different segments."""
        return int(self._ends[-1])

    def sample(self, batch: int, *, step: int, rank: int = 0, world_size: int = 1) -> SegmentBatch:
        """The rows of `rank` out of the global batch of `batch * world_size` segments that (seed, step) defines."""
        anchors = _draw(self.num_anchors, self.seed, batch, step=step, rank=rank, world_size=world_size)
        return self.segments(anchors)

    def segments(self, anchors: np.ndarray) -> SegmentBatch:
        """The segments of these anchors, int64 (b,) in [0, num_anchors), counted over the episodes in order."""
        episode = np.searchsorted(self._ends, anchors, side="right")
        first_anchor = np.concatenate([[0], self._ends[:-1]])[episode]
        time = (anchors - first_anchor)[:, None] + np.arange(1 - self.history, self.horizon + 1)
        mask = time >= 0
        rows = self._starts[episode][:, None] + np.maximum(time, 0)
        actions = self._cache.actions[rows[:, :-1]] * mask[:, :-1, None]
        shown = np.concatenate([self._starts[episode][:, None], rows], axis=1) if self.first_frame else rows
        return SegmentBatch(
            frames=torch.from_numpy(self._frames[shown]),
            actions=torch.from_numpy(actions),
            mask=torch.from_numpy(mask),
            success=torch.from_numpy(self._cache.success[rows] & mask),
        )


class RowSampler:
    """Single rows of `episodes`, each equally likely: rows with an action, or with `last_rows` every frame."""

    def __init__(self, cache: FrameCache, episodes: np.ndarray, *, seed: int, last_rows: bool = False) -> None:
        episodes = _checked_ids(cache, episodes)
        self.seed = seed
        self._cache = cache
        self._frames = np.asarray(cache.frames)
        kept = np.zeros(cache.num_rows, dtype=bool)
        for episode in episodes:
            kept[cache.rows(int(episode))] = True
        if not last_rows:
            kept[cache.starts[1:] - 1] = False
        self.rows = np.flatnonzero(kept)

    def sample(self, batch: int, *, step: int, rank: int = 0, world_size: int = 1) -> RowBatch:
        """The rows of `rank` out of the global batch of `batch * world_size` rows that (seed, step) defines."""
        drawn = _draw(len(self.rows), self.seed, batch, step=step, rank=rank, world_size=world_size)
        rows = self.rows[drawn]
        return RowBatch(
            frames=torch.from_numpy(self._frames[rows]),
            actions=torch.from_numpy(self._cache.actions[rows]),
            requested=torch.from_numpy(self._cache.requested[rows]),
            success=torch.from_numpy(self._cache.success[rows]),
            rows=torch.from_numpy(rows),
        )


def _draw(count: int, seed: int, batch: int, *, step: int, rank: int, world_size: int) -> np.ndarray:
    if batch < 1 or not 0 <= rank < world_size:
        raise DataError(f"wanted batch >= 1 and 0 <= rank < world_size, got {batch}, {rank} and {world_size}")
    drawn = np.random.default_rng([seed, step]).integers(0, count, size=batch * world_size)
    return drawn[rank * batch : (rank + 1) * batch]


def _checked_ids(cache: FrameCache, episodes: np.ndarray) -> np.ndarray:
    episodes = np.asarray(episodes, dtype=np.int64)
    if not len(episodes):
        raise DataError("no episodes to sample from; the split left none, record more")
    if episodes.min() < 0 or episodes.max() >= cache.num_episodes:
        raise DataError(f"episode ids must lie in [0, {cache.num_episodes}), got {episodes.min()} to {episodes.max()}")
    return episodes


def _long_enough(cache: FrameCache, episodes: np.ndarray, *, rows: int, drop_short: bool) -> np.ndarray:
    lengths = cache.lengths[episodes]
    short = lengths < rows
    if short.any() and not drop_short:
        raise DataError(
            f"{int(short.sum())} of {len(episodes)} episodes are shorter than a segment needs ({rows} frames for this "
            f"history and horizon); episode {episodes[short][0]} has {lengths[short][0]}. Lower --history or "
            "--loss.unroll, or leave short episodes out with --drop-short"
        )
    if short.all():
        raise DataError(f"every episode is shorter than {rows} frames; lower the history or the horizon")
    return episodes[~short]
