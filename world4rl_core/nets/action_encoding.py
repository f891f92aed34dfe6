"""How a continuous action enters the world model: two-hot (the paper's), one-hot or linear."""

from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from world4rl_core.errors import ConfigError

EncodingName = Literal["two-hot", "one-hot", "linear"]


class ActionEncoding(Protocol):
    """Turns actions in [-1, 1] into `features` numbers; has no parameters of its own."""

    features: int

    def __call__(self, actions: Float[Tensor, "*lead action"]) -> Float[Tensor, "*lead feature"]: ...


def uniform_bins(bins: int) -> Float[Tensor, " bins"]:
    """`bins` values from -1 to 1, both included."""
    return torch.linspace(-1.0, 1.0, bins)


def two_hot(actions: Float[Tensor, "*lead action"], bins: int) -> Float[Tensor, "*lead action bins"]:
    """Weights on the two nearest of `bins` uniform bins over [-1, 1] (World4RL eq. 3).

    They sum to 1 and their expectation over the bins is the action, clamped to [-1, 1].
    """
    position = (actions.clamp(-1.0, 1.0) + 1.0) * (0.5 * (bins - 1))
    left = position.floor().clamp(max=bins - 2).long()
    right_weight = (position - left).unsqueeze(-1)
    left_hot = F.one_hot(left, bins).to(actions.dtype)
    right_hot = F.one_hot(left + 1, bins).to(actions.dtype)
    return left_hot * (1.0 - right_weight) + right_hot * right_weight


def expected_action(weights: Float[Tensor, "*lead action bins"]) -> Float[Tensor, "*lead action"]:
    """The inverse of `two_hot`: the mean of the bins under the weights."""
    return weights @ uniform_bins(weights.shape[-1]).to(weights)


class TwoHot(nn.Module):
    """Lossless and differentiable; `bins` features a dimension."""

    def __init__(self, action_dim: int, *, bins: int = 21) -> None:
        super().__init__()
        self.bins, self.features = bins, action_dim * bins

    def forward(self, actions: Float[Tensor, "*lead action"]) -> Float[Tensor, "*lead feature"]:
        return rearrange(two_hot(actions, self.bins), "... action bins -> ... (action bins)")


class OneHot(nn.Module):
    """All weight on the nearest bin; an action is known to half a bin width only."""

    def __init__(self, action_dim: int, *, bins: int = 21) -> None:
        super().__init__()
        self.bins, self.features = bins, action_dim * bins

    def forward(self, actions: Float[Tensor, "*lead action"]) -> Float[Tensor, "*lead feature"]:
        nearest = ((actions.clamp(-1.0, 1.0) + 1.0) * (0.5 * (self.bins - 1))).round().long()
        return rearrange(F.one_hot(nearest, self.bins).to(actions.dtype), "... action bins -> ... (action bins)")


class Linear(nn.Module):
    """The action itself, to be projected by the network that reads it."""

    def __init__(self, action_dim: int, *, bins: int = 21) -> None:
        super().__init__()
        self.features = action_dim

    def forward(self, actions: Float[Tensor, "*lead action"]) -> Float[Tensor, "*lead action"]:
        return actions.clamp(-1.0, 1.0)


ENCODINGS = {"two-hot": TwoHot, "one-hot": OneHot, "linear": Linear}


def make_encoding(name: str, action_dim: int, *, bins: int = 21) -> TwoHot | OneHot | Linear:
    """The encoding called `name`; raises ConfigError for a name that is not known or fewer than 2 bins."""
    if name not in ENCODINGS:
        raise ConfigError(f"unknown action encoding {name!r}; known: {', '.join(ENCODINGS)}")
    if bins < 2:
        raise ConfigError(f"action encoding needs at least 2 bins, got {bins}")
    return ENCODINGS[name](action_dim, bins=bins)
