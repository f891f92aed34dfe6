"""The calibration node beside a played arm: what it refuses, and that it moves nothing while a person guides."""

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("cv2")
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import CameraInfo, Image
from stage import Stage
from std_srvs.srv import SetBool, Trigger

from world4rl import convert, qos
from world4rl.nodes.calibrate import CalibrateNode
from world4rl_core.calibration.practice import board_in_front, random_cell
from world4rl_core.calibration.simulated import SimulatedCamera
from world4rl_core.errors import ConfigError

LENS = np.array([[30.0, 0.0, 15.5], [0.0, 30.0, 11.5], [0.0, 0.0, 1.0]])


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as found:
        yield found


def begin(stage, folder, *, camera="wrist", K=LENS, distortion=(0.0,) * 5, size=(32, 24), **parameters):
    node = stage.run(CalibrateNode, camera=camera, samples=str(folder), **parameters)
    info = stage.node.create_publisher(CameraInfo, f"{camera}/color/camera_info", qos.IMAGE)
    stage.wait(info.get_subscription_count, "the node's subscription")
    stage.play(0.3, node=node)
    stamp = {"time_s": stage.time_s, "camera": camera}
    info.publish(convert.camera_info_message(K, distortion, width=size[0], height=size[1], **stamp))
    stage.wait(lambda: node.samples is not None or node.is_finished, "the session")
    return node


def test_before_the_camera_has_spoken_its_node_is_asked_for(stage, tmp_path):
    stage.run(CalibrateNode, camera="wrist", samples=str(tmp_path / "s"), guide=True)
    for word in ("take", "undo", "compute", "save"):
        answer = stage.call(f"calibrate/{word}")
        assert answer == (False, "camera wrist has said nothing yet; is its node running?")


def test_a_picture_without_a_board_is_no_sample_and_nothing_to_undo_is_said(stage, tmp_path):
    node = begin(stage, tmp_path / "s", guide=True)
    stage.play(0.5, node=node)
    is_taken, why = stage.call("calibrate/take")
    assert not is_taken and "no board in the picture" in why
    assert "has no sample to undo" in stage.call("calibrate/undo")[1]
    before = stage.rig.read_text()
    is_saved, why = stage.call("calibrate/save")
    assert not is_saved and "0 samples" in why
    assert stage.rig.read_text() == before and not list((tmp_path / "s").glob("sample_*"))


def test_a_guided_session_publishes_nothing_that_the_arm_obeys(stage, tmp_path):
    begin(stage, tmp_path / "s", guide=True)
    assert stage.node.count_publishers("policy/twist") == 0


def test_a_person_takes_and_undoes_samples(stage, tmp_path):
    facts = yaml.safe_load(stage.rig.read_text())
    facts["cameras"][1] |= {"width": 640, "height": 480}
    stage.rig.write_text(yaml.safe_dump(facts))
    stage.silent.add("wrist")
    cell = random_cell("eye_in_hand", np.random.default_rng(3))
    with SimulatedCamera(cell.board, cell.intrinsics) as camera:
        T = next(board_in_front(cell.board, cell.intrinsics, 1, np.random.default_rng(1)))
        image = camera.picture(np.eye(4), T)
    lens, (k1, k2, p1, p2, k3) = cell.intrinsics, cell.intrinsics.distortion
    K = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]])
    node = begin(stage, tmp_path / "s", guide=True, K=K, distortion=[k1, k2, p1, p2, k3], size=(640, 480))
    pictures = stage.node.create_publisher(Image, "wrist/color/image_raw", qos.IMAGE)
    stage.wait(pictures.get_subscription_count, "the node's second subscription")
    pictures.publish(convert.image_message(image, time_s=stage.time_s, camera="wrist"))
    stage.play(0.2, node=node)
    is_taken, said = stage.call("calibrate/take")
    assert is_taken and said.startswith("1 samples; tilt the hand"), said
    assert (tmp_path / "s" / "sample_0001.json").exists()
    is_taken, why = stage.call("calibrate/take")
    assert not is_taken and "from sample 1, wanted 10 mm or 2 degrees" in why
    assert stage.call("calibrate/undo")[1].startswith("0 samples")
    assert not list((tmp_path / "s").glob("sample_*"))


def test_the_real_arm_is_never_homed_or_armed_by_the_node_and_stands_while_a_person_moves_it(stage, tmp_path):
    asked = []
    for kind, name in ((Trigger, "arm/home"), (SetBool, "arm/enable"), (Trigger, "arm/reset_latch")):
        stage.node.create_service(kind, name, lambda _, reply, name=name: asked.append(name) or reply)
    stage.status |= {"level": "disarmed", "armed": False}
    heard = stage.hear(TwistStamped, "policy/twist", qos.EVENT)
    node = begin(stage, tmp_path / "s")
    stage.play(1.0, node=node)
    stage.status |= {"level": "armed", "armed": True, "intervention": True}
    stage.play(1.0, node=node)
    stage.wait(lambda: heard, "the node's twists")
    assert not any(convert.twist_of(message).any() for message in heard)
    assert asked == []


def test_a_folder_of_another_camera_ends_the_node(stage, tmp_path):
    begin(stage, tmp_path / "s", guide=True)
    other = begin(stage, tmp_path / "s", guide=True, camera="external", mode="eye_to_hand")
    assert other.is_finished and "give another folder" in str(other.failure)


def test_a_board_that_is_none_is_refused(stage, tmp_path):
    with pytest.raises(ConfigError, match="board '7x5': wanted columns x rows"):
        stage.run(CalibrateNode, camera="wrist", samples=str(tmp_path), board="7x5")
