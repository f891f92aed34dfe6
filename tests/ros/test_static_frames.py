"""Where calibrated cameras are, for whoever comes later: on /tf_static, or as one pose a camera."""

from importlib.util import find_spec

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")
from geometry_msgs.msg import PoseStamped
from stage import Stage

from world4rl import convert, qos
from world4rl.rig_node import RigNode
from world4rl.static_frames import StaticFrames
from world4rl_core.calibration.frames import static_transforms
from world4rl_core.geometry import pose
from world4rl_core.rig import load_rig

T_EXTERNAL = [0.0, -1.0, 0.0, 1.05, -1.0, 0.0, 0.0, -0.62, 0.0, 0.0, -1.0, 0.6, 0.0, 0.0, 0.0, 1.0]


class FramesNode(RigNode):
    def __init__(self, **options):
        super().__init__("frames", **options)

    def open(self):
        self.frames = StaticFrames(self)


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as found:
        facts = yaml.safe_load(found.rig.read_text())
        facts["cameras"][0]["T_parent_cam"] = T_EXTERNAL
        found.rig.write_text(yaml.safe_dump(facts))
        yield found


@pytest.mark.skipif(find_spec("tf2_msgs") is not None, reason="the poses are on /tf_static here")
def test_a_late_listener_hears_where_each_calibrated_camera_is(stage):
    stage.run(FramesNode, sim_time=False)
    heard = stage.hear(PoseStamped, "static_pose/external_color_optical_frame", qos.STATUS)
    stage.wait(lambda: heard, "the camera's pose")
    assert heard[0].header.frame_id == "base"
    np.testing.assert_allclose(pose(*convert.pose_of(heard[0])), np.reshape(T_EXTERNAL, (4, 4)), atol=1e-9)
    topics = [name for name, _ in stage.node.get_topic_names_and_types()]
    assert not any("wrist_color_optical_frame" in name for name in topics)  # not calibrated


def test_transforms_have_parent_and_child(stage):
    (found,) = static_transforms(load_rig(stage.rig))
    message = convert.transform_message(found, time_s=2.5)
    assert (message.header.frame_id, message.child_frame_id) == ("base", "external_color_optical_frame")
    at, turned = message.transform.translation, message.transform.rotation
    T = pose(np.array([at.x, at.y, at.z]), np.array([turned.x, turned.y, turned.z, turned.w]))
    np.testing.assert_allclose(T, np.reshape(T_EXTERNAL, (4, 4)), atol=1e-9)


def test_a_late_listener_hears_of_tf_static_where_its_messages_are_installed(stage):
    messages = pytest.importorskip("tf2_msgs.msg")
    stage.run(FramesNode, sim_time=False)
    heard = stage.hear(messages.TFMessage, "/tf_static", qos.STATUS)
    stage.wait(lambda: heard, "/tf_static")
    assert [one.child_frame_id for one in heard[0].transforms] == ["external_color_optical_frame"]
