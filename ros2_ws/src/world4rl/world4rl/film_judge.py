"""The success classifier's opinion of a trial's film, kept beside the verdict and never in its place."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from world4rl_core.errors import CheckpointError
from world4rl_core.nets.checkpoint import load_model_state, model_file
from world4rl_core.pixels import resize
from world4rl_core.rig import Rig

FilmJudge = Callable[[dict[str, np.ndarray]], tuple[float, bool]]


def film_judge(run: Path, rig: Rig) -> FilmJudge:
    """Films by camera, uint8 (t, h, w, 3) as recorded → highest success probability, and whether it decides success.

    Raises CheckpointError for a run that is no classifier or that saw a camera the rig lacks.
    """
    import torch

    from world4rl_core.nets.image import to_frames
    from world4rl_core.reward.classifier import load_reward

    path = model_file(run)
    training = load_model_state(path, "reward").get("provenance", {}).get("training", {})
    names = training.get("cameras") or [camera.name for camera in rig.cameras]
    unknown = sorted(set(names) - {camera.name for camera in rig.cameras})
    if unknown:
        raise CheckpointError(f"{path}: sees camera {', '.join(unknown)}, which rig {rig.name} does not have")
    size = training.get("size")
    classifier, decision = load_reward(path)

    def judge(films: dict[str, np.ndarray]) -> tuple[float, bool]:
        length = min(len(films[name]) for name in names)
        views = [np.stack([_sized(image, size) for image in films[name][:length]]) for name in names]
        frames = torch.from_numpy(np.ascontiguousarray(np.concatenate(views, axis=2)))
        with torch.no_grad():
            logits = np.concatenate([classifier(to_frames(part)).numpy() for part in frames.split(16)])
        probabilities = decision.probabilities(logits)
        return float(probabilities.max()), bool(decision.successes(probabilities[None]).any())

    return judge


def _sized(image: np.ndarray, size: int | list[int] | None) -> np.ndarray:
    """As the frame cache of its training had it."""
    if size is None:
        return image
    return resize(image, (size, size) if isinstance(size, int) else (size[0], size[1]))
