"""Training and held-out episodes, apart by episode and alike in source and success."""

import numpy as np

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import DataError


def split_episodes(
    cache: FrameCache, *, fraction: float, seed: int, among: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Sorted int64 ids of the training and of the held-out episodes, stratified by source and episode success.

    `fraction` of the episodes (of those `among`, if given) are held out, at least one unless it is 0; each stratum
    gives its share, rounded by largest remainder. Raises DataError unless 0 <= fraction < 1 and training keeps at
    least one episode.
    """
    if not 0 <= fraction < 1:
        raise DataError(f"the held-out fraction must be at least 0 and below 1, got {fraction}")
    candidates = np.arange(cache.num_episodes, dtype=np.int64) if among is None else among
    total = len(candidates)
    wanted = max(1, round(fraction * total)) if fraction else 0
    if wanted >= total:
        raise DataError(f"{total} episode(s) cannot be split with {wanted} held out; record more or lower the fraction")
    rng = np.random.default_rng(seed)
    strata: dict[tuple[str, bool], list[int]] = {}
    for episode in candidates.tolist():
        strata.setdefault((cache.sources[episode], bool(cache.episode_success[episode])), []).append(episode)
    held_out: list[int] = []
    for key, share in _shares({key: len(ids) for key, ids in strata.items()}, wanted).items():
        held_out.extend(rng.permutation(strata[key])[:share].tolist())
    held = np.array(sorted(held_out), dtype=np.int64)
    return np.setdiff1d(candidates, held), held


def _shares(sizes: dict[tuple[str, bool], int], wanted: int) -> dict[tuple[str, bool], int]:
    """Split `wanted` over the strata in proportion to their sizes, largest remainder first."""
    total = sum(sizes.values())
    exact = {key: wanted * size / total for key, size in sorted(sizes.items())}
    shares = {key: int(value) for key, value in exact.items()}
    by_remainder = sorted(exact, key=lambda key: (shares[key] - exact[key], key))
    for key in by_remainder[: wanted - sum(shares.values())]:
        shares[key] += 1
    return shares
