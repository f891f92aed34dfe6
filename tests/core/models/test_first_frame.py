"""A world model with the episode's first frame before its history: the frame is there, stays there, and is used."""

from pathlib import Path

import numpy as np
import pytest
import torch

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.segments import SegmentSampler
from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.imagination.env import ImaginationConfig, ImaginationEnv
from world4rl_core.imagination.replay import replay
from world4rl_core.imagination.starts import Starts
from world4rl_core.nets.image import to_frames
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.nets.unet import UNetConfig
from world4rl_core.reward.classifier import ClassifierConfig, SuccessClassifier
from world4rl_core.reward.decision import Decision
from world4rl_core.train import world_model as training
from world4rl_core.train.distributed import join
from world4rl_core.world_model.denoiser import DenoiserConfig
from world4rl_core.world_model.loss import LossConfig
from world4rl_core.world_model.model import CPU_NOISE, CPU_SAMPLER, WorldModel, WorldModelConfig

SIZE = 16
UNET = UNetConfig(channels=(16, 16), depths=(1, 1), attention=(False, False), middle=1, middle_attention=False)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    return FrameCache.build((write_synthetic_dataset(tmp_path_factory.mktemp("d") / "d", episodes=6, size=SIZE),))


def a_model(*, first_frame: bool = True) -> WorldModel:
    torch.manual_seed(0)
    denoiser = DenoiserConfig(
        action_dim=4, history=2, first_frame=first_frame, unet=UNET, noise=CPU_NOISE, unshuffle=2, residual=True
    )
    return WorldModel(WorldModelConfig(height=SIZE, width=SIZE, denoiser=denoiser, sampler=CPU_SAMPLER))


def test_a_segment_begins_with_its_episodes_first_frame(cache: FrameCache) -> None:
    asked = {"history": 3, "horizon": 2, "seed": 0}
    plain, with_first = (SegmentSampler(cache, np.arange(6), first_frame=on, **asked) for on in (False, True))
    anchors = np.arange(0, plain.num_anchors, 3)
    one, other = plain.segments(anchors), with_first.segments(anchors)
    torch.testing.assert_close(other.frames[:, 1:], one.frames)
    torch.testing.assert_close(other.actions, one.actions)
    episode = anchors // (plain.num_anchors // 6)
    np.testing.assert_array_equal(other.frames[:, 0].numpy(), cache.frames[cache.starts[episode]])


def test_imagination_keeps_it_in_front_until_the_next_episode(cache: FrameCache) -> None:
    model = a_model()
    starts = Starts(cache, np.arange(6), history=2, first_frame=True, horizon=4, inside=0.5)
    env = ImaginationEnv(
        model, SuccessClassifier(ClassifierConfig(width=8, stem="small")), Decision(1.0), starts=starts,
        config=ImaginationConfig(envs=8, horizon=4), seed=0,
    )  # fmt: skip
    env.reset()
    known = to_frames(torch.from_numpy(np.array(cache.frames[cache.starts[:-1]])))
    changed = False
    for _ in range(6):
        before = env.frames
        step = env.step(torch.zeros(8, 4))
        goes_on = ~step.truncated
        torch.testing.assert_close(env.frames[goes_on, 0], before[goes_on, 0])
        torch.testing.assert_close(env.frames[goes_on, 1], before[goes_on, 2])
        torch.testing.assert_close(env.frames[goes_on, 2], step.next_frame[goes_on])
        assert all((known == row).flatten(1).all(dim=1).any() for row in env.frames[:, 0])
        changed |= bool((env.frames[:, 0] != before[:, 0]).any())
    assert changed


def test_only_with_it_what_was_hidden_for_longer_than_the_history_comes_back() -> None:
    """A pattern is seen, hidden for two frames by black, and seen again: the history of two has forgotten it."""
    errors = {}
    for first_frame in (False, True):
        model, draw = a_model(first_frame=first_frame), torch.Generator().manual_seed(1)
        loss = LossConfig(unroll=1, history_noise=0.0, motion_weight=0.0)
        config = training.Config(data=(), out=Path(), loss=loss, steps=150, lr=5e-3, warmup=10)
        trainer = training.Trainer(model, config, join("cpu"))
        for step in range(config.steps):
            frames = hidden_and_seen(32, draw)[:, 0 if first_frame else 1 :]
            figures = trainer.step(frames, torch.zeros(32, 2, 4), step=step)
            assert np.isfinite(figures["loss"])
        frames = hidden_and_seen(64, draw)[:, 0 if first_frame else 1 :]
        imagined = trainer.result().eval().imagine(frames[:, :-1], torch.zeros(64, 2, 4), random=RandomRows(0))
        errors[first_frame] = float((imagined - frames[:, -1]).square().mean())
    assert errors[True] < 0.25 * errors[False]


def hidden_and_seen(batch: int, draw: torch.Generator) -> torch.Tensor:
    """First frame, two frames of black, and the first frame again: (batch, 4, 3, SIZE, SIZE)."""
    coarse = torch.rand(batch, 1, 1, 4, 4, generator=draw).round() * 1.6 - 0.8
    seen = coarse.repeat_interleave(SIZE // 4, 3).repeat_interleave(SIZE // 4, 4).expand(-1, -1, 3, -1, -1)
    black = torch.full((batch, 2, 3, SIZE, SIZE), -1.0)
    return torch.cat([seen, black, seen], dim=1)


def test_a_replay_is_imagined_with_its_own_episodes_first_frame_in_front(
    cache: FrameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seen = a_model().eval(), []
    imagine = model.imagine

    def watched(history: torch.Tensor, actions: torch.Tensor, *, random: RandomRows) -> torch.Tensor:
        seen.append(history.clone())
        return imagine(history, actions, random=random)

    monkeypatch.setattr(model, "imagine", watched)
    episodes = np.array([3, 0])
    replay(model, cache, episodes, seed=0)
    assert len(seen) == 12
    for history in seen:
        torch.testing.assert_close(history[:, 0], first_frames(cache, episodes))


def test_a_start_inside_an_episode_has_that_episodes_first_frame_in_front(cache: FrameCache) -> None:
    starts = Starts(cache, np.arange(6), history=2, first_frame=True, horizon=12)
    begin = starts.at(cache.starts[[4, 1]] + np.array([5, 3]), np.array([5, 3]))
    torch.testing.assert_close(begin.frames[:, 0], first_frames(cache, np.array([4, 1])))
    later = to_frames(torch.from_numpy(np.array(cache.frames[cache.starts[[4, 1]] + np.array([5, 3])])))
    torch.testing.assert_close(begin.frames[:, -1], later)


def first_frames(cache: FrameCache, episodes: np.ndarray) -> torch.Tensor:
    return to_frames(torch.from_numpy(np.array(cache.frames[cache.starts[episodes]])))
