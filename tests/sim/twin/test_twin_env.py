"""The twin's environment: its contract with gymnasium, its seeds, what an action does, and its experts."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from world4rl_core.errors import ConfigError, RigError, SimulatorError
from world4rl_core.rig import load_rig
from world4rl_core.sim.rollout import SmoothExplorer
from world4rl_core.sim.twin.env import TwinConfig, TwinEnv
from world4rl_core.sim.twin.experts import expert
from world4rl_core.sim.twin.tasks import TASKS, find_task

APPLE = TwinConfig(task="pick_apple", size=32)
STILL = np.zeros(7)


@pytest.fixture(scope="module")
def apple() -> Iterator[TwinEnv]:
    env = TwinEnv(APPLE)
    yield env
    env.close()


@pytest.fixture(scope="module")
def blind() -> TwinEnv:
    """Draws nothing, so that many steps are quick."""
    return TwinEnv(TwinConfig(task="pick_apple", horizon=1000), draws=False)


def tcp_m(env: TwinEnv) -> np.ndarray:
    return env.data.site("tcp").xpos.copy()


def moved_by(env: TwinEnv, action: list[float], *, steps: int) -> np.ndarray:
    """The state's change over `steps` of `action` and one of rest."""
    before = env.reset(seed=0)[0]["state"].astype(float)
    for _ in range(steps):
        env.step(np.array(action))
    return env.step(STILL)[0]["state"] - before


def test_environment_passes_gymnasiums_checker(apple: TwinEnv) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*render.*")
        check_env(apple, skip_render_check=True)


def test_same_seed_gives_the_same_pixels_whatever_came_before(apple: TwinEnv) -> None:
    first, _ = apple.reset(seed=3)
    after = [apple.step(apple.expert_action())[0] for _ in range(16)]
    apple.reset(seed=99)
    apple.step(np.ones(7))
    again, _ = apple.reset(seed=3)
    for before, now in zip(
        [first, *after], [again, *(apple.step(apple.expert_action())[0] for _ in after)], strict=True
    ):
        for name in ("external", "wrist", "state"):
            np.testing.assert_array_equal(now[name], before[name])


def test_spread_decides_how_far_objects_move() -> None:
    fixed = TwinEnv(TwinConfig(task="pick_apple", spread_m=0.0), draws=False)
    wide = TwinEnv(TwinConfig(task="pick_apple", spread_m=0.03), draws=False)
    home = [0.52, 0.0]
    for seed in range(20):
        fixed.reset(seed=seed)
        np.testing.assert_array_equal(fixed.data.body("apple").xpos[:2], home)
    places = []
    for seed in range(200):
        wide.reset(seed=seed)
        places.append(wide.data.body("apple").xpos[:2] - home)
    assert 0.028 < np.abs(places).max() <= 0.03
    assert np.min(places) < -0.025 and np.max(places) > 0.025


def test_an_action_is_a_displacement_a_rotation_and_a_gripper_state(blind: TwinEnv) -> None:
    np.testing.assert_allclose(moved_by(blind, [1, 0, 0, 0, 0, 0, 0], steps=4)[7:10], [0.1, 0, 0], atol=0.004)
    np.testing.assert_allclose(moved_by(blind, [0, -0.5, 0.2, 0, 0, 0, 0], steps=4)[7:10], [0, -0.05, 0.02], atol=0.004)
    turned = moved_by(blind, [0, 0, 0, 0, 0, 1, 0], steps=4)
    np.testing.assert_allclose(turned[7:10], 0, atol=0.004)
    R_base_tcp = blind.data.site("tcp").xmat.reshape(3, 3)
    assert np.arctan2(R_base_tcp[1, 0], R_base_tcp[0, 0]) == pytest.approx(0.4, abs=0.02)
    assert moved_by(blind, [0, 0, 0, 0, 0, 0, -1], steps=10)[-1] == pytest.approx(-0.08, abs=0.003)
    closed = blind.step(STILL)[0]["state"][-1]
    assert closed < 0.003, "a zero leaves the gripper as it was"
    assert blind.step(np.array([0, 0, 0, 0, 0, 0, 1.0]))[0]["state"][-1] > closed + 0.002


