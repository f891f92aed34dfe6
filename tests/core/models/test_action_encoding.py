"""The action encodings keep what they promise."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from world4rl_core.errors import ConfigError
from world4rl_core.nets.action_encoding import ENCODINGS, expected_action, make_encoding, two_hot

ACTIONS = arrays.arrays(np.float64, (5, 3), elements=st.floats(-1.0, 1.0))


@given(ACTIONS, st.integers(2, 40))
def test_two_hot_weights_sum_to_one_and_give_the_action_back(actions: np.ndarray, bins: int) -> None:
    weights = two_hot(torch.from_numpy(actions), bins)
    assert weights.shape == (5, 3, bins)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(5, 3, dtype=torch.float64))
    torch.testing.assert_close(expected_action(weights), torch.from_numpy(actions), atol=1e-6, rtol=0)
    assert ((weights > 0).sum(-1) <= 2).all()


def test_two_hot_right_edge_puts_all_weight_on_the_last_bin() -> None:
    weights = two_hot(torch.tensor([[1.0, -1.0, 7.0]]), 21)[0]
    assert weights[0, -1] == 1.0
    assert weights[1, 0] == 1.0
    assert weights[2, -1] == 1.0


def test_two_hot_is_differentiable_between_bins() -> None:
    action = torch.tensor([[0.03]], requires_grad=True)
    weights = two_hot(action, 21)
    (gradient,) = torch.autograd.grad(weights[0, 0, 11], action)
    assert gradient.item() == pytest.approx(10.0)


@given(ACTIONS)
def test_one_hot_is_the_nearest_bin(actions: np.ndarray) -> None:
    encoded = make_encoding("one-hot", 3)(torch.from_numpy(actions)).reshape(5, 3, 21)
    assert (encoded.sum(-1) == 1).all()
    torch.testing.assert_close(expected_action(encoded), torch.from_numpy(actions), atol=0.05 + 1e-6, rtol=0)


@pytest.mark.parametrize("name", ENCODINGS)
def test_features_is_the_width_of_the_encoding(name: str) -> None:
    encoding = make_encoding(name, 4, bins=7)
    assert encoding(torch.zeros(2, 6, 4)).shape == (2, 6, encoding.features)


def test_unknown_encoding_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown action encoding 'tow-hot'; known: two-hot, one-hot, linear"):
        make_encoding("tow-hot", 4)


def test_an_encoding_needs_two_bins() -> None:
    with pytest.raises(ConfigError, match="at least 2 bins, got 1"):
        make_encoding("two-hot", 4, bins=1)
