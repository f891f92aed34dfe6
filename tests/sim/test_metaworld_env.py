"""The Meta-World environment: its contract with gymnasium, its seeds, its pictures and its experts."""

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from world4rl_core.errors import ConfigError, SimulatorError
from world4rl_core.sim.metaworld import MetaWorldConfig, MetaWorldEnv
from world4rl_core.sim.render import SceneRenderer
from world4rl_core.sim.rollout import SmoothExplorer
from world4rl_core.sim.tasks import PAPER_TASKS, TASKS, task_settings

FAUCET = MetaWorldConfig(task="faucet-open-v3", size=32)


@pytest.fixture(scope="module")
def faucet() -> Iterator[MetaWorldEnv]:
    env = MetaWorldEnv(FAUCET)
    yield env
    env.close()


def test_environment_passes_gymnasiums_checker(faucet: MetaWorldEnv) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(not within the observation space|render).*")
        check_env(faucet, skip_render_check=True)


def test_same_seed_gives_the_same_pixels_whatever_came_before(faucet: MetaWorldEnv) -> None:
    first, _ = faucet.reset(seed=3)
    after = [faucet.step(faucet.expert_action())[0] for _ in range(5)]
    faucet.reset(seed=99)
    faucet.step(np.ones(4, dtype=np.float32))
    again, _ = faucet.reset(seed=3)
    np.testing.assert_array_equal(first["image"], again["image"])
    np.testing.assert_array_equal(first["state"], again["state"])
    for before in after:
        now = faucet.step(faucet.expert_action())[0]
        np.testing.assert_array_equal(now["image"], before["image"])


def test_another_seed_gives_other_pixels(faucet: MetaWorldEnv) -> None:
    pictures = [faucet.reset(seed=seed)[0]["image"] for seed in range(3)]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])


def test_expert_solves_an_easy_task(faucet: MetaWorldEnv) -> None:
    for seed in range(4):
        faucet.reset(seed=seed)
        outcomes = [faucet.step(faucet.expert_action()) for _ in range(25)]
        assert any(terminated for _, _, terminated, _, _ in outcomes)
        assert all(reward == float(info["success"]) for _, reward, _, _, info in outcomes)


def test_state_is_proprioception_only(faucet: MetaWorldEnv) -> None:
    states = [faucet.reset(seed=seed)[0]["state"] for seed in range(4)]
    assert states[0].shape == (4,) and np.abs(states).max() <= 1
    # The hand starts at the same place whatever the draw of the object.
    np.testing.assert_allclose(states, np.broadcast_to(states[0], (4, 4)), atol=0.02)


def test_random_explorer_moves_within_bounds(faucet: MetaWorldEnv) -> None:
    explorer = SmoothExplorer(4)
    explorer.reset(seed=0)
    observation, _ = faucet.reset(seed=0)
    actions, states = [], []
    for _ in range(50):
        actions.append(explorer.act(observation["image"], observation["state"]))
        observation = faucet.step(actions[-1])[0]
        states.append(observation["state"])
    assert np.abs(actions).max() <= 1 and faucet.observation_space["state"].contains(states[-1])
    assert np.ptp(states, axis=0).min() > 0.1, "each direction and the gripper move"
    long = np.array([explorer.act(observation["image"], observation["state"]) for _ in range(4000)])
    assert np.abs(np.diff(long, axis=0)).mean() < 0.5 * long.std(), "smooth"
    assert 0.4 < long.std() < 0.8


@pytest.mark.parametrize("task", ["soccer-v3", "coffee-pull-v3"])
def test_reset_ends_for_draws_that_metaworld_rejects(task: str) -> None:
    env = MetaWorldEnv(MetaWorldConfig(task=task, size=8))
    objects = []
    for seed in range(60):
        env.reset(seed=seed)
        objects.append(env._sim._last_rand_vec)
    env.close()
    objects = np.array(objects)
    assert (np.linalg.norm(objects[:, :2] - objects[:, 3:5], axis=1) >= 0.15).all()
    assert len(np.unique(objects[:, 0])) == 60


def test_stepping_past_the_horizon_or_with_a_bad_action_is_refused() -> None:
    env = MetaWorldEnv(MetaWorldConfig(task="reach-v3", size=8, horizon=2))
    with pytest.raises(SimulatorError, match="call reset first"):
        env.step(np.zeros(4, dtype=np.float32))
    env.reset(seed=0)
    with pytest.raises(SimulatorError, match="4 finite numbers"):
        env.step(np.full(4, np.nan))
    with pytest.raises(SimulatorError, match="4 finite numbers"):
        env.step(np.zeros(3))
    assert [env.step(np.zeros(4))[3] for _ in range(2)] == [False, True]
    with pytest.raises(SimulatorError, match="call reset first"):
        env.step(np.zeros(4))
    env.close()


