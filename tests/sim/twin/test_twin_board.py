"""The calibration board in the twin: where it says it is, and nothing else changed."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("franky_sim")
from world4rl_core.calibration.board import Board, board_pose, find_board
from world4rl_core.calibration.twin_board import add_board, board_in_hand, board_on_table
from world4rl_core.calibration.twin_rig import write_twin_rig
from world4rl_core.errors import ConfigError
from world4rl_core.geometry import inverse, pose_distance
from world4rl_core.optics import Intrinsics
from world4rl_core.rig import load_rig
from world4rl_core.robot.kinematics import forward
from world4rl_core.sim.gl import import_mujoco
from world4rl_core.sim.twin.cameras import Snapshot, SnapshotRenderer, T_parent_cam, intrinsics
from world4rl_core.sim.twin.control import JOINTS
from world4rl_core.sim.twin.scene import TCP_BELOW_HAND_M, lock_step_scene, scene_xml


@pytest.mark.parametrize(("camera", "place"), [("wrist", "table"), ("external", "hand")])
def test_the_camera_sees_the_board_at_its_place_from_the_start_pose(camera, place, tmp_path):
    mujoco, rig = import_mujoco(), load_rig(write_twin_rig(tmp_path / "rig.yaml", camera))
    scene = lock_step_scene()
    add_board(scene, place, tmp_path)
    renderer = SnapshotRenderer(scene_xml(scene), [rig.camera(camera)], full_frame=True)
    data = mujoco.MjData(renderer.model)
    for name, q in zip(JOINTS, rig.robot.home_q, strict=True):
        data.qpos[renderer.model.joint(name).qposadr[0]] = q
    image = renderer.draw(Snapshot.take(data))[camera]
    renderer.close()
    K = intrinsics(renderer.model, camera, width=640, height=480)
    lens = Intrinsics(640, 480, *(float(K[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2))))
    found, error_px = board_pose(find_board(image, Board()), Board(), lens)
    T, T_base_ee = T_parent_cam(renderer.model, camera), forward(np.array(rig.robot.home_q))
    if camera == "wrist":
        T[2, 3] -= TCP_BELOW_HAND_M
        expected = inverse(T_base_ee @ T) @ board_on_table(Board())
    else:
        expected = inverse(T) @ T_base_ee @ board_in_hand(Board())
    mm, deg = pose_distance(expected, found)
    assert error_px < 0.3 and mm < 3 and deg < 0.6


def test_without_a_board_the_scene_is_what_it_was_and_with_one_only_that_is_added(tmp_path):
    mujoco, before, scene = import_mujoco(), scene_xml(lock_step_scene()), lock_step_scene()
    add_board(scene, "none", tmp_path)
    assert scene_xml(scene) == before and list(tmp_path.iterdir()) == []
    add_board(scene, "hand", tmp_path)
    plain, held = (mujoco.MjModel.from_xml_string(xml) for xml in (before, scene_xml(scene)))
    assert (held.nq, held.nbody, held.ngeom) == (plain.nq, plain.nbody, plain.ngeom + 1)
    np.testing.assert_array_equal(held.body_mass, plain.body_mass)
    np.testing.assert_array_equal(held.body_inertia, plain.body_inertia)


def test_an_unknown_place_names_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match="wanted one of none, table, hand"):
        add_board(lock_step_scene(), "wall", tmp_path)


def test_a_rig_file_that_is_there_is_kept(tmp_path):
    path = write_twin_rig(tmp_path / "rig.yaml", "wrist", host="127.0.0.9")
    assert (load_rig(path).camera("wrist").width, load_rig(path).camera("external").width) == (640, 160)
    before = path.read_text()
    assert write_twin_rig(path, "external").read_text() == before


def test_the_list_of_launch_files_needs_no_opencv():
    pytest.importorskip("rclpy")
    code = "import sys, world4rl.launches; print('cv2' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
