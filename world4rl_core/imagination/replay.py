"""Recorded action sequences, imagined again from their first frame: what the world model makes of known outcomes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import nn

from world4rl_core.imagination.starts import StartBatch, Starts
from world4rl_core.nets.image import to_frames, to_images
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.world_model.model import WorldModel

if TYPE_CHECKING:
    from world4rl_core.data.cache import FrameCache


@dataclass(frozen=True)
class Replays:
    """Imagined frames of N episodes, padded to the longest; row t is the frame after t actions (0: the real one)."""

    episodes: np.ndarray
    frames: UInt8[np.ndarray, "episode time height width 3"]
    success: Bool[np.ndarray, "episode time"]
    """The real label of the same moment."""
    valid: Bool[np.ndarray, "episode time"]

    @property
    def outcomes(self) -> Bool[np.ndarray, " episode"]:
        """Whether the real episode succeeded at any moment."""
        return np.asarray((self.success & self.valid).any(axis=1))


@torch.no_grad()
def replay(
    model: WorldModel, cache: "FrameCache", episodes: np.ndarray, *, seed: int, batch: int = 64,
    device: torch.device | str = "cpu", progress: Callable[[int], object] | None = None,
) -> Replays:  # fmt: skip
    """Autoregressive replays from the first frame of each episode under its recorded actions.

    `progress` is called with the number of frames imagined since the last call.
    """
    model.eval()
    lengths = cache.starts[episodes + 1] - cache.starts[episodes]
    longest = int(lengths.max())
    shape = (len(episodes), longest, *cache.frames.shape[1:])
    frames = np.zeros(shape, dtype=np.uint8)
    success = np.zeros(shape[:2], dtype=bool)
    valid = np.arange(longest) < lengths[:, None]
    starts = Starts(cache, episodes, history=model.history, first_frame=model.first_frame, horizon=longest)
    for low in range(0, len(episodes), batch):
        chosen = slice(low, min(low + batch, len(episodes)))
        first = cache.starts[episodes[chosen]]
        begin = starts.at(first, np.zeros(len(first), dtype=np.int64), device=device)
        frames[chosen, 0] = cache.frames[first]
        last = first + lengths[chosen] - 2
        recorded = (cache.actions[np.minimum(first + t, last)] for t in range(longest - 1))
        for t, images in enumerate(unroll(model, begin, recorded, seed=seed, number=low << 16)):
            frames[chosen, t + 1] = images
            if progress is not None:
                progress(len(first))
    for row, episode in enumerate(episodes):
        success[row, : lengths[row]] = cache.success[cache.starts[episode] : cache.starts[episode + 1]]
    return Replays(episodes=episodes, frames=frames, success=success, valid=valid)


@torch.no_grad()
def unroll(
    model: WorldModel, begin: StartBatch, actions: Iterable[np.ndarray], *, seed: int, number: int = 0
) -> Iterator[UInt8[np.ndarray, "batch height width 3"]]:
    """The imagined frame after each action (batch, action_dim) in turn; stream `number` + t of `seed` draws frame t."""
    history, taken = begin.frames, begin.actions
    for t, action in enumerate(actions):
        taken[:, -1] = torch.from_numpy(action).to(taken)
        next_frame = model.imagine(history, taken, random=RandomRows(seed, number + t, device=history.device))
        history = model.followed(history, next_frame)
        taken = torch.cat([taken[:, 1:], torch.zeros_like(taken[:, :1])], dim=1)
        yield to_images(next_frame).cpu().numpy()


@torch.no_grad()
def frame_logits(
    classifier: nn.Module, images: UInt8[np.ndarray, "*lead height width 3"], *, batch: int = 256,
    device: torch.device | str = "cpu",
) -> Float[np.ndarray, "*lead"]:  # fmt: skip
    """The classifier's logit of each image."""
    classifier.eval()
    flat = images.reshape(-1, *images.shape[-3:])
    logits = [
        classifier(to_frames(torch.from_numpy(np.ascontiguousarray(flat[low : low + batch])).to(device))).float().cpu()
        for low in range(0, len(flat), batch)
    ]
    return torch.cat(logits).numpy().reshape(images.shape[:-3])
