"""The imagined environment: rewards, endings, starts and randomness."""

import gymnasium
import numpy as np
import pytest
import torch

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.errors import ConfigError
from world4rl_core.imagination.env import ImaginationConfig, ImaginationEnv
from world4rl_core.imagination.replay import replay
from world4rl_core.imagination.starts import Starts
from world4rl_core.imagination.vector_env import ImaginationVectorEnv
from world4rl_core.nets.image import to_frames, to_images
from world4rl_core.reward.classifier import ClassifierConfig, SuccessClassifier
from world4rl_core.reward.decision import Decision
from world4rl_core.world_model.model import WorldModel, preset

HORIZON, ENVS = 6, 5


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    root = write_synthetic_dataset(tmp_path_factory.mktemp("data") / "synthetic", episodes=6, size=16)
    return FrameCache.build((root,), cameras=None, size=None)


def environment(
    cache: FrameCache, *, threshold: float, inside: float = 0.0, dwell: int = 1, **options: float
) -> ImaginationEnv:
    torch.manual_seed(0)
    model = WorldModel(preset("cpu", action_dim=cache.action_dim, height=16, width=16))
    classifier = SuccessClassifier(ClassifierConfig(width=8, stem="small"))
    starts = Starts(cache, np.arange(cache.num_episodes), history=4, horizon=HORIZON, inside=inside)
    config = ImaginationConfig(envs=ENVS, horizon=HORIZON, **options)  # type: ignore[arg-type]
    return ImaginationEnv(model, classifier, Decision(threshold, dwell=dwell), starts=starts, config=config, seed=3)


def actions(seed: int = 0) -> torch.Tensor:
    return torch.rand(ENVS, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_success_terminates_with_reward_one_and_is_not_a_truncation(cache: FrameCache) -> None:
    env = environment(cache, threshold=0.0)
    env.reset()
    step = env.step(actions())
    assert step.reward.tolist() == [1.0] * ENVS
    assert step.terminated.all()
    assert not step.truncated.any()
    assert (env.time == 0).all()


def test_horizon_truncates_without_reward_and_without_termination(cache: FrameCache) -> None:
    env = environment(cache, threshold=1.0)
    env.reset()
    for t in range(HORIZON):
        step = env.step(actions(t))
        assert step.truncated.all() == (t == HORIZON - 1)
        assert not step.terminated.any()
        assert (step.reward == 0).all()
    assert (step.next_time == HORIZON).all()
    assert not torch.equal(step.frame, step.next_frame)


def test_dwell_needs_consecutive_successes(cache: FrameCache) -> None:
    env = environment(cache, threshold=0.0, dwell=3)
    env.reset()
    assert [bool(env.step(actions(t)).terminated.all()) for t in range(3)] == [False, False, True]


def test_same_seed_gives_the_same_imagination_and_a_saved_state_continues_it(cache: FrameCache) -> None:
    one, other = environment(cache, threshold=0.9, inside=0.5), environment(cache, threshold=0.9, inside=0.5)
    assert torch.equal(one.reset(), other.reset())
    for t in range(4):
        assert torch.equal(one.step(actions(t)).next_frame, other.step(actions(t)).next_frame)
    third = environment(cache, threshold=0.9, inside=0.5)
    third.load(one.state())
    for t in range(4, 9):
        assert torch.equal(one.step(actions(t)).frame, third.step(actions(t)).frame)


def test_uncertainty_is_measured_every_so_many_steps_and_can_cost_reward(cache: FrameCache) -> None:
    env = environment(cache, threshold=1.0, uncertainty_every=2)
    env.reset()
    assert [env.step(actions(t)).uncertainty is not None for t in range(4)] == [False, True, False, True]
    env = environment(cache, threshold=1.0, uncertainty_every=1, uncertainty_penalty=2.0)
    env.reset()
    step = env.step(actions())
    assert step.uncertainty is not None
    torch.testing.assert_close(step.reward, -2.0 * step.uncertainty)
    with pytest.raises(ConfigError, match="uncertainty-every 1"):
        ImaginationConfig(uncertainty_every=4, uncertainty_penalty=1.0)


def test_starts_are_padded_on_the_left_and_inner_starts_carry_their_history(cache: FrameCache) -> None:
    starts = Starts(cache, np.array([1]), history=4, horizon=12)
    first = int(cache.starts[1])
    begin = starts.at(np.array([first, first + 2]), np.array([0, 2]))
    frames = to_frames(torch.from_numpy(np.array(cache.frames[first : first + 3])))
    torch.testing.assert_close(begin.frames[0], frames[[0, 0, 0, 0]])
    torch.testing.assert_close(begin.frames[1], frames[[0, 0, 1, 2]])
    assert (begin.actions[0] == 0).all()
    np.testing.assert_array_equal(begin.actions[1, 1:3].numpy(), cache.actions[first : first + 2])
    assert (begin.actions[:, 0] == 0).all()
    assert (begin.actions[:, -1] == 0).all()


def test_inner_starts_come_before_the_first_success(cache: FrameCache) -> None:
    starts = Starts(cache, np.arange(cache.num_episodes), history=4, horizon=12, inside=1.0)
    assert len(starts.inner_rows) > 0
    for row, time in zip(starts.inner_rows, starts.inner_times, strict=True):
        assert time > 0
        assert not cache.success[row - time : row + 1].any()


def test_any_algorithm_can_use_it_as_a_gymnasium_vector_env(cache: FrameCache) -> None:
    env = ImaginationVectorEnv(environment(cache, threshold=1.0))
    observation, _ = env.reset(seed=1)
    assert observation in env.observation_space
    same, _ = env.reset(seed=1)
    np.testing.assert_array_equal(observation, same)
    for t in range(HORIZON):
        env.action_space.seed(t)
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert observation in env.observation_space
    assert reward.dtype == np.float64
    assert truncated.all()
    assert not terminated.any()
    assert info["final_obs"].shape == observation.shape
    assert env.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.SAME_STEP


def test_replays_begin_with_the_real_frame_and_keep_real_labels(cache: FrameCache) -> None:
    env = environment(cache, threshold=0.5)
    found = replay(env.model, cache, np.array([0, 3]), seed=0, batch=1)
    np.testing.assert_array_equal(found.frames[0, 0], cache.frames[cache.starts[0]])
    np.testing.assert_array_equal(found.success[1], cache.success[cache.rows(3)])
    assert found.outcomes.tolist() == cache.episode_success[[0, 3]].tolist()


def test_pixels_survive_the_way_in_and_out() -> None:
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(1, 16, 16, 3).contiguous()
    assert torch.equal(to_images(to_frames(images)), images)
    assert to_frames(images).min() == -1.0
    assert to_frames(images).max() == 1.0
