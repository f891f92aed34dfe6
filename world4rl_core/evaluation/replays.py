"""Recorded episodes beside their imagined replays, with the outcome that classifier and decision give them."""

import numpy as np
import torch

from world4rl_core.data.cache import FrameCache
from world4rl_core.evaluation.open_loop import ReplayedEpisode
from world4rl_core.evaluation.outcomes import Confusion
from world4rl_core.imagination.replay import frame_logits, replay
from world4rl_core.reward.classifier import SuccessClassifier
from world4rl_core.reward.decision import Decision
from world4rl_core.world_model.model import WorldModel


def replay_episodes(
    model: WorldModel,
    classifier: SuccessClassifier,
    decision: Decision,
    *,
    cache: FrameCache,
    episodes: np.ndarray,
    seed: int,
    device: torch.device | str = "cpu",
) -> list[ReplayedEpisode]:
    """Imagine each episode from its first frame under the actions in `cache`; frame 0 is real and never a success."""
    replays = replay(model, cache, episodes, seed=seed, device=device)
    probabilities = decision.probabilities(frame_logits(classifier, replays.frames[:, 1:], device=device))
    reached = decision.successes(probabilities) & replays.valid[:, 1:]
    peaks = np.where(replays.valid[:, 1:], probabilities, 0.0).max(axis=1)
    out = []
    for row, episode in enumerate(episodes.tolist()):
        frames = cache.frames[cache.rows(episode)]
        out.append(
            ReplayedEpisode(
                episode=episode,
                source=cache.sources[episode],
                real=np.array(frames),
                imagined=replays.frames[row, : len(frames)],
                really_succeeded=bool(replays.outcomes[row]),
                imagined_success=bool(reached[row].any()),
                peak_probability=float(peaks[row]),
            )
        )
    return out


def classifier_on_real(
    classifier: SuccessClassifier,
    decision: Decision,
    episodes: list[ReplayedEpisode],
    *,
    device: torch.device | str = "cpu",
) -> Confusion:
    """The same classifier on the real frames: tells its own mistakes from those of the world model."""
    called = []
    for item in episodes:
        probabilities = decision.probabilities(frame_logits(classifier, item.real[1:], device=device))
        called.append(bool(decision.successes(probabilities[None]).any()))
    return Confusion.of([item.really_succeeded for item in episodes], called)
