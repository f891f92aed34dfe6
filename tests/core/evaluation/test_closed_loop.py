"""A policy that acts on imagined frames, beside the episodes it made: agreement that replays alone do not show."""

import copy

import numpy as np
import pytest
import torch
from synthetic_oracle import SIZE, Oracle, SeesGoal, all_episodes, corner, record

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import DataError
from world4rl_core.evaluation.assessment import Probes, assess
from world4rl_core.evaluation.checks import Limits
from world4rl_core.evaluation.closed_loop import closed_loop, own_episodes
from world4rl_core.nets.image import to_frames, to_images
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.policy.actor_critic import GaussianPolicy, PolicyConfig
from world4rl_core.reward.decision import Decision
from world4rl_core.types import Action, Frame


class Sorter(GaussianPolicy):
    """Carries the square to the goal where it lies in the top fifth; `shy`: only on frames without grain."""

    def __init__(self, *, shy: bool = False) -> None:
        super().__init__(PolicyConfig(height=SIZE, width=SIZE))
        self.shy = shy

    def forward(self, frame: Frame) -> Action:
        goes = corner(frame)[:, 1] < 6.5
        if self.shy:
            grain = (frame[:, 0, -1] - frame[:, 0, -2]).abs().mean(dim=1)
            goes = goes & (grain < 0.01)
        return torch.stack([torch.where(goes, 0.9, -0.2), *[torch.zeros(len(frame))] * 3], dim=1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    """Recorded first frames; what follows is what `Sorter` makes of them. Every fourth episode has noise."""
    recorded = record(tmp_path_factory.mktemp("datasets") / "policy")
    own, policy, simulator, sees = copy.copy(recorded), Sorter(), Oracle(noise=0.0), SeesGoal()
    own.frames, own.actions = np.array(recorded.frames), np.zeros_like(recorded.actions)
    own.success = np.zeros_like(recorded.success)
    noise = np.random.default_rng(0)
    for episode in range(own.num_episodes):
        rows = own.rows(episode)
        frame = to_frames(torch.from_numpy(own.frames[[rows.start]]))
        for row in range(rows.start, rows.stop - 1):
            action = policy(frame).numpy()
            action[:, :2] += 0.2 * noise.standard_normal(2) if episode % 4 == 3 else 0.0
            own.actions[row] = action[0].clip(-1, 1)
            frame = simulator.imagine(
                frame[:, None], torch.from_numpy(own.actions[[row]])[:, None], random=RandomRows(0)
            )
            own.frames[row + 1] = to_images(frame)[0].numpy()
            own.success[row + 1] = bool(sees(frame) > 0)
    own.episode_success = np.array([own.success[own.rows(episode)].any() for episode in range(own.num_episodes)])
    assert 4 < own.episode_success.sum() < own.num_episodes - 4
    return own


def test_only_episodes_without_noise_are_its_own(cache: FrameCache) -> None:
    found = own_episodes(Sorter(), cache, all_episodes(cache))
    assert found.tolist() == [episode for episode in range(cache.num_episodes) if episode % 4 != 3]


def test_a_policy_that_sees_imagined_frames_as_real_ones_meets_its_own_fate(cache: FrameCache) -> None:
    own = own_episodes(Sorter(), cache, all_episodes(cache))
    met = closed_loop(Oracle(), SeesGoal(), Decision(), Sorter(), cache=cache, episodes=own, seed=0)
    assert met.episodes == len(own)
    assert met.balanced_agreement == 1.0


def test_one_that_grain_confuses_is_warned_of_although_all_replays_are_right(cache: FrameCache) -> None:
    report, _ = assess(
        Oracle(), SeesGoal(), Decision(), cache=cache, episodes=all_episodes(cache), limits=Limits(),
        probes=Probes(horizon=6, uncertainty_steps=24, uncertainty_draws=3), policy=Sorter(shy=True),
    )  # fmt: skip
    assert report.go, report.reasons
    assert report.closed_loop is not None
    assert report.closed_loop.true_success == 0
    assert any("0% of 18 episodes succeed in imagination, 56% in reality" in reason for reason in report.reasons)


def test_a_policy_that_made_none_of_the_episodes_is_told_to_record_some(cache: FrameCache) -> None:
    report, _ = assess(
        Oracle(), SeesGoal(), Decision(), cache=cache, episodes=np.array([3, 7, 11, 15, 19, 23]), limits=Limits(),
        probes=Probes(horizon=6, uncertainty_steps=24, uncertainty_draws=3), policy=Sorter(),
    )  # fmt: skip
    assert any("only 0 held-out episodes" in reason and "--noise 0" in reason for reason in report.reasons)


def test_a_policy_of_another_frame_size_is_refused(cache: FrameCache) -> None:
    with pytest.raises(DataError, match="sees frames of 48×64, the world model's are 32×32"):
        own_episodes(GaussianPolicy(PolicyConfig(height=48, width=64)), cache, all_episodes(cache))
