"""Where imagined episodes begin: recorded initial states, and recorded moments inside episodes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from world4rl_core.errors import ConfigError, DataError
from world4rl_core.nets.image import to_frames
from world4rl_core.types import Actions, History

if TYPE_CHECKING:
    from world4rl_core.data.cache import FrameCache


@dataclass(frozen=True)
class StartBatch:
    """Recorded histories; the action slot of the newest frame is empty (0) until the policy acts."""

    frames: History
    """With `first_frame` one more than `actions`: before the history stands the episode's first frame."""
    actions: Actions
    time: Int[Tensor, " batch"]


class Starts:
    """Draws starts from the cached episodes `episodes`.

    A share `inside` of them are moments within an episode at which it had not succeeded yet (key frames), so that
    the far end of a task is practised too; the rest are initial states.
    """

    def __init__(
        self, cache: "FrameCache", episodes: np.ndarray, *, history: int, first_frame: bool = False, horizon: int,
        inside: float = 0.0,
    ) -> None:  # fmt: skip
        if len(episodes) == 0:
            raise DataError("imagination needs at least one recorded episode to start from")
        if not 0.0 <= inside <= 1.0:
            raise ConfigError(f"the share of starts inside episodes must lie in [0, 1], got {inside}")
        self.frames, self.actions, self.history = cache.frames, cache.actions, history
        self.first_frame, self.inside = first_frame, inside
        self.first = cache.starts[:-1][episodes]
        rows, offsets = [], []
        for episode in episodes:
            recorded = cache.rows(int(episode))
            begin, end = recorded.start, min(recorded.stop, recorded.start + horizon - 1)
            hits = np.flatnonzero(cache.success[begin:end])
            stop = begin + hits[0] if len(hits) else end
            rows.append(np.arange(begin + 1, max(begin + 1, stop)))
            offsets.append(rows[-1] - begin)
        self.inner_rows, self.inner_times = np.concatenate(rows), np.concatenate(offsets)

    def choose(self, count: int, *, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Cache rows and times of `count` starts, independent and uniform over episodes or (inside) moments."""
        rows = self.first[rng.integers(len(self.first), size=count)]
        times = np.zeros(count, dtype=np.int64)
        inside = rng.random(count) < self.inside
        if len(self.inner_rows):
            pick = rng.integers(len(self.inner_rows), size=count)
            rows = np.where(inside, self.inner_rows[pick], rows)
            times = np.where(inside, self.inner_times[pick], times)
        return rows, times

    def at(self, rows: np.ndarray, times: np.ndarray, *, device: torch.device | str = "cpu") -> StartBatch:
        """The starts at cache rows `rows`, which lie `times` steps into their episodes; padded on the left."""
        back = np.arange(self.history - 1, -1, -1)
        wanted = rows[:, None] - np.minimum(back, times[:, None])
        actions = self.actions[wanted].copy()
        actions[back > times[:, None]] = 0.0
        actions[:, -1] = 0.0
        if self.first_frame:
            wanted = np.concatenate([(rows - times)[:, None], wanted], axis=1)
        return StartBatch(
            frames=to_frames(torch.from_numpy(np.ascontiguousarray(self.frames[wanted])).to(device)),
            actions=torch.from_numpy(actions).to(device),
            time=torch.from_numpy(times).to(device),
        )
