"""Two experiments on a world model: does it listen to the actions, and does it know when it is wrong?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import DataError
from world4rl_core.evaluation.open_loop import ReplayedEpisode, squared_errors
from world4rl_core.evaluation.resampling import bootstrap_rank_correlation, bootstrap_ratio
from world4rl_core.evaluation.statistics import Interval
from world4rl_core.imagination.starts import Starts
from world4rl_core.nets.image import to_frames
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.world_model.model import WorldModel


@dataclass(frozen=True)
class ShuffleTest:
    """Squared errors of episodes imagined with their own and with another episode's actions; pixels in 0..1."""

    horizon: int
    own: list[float]
    shuffled: list[float]
    ratio: Interval


@dataclass(frozen=True)
class UncertaintyTest:
    """Deviation over `draws` repetitions of one step, and the error (RMSE) of their mean; one entry a step, in 0..1."""

    draws: int
    spread: list[float]
    error: list[float]
    correlation: Interval


def shuffled_actions(
    actions: Float[np.ndarray, "rows action"],
    starts: Int[np.ndarray, " boundaries"],
    episodes: np.ndarray,
    *,
    rng: np.random.Generator,
) -> Float[np.ndarray, "rows action"]:
    """A copy in which every one of `episodes` has the actions of another one, repeated or cut to its length.

    starts: row at which each episode begins, and the number of rows. Raises DataError for fewer than two episodes.
    """
    if len(episodes) < 2:
        raise DataError(f"shuffling actions across episodes needs two episodes, got {len(episodes)}; record more")
    out = np.array(actions)
    order = rng.permutation(episodes)
    for episode, donor in zip(order, np.roll(order, 1), strict=True):
        begin, end = int(starts[episode]), int(starts[episode + 1]) - 1  # the last row has no action
        donated = actions[int(starts[donor]) : int(starts[donor + 1]) - 1]
        out[begin:end] = donated[np.arange(end - begin) % len(donated)]
    return out


def shuffle_test(
    own: Sequence[ReplayedEpisode],
    shuffled: Sequence[ReplayedEpisode],
    *,
    horizon: int,
    rng: np.random.Generator,
) -> ShuffleTest:
    """How much larger the error over the first `horizon` steps is with another episode's actions."""
    errors = squared_errors(own, horizon=horizon)
    others = squared_errors(shuffled, horizon=horizon)
    return ShuffleTest(horizon, errors.tolist(), others.tolist(), bootstrap_ratio(others, errors, rng=rng))


@torch.no_grad()
def uncertainty_test(
    model: WorldModel,
    cache: FrameCache,
    episodes: np.ndarray,
    *,
    steps: int,
    draws: int,
    rng: np.random.Generator,
    device: torch.device | str = "cpu",
) -> UncertaintyTest:
    """Imagine `steps` random recorded steps `draws` times each, from the real history."""
    moments = [
        (row, row - int(cache.starts[episode]))
        for episode in episodes
        for row in range(int(cache.starts[episode]), int(cache.starts[episode + 1]) - 1)
    ]
    if len(moments) < 3:
        raise DataError(f"the uncertainty test needs three recorded steps, got {len(moments)}")
    chosen = rng.choice(len(moments), size=min(steps, len(moments)), replace=False)
    rows, times = np.array([moments[index] for index in chosen]).T
    start = Starts(
        cache, episodes, history=model.history, first_frame=model.first_frame, horizon=int(times.max()) + 2
    ).at(rows, times, device=device)
    actions = start.actions.clone()
    actions[:, -1] = torch.from_numpy(np.array(cache.actions[rows])).to(device)
    seed = int(rng.integers(2**31))
    drawn = torch.stack(
        [
            model.imagine(start.frames, actions, random=RandomRows(seed, draw, device=device)).cpu()
            for draw in range(draws)
        ]
    )
    truth = to_frames(torch.from_numpy(np.ascontiguousarray(cache.frames[rows + 1])))
    spread = drawn.std(dim=0).mean(dim=(1, 2, 3)) / 2
    error = (drawn.mean(dim=0) - truth).square().mean(dim=(1, 2, 3)).sqrt() / 2
    correlation = bootstrap_rank_correlation(spread.numpy(), error.numpy(), rng=rng)
    return UncertaintyTest(draws, spread.tolist(), error.tolist(), correlation)
