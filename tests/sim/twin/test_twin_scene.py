"""The scene around franky-sim's arm and what its cameras see of it."""

import multiprocessing
from collections.abc import Iterator

import numpy as np
import pytest
from franky_sim import SimulationServer
from franky_sim.mujoco_simulator import MujocoSimulator

from world4rl_core.errors import ConfigError, SimulatorError
from world4rl_core.rig import CameraRig
from world4rl_core.sim.twin.cameras import Snapshot, SnapshotRenderer, T_parent_cam, intrinsics
from world4rl_core.sim.twin.env import TwinConfig, TwinEnv
from world4rl_core.sim.twin.scene import HOME_Q, build_scene, lock_step_scene, scene_xml
from world4rl_core.sim.twin.tasks import TASKS

CAMERAS = TwinConfig(size=64).camera_rigs


@pytest.fixture(scope="module")
def env() -> Iterator[TwinEnv]:
    env = TwinEnv(TwinConfig(task="put_bread_in", size=64))
    yield env
    env.close()


@pytest.fixture(scope="module")
def renderer() -> Iterator[SnapshotRenderer]:
    renderer = SnapshotRenderer(scene_xml(lock_step_scene()), CAMERAS)
    yield renderer
    renderer.close()


def arranged(env: TwinEnv, task: str, *, spread_m: float = 0.0, seed: int = 0) -> Snapshot:
    """The start of another task in the same scene."""
    env.reset(seed=0)
    TASKS[task].reset(env.model, env.data, np.random.default_rng(seed), spread_m)
    return Snapshot.take(env.data)


def draw_elsewhere(xml: str, snapshot: Snapshot, sender) -> None:
    renderer = SnapshotRenderer(xml, CAMERAS)
    sender.send(renderer.draw(snapshot))
    renderer.close()


def test_franky_sim_runs_the_same_scene_and_objects_stay_where_a_task_puts_them() -> None:
    simulator = MujocoSimulator()
    simulator.add_robot(initial_q=HOME_Q, initial_hand_width=0.08)
    build_scene(simulator.scene)
    with simulator, SimulationServer(simulator) as server:
        for task in TASKS.values():
            task.reset(simulator.model, simulator.data, np.random.default_rng(0), 0.03)
            before = Snapshot.take(simulator.data)
            for _ in range(300):
                server.run_once(realtime=False)
            np.testing.assert_allclose(simulator.data.qpos[9:], before.qpos[9:], atol=2e-3)
            assert not task.is_success(simulator.model, simulator.data)


def test_building_twice_or_without_an_arm_is_refused() -> None:
    simulator = MujocoSimulator()
    with pytest.raises(SimulatorError, match="add_robot"):
        build_scene(simulator.scene)
    simulator.add_robot()
    build_scene(simulator.scene)
    with pytest.raises(SimulatorError, match="already holds the twin"):
        build_scene(simulator.scene)


@pytest.mark.parametrize("task", TASKS)
def test_every_object_shows_at_64_pixels_in_both_cameras(env: TwinEnv, renderer: SnapshotRenderer, task: str) -> None:
    start = renderer.draw(arranged(env, task))
    other = renderer.draw(arranged(env, "press_button" if task != "press_button" else "pick_apple"))
    for camera in ("external", "wrist"):
        changed = np.abs(start[camera].astype(int) - other[camera]).max(axis=-1) > 40
        assert changed.sum() >= 60, f"{camera}: {changed.sum()} pixels"


def test_solved_looks_different_from_unsolved(env: TwinEnv, renderer: SnapshotRenderer) -> None:
    opened, closed = arranged(env, "close_drawer"), arranged(env, "open_drawer")
    pictures = [renderer.draw(snapshot)["external"].astype(int) for snapshot in (opened, closed)]
    assert (np.abs(pictures[0] - pictures[1]).max(axis=-1) > 40).sum() > 100


def test_a_snapshot_drawn_in_another_process_is_the_environments_picture(env: TwinEnv) -> None:
    observation, _ = env.reset(seed=4)
    for _ in range(6):
        observation, *_ = env.step(env.expert_action())
    receiver, sender = multiprocessing.Pipe(duplex=False)
    drawing = multiprocessing.get_context("spawn").Process(
        target=draw_elsewhere, args=(scene_xml(lock_step_scene()), Snapshot.take(env.data), sender)
    )
    drawing.start()
    pictures = receiver.recv()
    drawing.join()
    for name in ("external", "wrist"):
        np.testing.assert_array_equal(pictures[name], observation[name])


@pytest.mark.parametrize("full_frame", [False, True])
def test_true_pose_and_intrinsics_project_the_apple_where_it_is_drawn(env: TwinEnv, *, full_frame: bool) -> None:
    crop = (0.0, 1.0, 0.0, 1.0) if full_frame else (0.2, 0.8, 0.2, 0.65)
    camera = CameraRig("external", "s", width=640, height=480, size=288, crop=crop)
    renderer = SnapshotRenderer(scene_xml(lock_step_scene()), (camera,), full_frame=full_frame)
    picture = renderer.draw(arranged(env, "pick_apple"))["external"].astype(int)
    renderer.close()
    assert picture.shape == ((480, 640, 3) if full_frame else (288, 288, 3))
    red = (picture[..., 0] > 120) & (picture[..., 1] < 70) & (picture[..., 2] < 70)
    row, column = np.argwhere(red).mean(axis=0)
    at = np.linalg.inv(T_parent_cam(env.model, "external")) @ [0.52, 0.0, 0.032, 1.0]
    wanted = intrinsics(env.model, "external", width=640, height=480) @ (at[:3] / at[2])
    top, _, left, _ = (0.0, 0.0, 0.0, 0.0) if full_frame else crop
    scale = (1.0, 1.0) if full_frame else (288 / (0.6 * 480), 288 / (0.45 * 640))
    assert row == pytest.approx((wanted[1] - 480 * top) * scale[0], abs=2.5)
    assert column == pytest.approx((wanted[0] - 640 * left) * scale[1], abs=2.5)


def test_camera_that_the_scene_lacks_is_named(renderer: SnapshotRenderer) -> None:
    with pytest.raises(ConfigError, match="unknown camera 'top'; this scene has: external, wrist"):
        SnapshotRenderer(scene_xml(lock_step_scene()), (CameraRig("top", "s"),))
    with pytest.raises(ConfigError, match="spread must be"):
        TASKS["pick_apple"].reset(renderer.model, None, np.random.default_rng(0), -1.0)
