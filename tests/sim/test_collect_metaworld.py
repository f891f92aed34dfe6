"""Collection and evaluation on Meta-World: the same whatever the number of workers, honest labels, clear refusals."""

from functools import partial

import numpy as np
import pytest

from world4rl_core.errors import ConfigError, SimulatorError
from world4rl_core.sim.collect import collect, episode_seed
from world4rl_core.sim.evaluate import evaluate
from world4rl_core.sim.metaworld import MetaWorldConfig
from world4rl_core.sim.rollout import SmoothExplorer, Trajectory

PRESS = MetaWorldConfig(task="handle-press-v3", size=16, horizon=20)
BRIEF = MetaWorldConfig(task="handle-press-v3", size=16, horizon=5)


class Constant:
    """Acts the same for ever."""

    def __init__(self, *action: float) -> None:
        self.action_dim = len(action)
        self._action = np.array(action, dtype=np.float32)

    def reset(self, *, seed: int) -> None:
        pass

    def act(self, image: np.ndarray, state: np.ndarray) -> np.ndarray:
        return self._action


def assert_equal(one: Trajectory, other: Trajectory) -> None:
    assert (one.seed, one.source, one.task, one.truncated) == (other.seed, other.source, other.task, other.truncated)
    np.testing.assert_array_equal(one.images["corner2"], other.images["corner2"])
    for name in ("state", "action", "requested", "next_reward", "next_success"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_data_does_not_depend_on_the_number_of_workers_nor_on_where_it_starts() -> None:
    gather = partial(collect, BRIEF, source="policy", make_policy=partial(SmoothExplorer, 4), noise=(0.1, 0.3), seed=5)
    alone = list(gather(episodes=4))
    for one, other in zip(alone, gather(episodes=4, workers=2), strict=True):
        assert_equal(one, other)
    for one, other in zip(alone[2:], gather(episodes=2, first_episode=2), strict=True):
        assert_equal(one, other)
    assert len({trajectory.seed for trajectory in alone}) == 4


def test_expert_trajectory_keeps_its_shape_and_labels_after_success() -> None:
    (trajectory,) = collect(PRESS, source="expert", episodes=1, seed=0, noise=(0.1,))
    assert trajectory.images["corner2"].shape == (21, 16, 16, 3) and trajectory.images["corner2"].dtype == np.uint8
    assert trajectory.state.shape == (21, 4) and trajectory.action.shape == trajectory.requested.shape == (21, 4)
    assert trajectory.succeeded and trajectory.truncated and not trajectory.terminated
    assert not trajectory.action[-1].any() and not trajectory.requested[-1].any()
    assert trajectory.next_success[-1] == trajectory.next_success[-2]
    np.testing.assert_array_equal(trajectory.next_reward, trajectory.next_success.astype(np.float32))
    added = trajectory.action[:-1] - trajectory.requested[:-1]
    assert 0.02 < added.std() < 0.2 and np.abs(trajectory.action).max() <= 1


def test_stopping_on_success_terminates_and_does_not_truncate() -> None:
    (trajectory,) = collect(PRESS, source="expert", episodes=1, seed=0, stop_on_success=True)
    assert trajectory.terminated and not trajectory.truncated
    assert trajectory.next_success[:-2].sum() == 0 and trajectory.next_success[-2]


def test_noise_cycles_over_the_episodes() -> None:
    still = partial(Constant, 0.0, 0.0, 0.0, 0.0)
    spread = [
        trajectory.action[:-1].std()
        for trajectory in collect(BRIEF, source="policy", make_policy=still, episodes=4, seed=0, noise=(0.0, 0.3))
    ]
    assert spread[0] == spread[2] == 0 and min(spread[1], spread[3]) > 0.1


def test_noise_with_memory_strays_steadily_and_is_as_wide() -> None:
    still = partial(Constant, 0.0, 0.0, 0.0, 0.0)

    def played(memory: float) -> np.ndarray:
        options = {"episodes": 8, "seed": 0, "noise": (0.2,), "noise_memory": memory}
        return np.stack([t.action[:-1] for t in collect(BRIEF, source="policy", make_policy=still, **options)])

    white, slow = played(0.0), played(0.95)
    assert 0.15 < white.std() < 0.25 and 0.12 < slow.std() < 0.28
    assert np.abs(np.diff(slow, axis=1)).mean() < 0.5 * np.abs(np.diff(white, axis=1)).mean()


def test_only_successes_gives_up_with_advice() -> None:
    wanted = collect(BRIEF, source="random", episodes=1, seed=0, only_successes=True, max_tries=2)
    with pytest.raises(SimulatorError, match="episode 0 failed 2 times in a row; lower the noise"):
        list(wanted)


def test_streams_of_one_seed_are_apart() -> None:
    seeds = {episode_seed(0, stream, episode=k) for stream in ("expert", "policy", "evaluation") for k in range(50)}
    assert len(seeds) == 150


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"source": "human"}, "unknown source 'human'; known: expert, policy, random"),
        ({"source": "policy"}, "without a policy"),
        ({"source": "expert", "make_policy": partial(Constant, 0.0)}, "with a policy"),
        ({"source": "expert", "noise": (-0.1,)}, "noise must be"),
        ({"source": "expert", "noise": ()}, "noise must be"),
        ({"source": "expert", "noise_memory": 1.0}, "noise_memory must lie in"),
        ({"source": "expert", "workers": 0}, "workers must be at least 1"),
    ],
)
def test_contradictory_request_is_refused_before_anything_starts(wrong: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        collect(BRIEF, **{"episodes": 1, "seed": 0} | wrong)


def test_policy_of_another_robot_is_refused() -> None:
    with pytest.raises(ConfigError, match="acts in 7 dimensions, metaworld_sawyer wants 4"):
        list(collect(BRIEF, source="policy", make_policy=partial(Constant, *[0.0] * 7), episodes=1, seed=0))


def test_policies_are_judged_from_the_same_initial_states() -> None:
    policies = {"down": partial(Constant, 0.0, 0.0, -1.0, 0.0), "up": partial(Constant, 0.0, 0.0, 1.0, 0.0)}
    seen = []
    outcomes = evaluate(
        BRIEF, policies=policies, episodes=3, seed=1, workers=2, keep_frames=1, on_outcome=lambda one: seen.append(one)
    )
    assert seen == outcomes
    assert [(one.episode, one.policy) for one in outcomes] == [(k, name) for k in range(3) for name in ("down", "up")]
    assert outcomes[0].seed == outcomes[1].seed != outcomes[2].seed
    assert outcomes[0].frames is not None and outcomes[2].frames is None
    np.testing.assert_array_equal(outcomes[0].frames[0], outcomes[1].frames[0])
    again = evaluate(BRIEF, policies=policies, episodes=1, seed=1, first_episode=2)
    assert [(one.success, one.steps, one.seed) for one in again] == [
        (one.success, one.steps, one.seed) for one in outcomes[4:]
    ]


def test_evaluation_stops_at_the_first_success_and_at_the_horizon() -> None:
    long = MetaWorldConfig(task="handle-press-v3", size=16, horizon=20)
    down, up = evaluate(
        long,
        policies={"down": partial(Constant, 0.0, 1.0, -1.0, 0.0), "up": partial(Constant, 0.0, 0.0, 1.0, 0.0)},
        episodes=1,
        seed=0,
    )
    assert not up.success and up.steps == 20
    assert down.success == (down.steps < 20)
    with pytest.raises(ConfigError, match="at least one policy"):
        evaluate(long, policies={}, episodes=1, seed=0)