def test_crop_of_the_frustum_is_the_crop_of_the_whole_picture() -> None:
    pictures = {}
    for size, crop in ((200, (0.0, 1.0, 0.0, 1.0)), (60, (0.4, 0.7, 0.35, 0.65))):
        env = MetaWorldEnv(MetaWorldConfig(task="faucet-open-v3", size=size, crop=crop, supersample=1))
        pictures[size] = env.reset(seed=0)[0]["image"].astype(int)
        env.close()
    difference = np.abs(pictures[200][80:140, 70:130] - pictures[60])
    assert difference.mean() < 3


def test_geoms_left_out_of_the_drawing_would_not_have_been_seen(
    faucet: MetaWorldEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for seed in range(2):
        faucet.reset(seed=seed)
        for _ in range(8):
            drawn = faucet.step(rng.uniform(-1, 1, 4))[0]["image"]
            with monkeypatch.context() as everything:
                everything.setattr(SceneRenderer, "_may_be_seen", lambda self, *_: np.ones(self._model.ngeom, bool))
                np.testing.assert_array_equal(drawn, faucet.render())


def test_drawing_works_where_mujoco_was_imported_before() -> None:
    script = (
        "import mujoco\nfrom world4rl_core.sim.metaworld import MetaWorldConfig, MetaWorldEnv\n"
        "env = MetaWorldEnv(MetaWorldConfig(size=8))\nassert env.reset(seed=0)[0]['image'].std() > 10\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_task_table_lists_exactly_the_tasks_of_metaworld() -> None:
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    assert sorted(TASKS) == sorted(ALL_V3_ENVIRONMENTS)
    assert set(PAPER_TASKS) < set(TASKS)


def test_every_default_crop_is_square() -> None:
    for settings in TASKS.values():
        top, bottom, left, right = settings.crop
        assert bottom - top == pytest.approx(right - left)


def test_unknown_task_names_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="'faucet-opn-v3'; did you mean 'faucet-open-v3'.*Valid tasks: assembly-v3, "):
        MetaWorldConfig(task="faucet-opn-v3")
    with pytest.raises(ConfigError, match="did you mean 'hammer-v3'"):
        task_settings("hammer-v2")
    with pytest.raises(ConfigError, match="did you mean 'hammer-v3'"):
        task_settings("hammer")


@pytest.mark.parametrize(
    "wrong",
    [
        {"frame_skip": 0},
        {"size": 0},
        {"horizon": 0},
        {"expert_gain": 0.0},
        {"expert_gain": float("nan")},
        {"crop": (0.5, 0.4, 0.0, 1.0)},
        {"crop": (0.0, 1.2, 0.0, 1.0)},
    ],
)
def test_setting_out_of_range_is_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MetaWorldConfig(**wrong)


def test_unknown_camera_names_the_scenes_cameras() -> None:
    with pytest.raises(ConfigError, match="unknown camera 'side'.*corner2"):
        MetaWorldEnv(MetaWorldConfig(camera="side"))


def test_resolved_config_spells_out_every_default() -> None:
    resolved = MetaWorldConfig(task="hammer-v3", horizon=30).resolved()
    assert (resolved.frame_skip, resolved.expert_gain, resolved.horizon) == (4, 0.8, 30)
    assert resolved.crop == TASKS["hammer-v3"].crop
    assert resolved.resolved() == resolved
    assert MetaWorldConfig(task="hammer-v3", camera="corner3").settings.crop == (0.0, 1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("variables", "advice"),
    [
        ({"MUJOCO_GL": "nonsense"}, "unset MUJOCO_GL"),
        # PyOpenGL bound to another platform fails just as it does without the library.
        ({"MUJOCO_GL": "osmesa", "PYOPENGL_PLATFORM": "egl"}, "apt-get install libosmesa6"),
    ],
)
def test_missing_gl_names_the_package_to_install(variables: dict[str, str], advice: str) -> None:
    script = (
        "from world4rl_core.errors import SimulatorError\n"
        "from world4rl_core.sim.metaworld import MetaWorldConfig, MetaWorldEnv\n"
        "try:\n    MetaWorldEnv(MetaWorldConfig())\n"
        "except SimulatorError as error:\n    raise SystemExit(f'caught: {error}')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], env=os.environ | variables, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith("caught: ") and advice in ran.stderr
