"""The experience that one PPO update learns from."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Rollout:
    """`time` steps of `env` environments; every field is indexed [time, env]."""

    frames: Float[Tensor, "time env 3 height width"]
    progress: Float[Tensor, "time env"]
    actions: Float[Tensor, "time env action"]
    means: Float[Tensor, "time env action"]
    rewards: Float[Tensor, "time env"]
    values: Float[Tensor, "time env"]
    next_values: Float[Tensor, "time env"]
    terminated: Bool[Tensor, "time env"]
    truncated: Bool[Tensor, "time env"]
    successes: int
    """Episodes that began in an initial state and ended in success."""
    episodes: int
    """Episodes that began in an initial state and ended."""
    uncertainty: float
    """Mean difference of repeated draws; NaN when none were made."""
