"""Outcome confusion and open-loop errors on hand-made replays."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from world4rl_core.errors import DataError
from world4rl_core.evaluation import open_loop
from world4rl_core.evaluation.metrics import frame_metrics
from world4rl_core.evaluation.open_loop import ReplayedEpisode
from world4rl_core.evaluation.outcomes import Confusion, confusion_by_source


def test_confusion_counts_every_kind_of_disagreement() -> None:
    confusion = Confusion.of([1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0])
    assert confusion == Confusion(true_success=2, false_success=1, false_failure=1, true_failure=3)
    assert confusion.agreement.estimate == pytest.approx(5 / 7)
    assert confusion.false_success_rate.estimate == pytest.approx(1 / 4)
    assert confusion.false_failure_rate.estimate == pytest.approx(1 / 3)


def test_equal_rates_do_not_hide_disagreeing_episodes() -> None:
    confusion = Confusion.of([1, 0] * 20, [0, 1] * 20)
    assert confusion.imagined_rate.estimate == confusion.real_rate.estimate
    assert confusion.agreement.estimate == 0.0
    assert confusion.balanced_agreement == 0.0


@given(st.lists(st.booleans(), min_size=2, max_size=40).filter(lambda real: len(set(real)) == 2), st.booleans())
def test_a_constant_guess_has_balanced_agreement_one_half(real: list[bool], guess: bool) -> None:
    assert Confusion.of(real, [guess] * len(real)).balanced_agreement == pytest.approx(0.5)


def test_rates_without_cases_are_unknown() -> None:
    confusion = Confusion.of([1, 1], [1, 0])
    assert math.isnan(confusion.false_success_rate.estimate)
    assert math.isnan(confusion.balanced_agreement)


def test_sources_are_counted_apart() -> None:
    by_source = confusion_by_source(["policy", "random", "policy"], [1, 0, 0], [1, 0, 1])
    assert by_source["policy"] == Confusion(1, 1, 0, 0)
    assert by_source["random"] == Confusion(0, 0, 0, 1)
    with pytest.raises(DataError, match="1 sources for 2 real"):
        confusion_by_source(["policy"], [1, 0], [1, 0])


def drifting(*, steps: int = 12, drift: float = 3.0, source: str = "policy", seed: int = 0) -> ReplayedEpisode:
    """An imagined film whose brightness error grows by `drift` a step."""
    rng = np.random.default_rng(seed)
    real = rng.integers(60, 180, size=(steps + 1, 16, 16, 3)).astype(np.uint8)
    shift = drift * np.arange(steps + 1).reshape(-1, 1, 1, 1)
    imagined = (real + shift).astype(np.uint8)
    return ReplayedEpisode(seed, source, real, imagined, True, False, 0.3)


def test_errors_grow_with_the_horizon_and_match_their_closed_form() -> None:
    episodes = [drifting(seed=seed) for seed in range(4)]
    errors = open_loop.errors_by_horizon(episodes, frame_metrics(), rng=np.random.default_rng(0))
    psnr = {item.horizon: item.error.estimate for item in errors if item.metric == "PSNR (dB)"}
    assert list(psnr) == [1, 2, 5, 10]
    assert psnr == pytest.approx({h: 20 * math.log10(255 / (3 * h)) for h in (1, 2, 5, 10)}, abs=1e-3)


def test_short_episodes_leave_the_long_horizons_to_the_long_ones() -> None:
    episodes = [drifting(steps=3), drifting(steps=12, seed=1), drifting(steps=6, source="random")]
    errors = open_loop.errors_by_horizon(episodes, frame_metrics()[:1], rng=np.random.default_rng(0))
    counts = {(item.source, item.horizon): item.episodes for item in errors}
    assert counts == {
        **{("policy", 1): 2, ("policy", 2): 2, ("policy", 5): 1, ("policy", 10): 1},
        **{("random", 1): 1, ("random", 2): 1, ("random", 5): 1},
    }


def test_squared_error_averages_the_first_steps() -> None:
    error = open_loop.squared_errors([drifting()], horizon=2)
    assert error == pytest.approx([((3 / 255) ** 2 + (6 / 255) ** 2) / 2], rel=1e-4)
    assert open_loop.still_errors([drifting()], horizon=2)[0] > error[0]


def test_replays_of_another_length_are_refused() -> None:
    film = np.zeros((4, 16, 16, 3), dtype=np.uint8)
    with pytest.raises(DataError, match="episode 7: real frames"):
        ReplayedEpisode(7, "policy", film, film[:3], True, True, 0.9)
