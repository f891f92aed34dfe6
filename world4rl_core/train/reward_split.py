"""Which episodes train the success classifier, which choose its threshold, and which are left to judge it by."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.split import split_episodes
from world4rl_core.errors import DataError

SHARE = 0.15
"""Of the episodes, held out where no world model says which ones it has not seen."""


def split_for_reward(
    cache: FrameCache,
    *,
    share: float | None,
    seed: int,
    sources: Sequence[str] | None,
    by_outcome: bool,
    world_model: Mapping[str, Any] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Episodes to train on, to choose temperature and threshold on, and to leave to the judges of the result.

    share: of the episodes, held out and then halved between threshold and judges. None: those that the world model held
    out where it was trained on the same data, else SHARE of them.
    sources: of the episodes to train and to choose on; all where None.
    by_outcome: the threshold is chosen on outcomes of episodes, otherwise on labels of frames.
    world_model: its provenance.
    Raises DataError where that leaves nothing to learn from, or only one kind to choose the threshold on.
    """
    if not cache.success.any():
        raise DataError("the datasets have no successful frame; a classifier needs both kinds")
    training, held_out = _held_out(cache, share, seed, world_model)
    if len(held_out) < 2:
        raise DataError(
            f"{len(held_out)} of {cache.num_episodes} episodes are held out, two at least are needed: one to choose "
            "the threshold on, one to judge by; record more, or pass a larger --held-out (without one, the world "
            "model's held-out episodes are used)"
        )
    judged, calibration = split_episodes(cache, fraction=0.5, seed=seed, among=held_out)
    if sources is not None:
        wanted = np.flatnonzero([source in sources for source in cache.sources])
        training, calibration = np.intersect1d(training, wanted), np.intersect1d(calibration, wanted)
        if not len(training) or not len(calibration):
            raise DataError(
                f"the sources {', '.join(sources)} have {len(training)} episodes to train on and {len(calibration)} to "
                f"choose the threshold on; found sources: {_counted(cache)}; name others or hold out a larger share"
            )
    _refuse_one_kind(cache, calibration, by_outcome=by_outcome)
    return training, calibration, judged


def _held_out(
    cache: FrameCache, share: float | None, seed: int, world_model: Mapping[str, Any] | None
) -> tuple[np.ndarray, np.ndarray]:
    if share is not None or world_model is None or world_model["data"] != cache.hash:
        return split_episodes(cache, fraction=SHARE if share is None else share, seed=seed)
    held_out = np.array(world_model["held_out"], dtype=np.int64)
    return np.setdiff1d(np.arange(cache.num_episodes), held_out), held_out


def _refuse_one_kind(cache: FrameCache, calibration: np.ndarray, *, by_outcome: bool) -> None:
    labels = [cache.success[cache.rows(episode)] for episode in calibration.tolist()]
    succeeded = sum(bool(episode.any()) for episode in labels)
    both = 0 < succeeded < len(labels) if by_outcome else len(np.unique(np.concatenate(labels))) == 2
    if not both:
        raise DataError(
            f"a threshold needs held-out episodes of both outcomes; got {succeeded} successes of {len(labels)}; "
            "record more policy episodes or hold out a larger share"
        )


def _counted(cache: FrameCache) -> str:
    return ", ".join(f"{source} ({cache.sources.count(source)})" for source in sorted(set(cache.sources)))