def test_random_actions_stay_in_the_box_and_within_speed_and_push_nothing_into_the_table(blind: TwinEnv) -> None:
    limits = load_rig("twin").limits
    explorer, fastest, deepest = SmoothExplorer(7, spread=1.5), 0.0, 0.0
    for seed in range(4):
        explorer.reset(seed=seed)
        blind.reset(seed=seed)
        for _ in range(80):
            blind.step(explorer.act(np.zeros((1, 1, 3), np.uint8), np.zeros(15, np.float32)))
            at = tcp_m(blind)
            assert (at > np.array(limits.box_low_m) - 0.03).all() and (at < np.array(limits.box_high_m) + 0.03).all()
            R_base_tcp = blind.data.site("tcp").xmat.reshape(3, 3)
            assert np.arccos(-R_base_tcp[2, 2]) < limits.max_tilt_rad + 0.15
            fastest = max(fastest, float(np.abs(blind.data.qvel[:7]).max()))
            deepest = max(deepest, float(-blind.data.contact.dist.min(initial=0.0)))
    assert fastest < 4.0
    assert deepest < 0.004


@pytest.mark.parametrize("task", TASKS)
def test_an_expert_solves_its_task_and_standing_still_does_not(task: str) -> None:
    env = TwinEnv(TwinConfig(task=task), draws=False)
    for seed in range(2):
        env.reset(seed=seed)
        assert not any(env.step(STILL)[2] for _ in range(5))
        outcomes = []
        while not outcomes or not (outcomes[-1][2] or outcomes[-1][3]):
            outcomes.append(env.step(env.expert_action()))
        _, reward, terminated, _, info = outcomes[-1]
        assert terminated and reward == 1.0 and info["success"]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_an_expert_solves_98_of_100_resets(task: str) -> None:
    env = TwinEnv(TwinConfig(task=task), draws=False)
    solved = 0
    for seed in range(100):
        env.reset(seed=10_000 + seed)
        over = False
        while not over:
            _, _, terminated, truncated, _ = env.step(env.expert_action())
            solved, over = solved + terminated, terminated or truncated
    assert solved >= 98


def test_a_grasped_apple_survives_shaking(blind: TwinEnv) -> None:
    blind.reset(seed=0)
    while not blind.step(blind.expert_action())[2]:
        pass
    held_m = blind.data.body("apple").xpos - tcp_m(blind)
    for step in range(60):
        blind.step(np.array([0, 1.0 if step // 3 % 2 else -1.0, 0, 0, 0, 0, -1]))
    np.testing.assert_allclose(blind.data.body("apple").xpos - tcp_m(blind), held_m, atol=0.008)


def test_stepping_past_the_horizon_or_with_a_bad_action_is_refused() -> None:
    env = TwinEnv(TwinConfig(horizon=2), draws=False)
    with pytest.raises(SimulatorError, match="call reset first"):
        env.step(STILL)
    with pytest.raises(SimulatorError, match="call reset first"):
        env.expert_action()
    env.reset(seed=0)
    with pytest.raises(SimulatorError, match="7 finite numbers"):
        env.step(np.full(7, np.nan))
    with pytest.raises(SimulatorError, match="7 finite numbers"):
        env.step(np.zeros(4))
    assert [env.step(STILL)[3] for _ in range(2)] == [False, True]
    with pytest.raises(SimulatorError, match="call reset first"):
        env.step(STILL)


def test_unknown_task_rig_or_camera_names_the_valid_ones() -> None:
    every = ", ".join(TASKS)
    with pytest.raises(
        ConfigError, match=f"unknown task 'open_draw' .*did you mean 'open_drawer'.*Valid tasks: {every}"
    ):
        TwinConfig(task="open_draw")
    with pytest.raises(ConfigError, match=f"Valid tasks: {every}"):
        find_task("soccer-v3")
    with pytest.raises(ConfigError, match=f"Valid tasks: {every}"):
        expert("")
    with pytest.raises(RigError, match="known rigs: .*twin"):
        TwinConfig(rig="nope")
    with pytest.raises(RigError, match="no camera 'top'; known: external, wrist"):
        TwinConfig(cameras=("top",))
    with pytest.raises(ConfigError, match="sees camera 'wrist', which is not drawn; drawn: external"):
        TwinConfig(cameras=("external",), seen_cameras=("wrist",))


@pytest.mark.parametrize("wrong", [{"size": 0}, {"horizon": 0}, {"spread_m": -0.1}, {"spread_m": float("nan")}])
def test_setting_out_of_range_is_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        TwinConfig(**wrong)


def test_a_policy_sees_the_cameras_of_its_training_side_by_side() -> None:
    config = TwinConfig(size=32, seen_cameras=("wrist", "external"), seen_size=(16, 16))
    observation = {name: np.full((32, 32, 3), value, np.uint8) for name, value in (("external", 10), ("wrist", 200))}
    seen = config.policy_image({**observation, "state": np.zeros(15, np.float32)})
    assert seen.shape == (16, 32, 3) and (seen[:, :16] == 200).all() and (seen[:, 16:] == 10).all()
    assert TwinConfig(size=32).policy_image(observation).shape == (32, 64, 3)
