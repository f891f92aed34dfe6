"""The policy in imagination beside its own recorded episodes, from the same first frames.

A replay repeats recorded actions. Here the policy acts on what it imagines, and where it takes an imagined frame for
something else than the real one it acts otherwise, however right the replays are.
"""

from collections.abc import Iterator

import numpy as np
import torch

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import DataError
from world4rl_core.evaluation.outcomes import Confusion
from world4rl_core.imagination.replay import frame_logits, unroll
from world4rl_core.imagination.starts import Starts
from world4rl_core.nets.image import to_frames
from world4rl_core.policy.actor_critic import GaussianPolicy
from world4rl_core.reward.classifier import SuccessClassifier
from world4rl_core.reward.decision import Decision
from world4rl_core.world_model.model import WorldModel

OWN = 0.02
"""Root mean square of the difference between recorded actions and the policy's up to which an episode is its own."""


@torch.no_grad()
def own_episodes(policy: GaussianPolicy, cache: FrameCache, episodes: np.ndarray) -> np.ndarray:
    """Those of `episodes` in which the policy would have acted as recorded: it made them, without noise.

    Raises DataError for a policy that was trained on frames of another size.
    """
    wanted, found = (policy.config.height, policy.config.width), cache.frames.shape[1:3]
    if wanted != found:
        raise DataError(
            f"the policy sees frames of {wanted[0]}×{wanted[1]}, the world model's are {found[0]}×{found[1]}"
        )
    device, own = next(policy.parameters()).device, []
    for episode in episodes.tolist():
        rows = np.r_[cache.rows(episode)][:-1]
        frames = to_frames(torch.from_numpy(np.ascontiguousarray(cache.frames[rows])).to(device))
        acted = policy(frames).clamp(-1.0, 1.0).cpu().numpy()
        if np.sqrt(np.mean((acted - cache.actions[rows]) ** 2)) <= OWN:
            own.append(episode)
    return np.array(own, dtype=np.int64)


@torch.no_grad()
def closed_loop(
    model: WorldModel, classifier: SuccessClassifier, decision: Decision, policy: GaussianPolicy,
    *, cache: FrameCache, episodes: np.ndarray, seed: int,
) -> Confusion:  # fmt: skip
    """Real against imagined outcomes of `episodes`, in imagination under the policy's mean action."""
    if len(episodes) == 0:
        return Confusion(0, 0, 0, 0)
    device = next(policy.parameters()).device
    policy.eval()
    lengths = cache.starts[episodes + 1] - cache.starts[episodes]
    longest, first = int(lengths.max()), cache.starts[episodes]
    starts = Starts(cache, episodes, history=model.history, first_frame=model.first_frame, horizon=longest)
    frames = [np.asarray(cache.frames[first])]

    def actions() -> Iterator[np.ndarray]:
        for _ in range(longest - 1):
            yield policy(to_frames(torch.from_numpy(frames[-1]).to(device))).clamp(-1.0, 1.0).cpu().numpy()

    begin = starts.at(first, np.zeros(len(first), dtype=np.int64), device=device)
    for images in unroll(model, begin, actions(), seed=seed):
        frames.append(images)
    imagined = np.stack(frames[1:], axis=1)
    valid = np.arange(1, longest) < lengths[:, None]
    probabilities = decision.probabilities(frame_logits(classifier, imagined, device=device))
    reached = (decision.successes(probabilities) & valid).any(axis=1)
    return Confusion.of(cache.episode_success[episodes], reached)
