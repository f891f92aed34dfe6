"""Which recorded episodes a world model and a classifier have never seen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import DataError
from world4rl_core.nets.checkpoint import load_model_state

DEMONSTRATED = ("expert", "human")


def held_out_episodes(data: Sequence[Path], *, world_model: Path, reward: Path | None) -> tuple[FrameCache, np.ndarray]:
    """The cached datasets and the episodes in them that trained neither model, sorted.

    reward: None where only the world model has to be asked.

    data: exactly the datasets of the training (the default, when empty), of which the held-out part is taken, or new
    ones, of which every episode is. Raises DataError for a mixture, for frames or actions of another shape, and for
    new datasets where the world model rescaled the actions of its own.
    """
    model = load_model_state(world_model, "world-model")
    training = model["provenance"]["training"]
    size = None if training["size"] is None else (int(training["size"][0]), int(training["size"][1]))
    roots = list(data) or [Path(root) for root in training["data"]]
    rescaled = training.get("rescale_actions", False)
    cache = FrameCache.build(roots, cameras=training["cameras"], size=size, rescale_actions=rescaled)
    if rescaled and cache.hash != model["provenance"]["data"]:
        raise DataError(
            f"{world_model} maps the recorded range of its own datasets' actions onto [-1, 1], "
            "others have another range; leave --data out to use its held-out episodes"
        )
    _check_shapes(cache, model["config"], world_model)
    episodes = np.arange(cache.num_episodes)
    trained = [(world_model, model["provenance"])]
    if reward is not None:
        trained.append((reward, load_model_state(reward, "reward")["provenance"]))
    for path, provenance in trained:
        episodes = np.intersect1d(episodes, _unseen(cache, roots, provenance, path=path))
    return cache, episodes


def non_expert(cache: FrameCache, episodes: np.ndarray, *, most: int, rng: np.random.Generator) -> np.ndarray:
    """Those of `episodes` that nobody demonstrated, a random `most` of them, sorted.

    Raises DataError when fewer than two are left or their outcomes were not recorded.
    """
    if not cache.has_success:
        raise DataError("the datasets carry no success labels; trust needs recorded outcomes to compare with")
    chosen = np.array([episode for episode in episodes if cache.sources[episode] not in DEMONSTRATED], dtype=np.int64)
    if len(chosen) < 2:
        raise DataError(
            f"only {len(chosen)} held-out policy or random episodes; trust needs two at least and is worth reading "
            "from about forty; collect more, or train with a larger held-out share"
        )
    return np.sort(rng.permutation(chosen)[:most])


def _unseen(cache: FrameCache, roots: list[Path], provenance: dict[str, Any], *, path: Path) -> np.ndarray:
    if provenance["data"] == cache.hash:
        return np.array(provenance["held_out"], dtype=np.int64)
    trained_on = {Path(root).resolve() for root in provenance["training"]["data"]}
    shared = sorted(str(root) for root in roots if root.resolve() in trained_on)
    if shared:
        raise DataError(
            f"{path} was trained on {shared[0]} together with other datasets, or on an older state of it, so its "
            "held-out episodes cannot be told apart; give --data exactly as in that training, or only new datasets"
        )
    return np.arange(cache.num_episodes)


def _check_shapes(cache: FrameCache, config: dict[str, Any], path: Path) -> None:
    frames, wanted = cache.frames.shape[1:3], (config["height"], config["width"])
    if tuple(frames) != wanted:
        raise DataError(f"{path} imagines frames of {wanted[0]}x{wanted[1]}, the data has {frames[0]}x{frames[1]}")
    actions = config["denoiser"]["action_dim"]
    if cache.action_dim != actions:
        raise DataError(f"{path} takes actions of {actions} numbers, the data has {cache.action_dim}")
