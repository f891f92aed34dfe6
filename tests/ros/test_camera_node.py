"""The camera node on a software device: pictures with their stamps; unplugged it stays alive: faults 44 and 48."""

import threading
import time
from functools import partial

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("pyrealsense2")
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, Image
from soft_camera import FPS, HEIGHT, WIDTH, SoftCamera
from stage import Stage
from std_msgs.msg import String

from world4rl import convert, qos
from world4rl.nodes.camera import CameraNode
from world4rl_core.errors import RobotError, World4RLError


class Feed:
    """Pushes frames into the software device for as long as it is plugged in."""

    def __init__(self, soft):
        self.soft, self.is_on, self._is_open = soft, True, True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        self._is_open = False
        self._thread.join()

    def _run(self):
        while self._is_open:
            if self.is_on:
                self.soft.push(time.time(), shade=self.soft.number % 200)
            time.sleep(1 / FPS)


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as made:
        facts = yaml.safe_load(made.rig.read_text())
        facts["cameras"] = [
            {"name": "front", "serial": "123", "width": WIDTH, "height": HEIGHT, "fps": FPS, "size": 32}
        ]
        made.rig.write_text(yaml.safe_dump(facts))
        yield made


@pytest.fixture
def feed():
    made = Feed(SoftCamera())
    yield made
    made.close()


def test_pictures_intrinsics_and_metadata_share_a_stamp(stage, feed):
    images = stage.hear(Image, "front/color/image_raw", qos.IMAGE)
    infos = stage.hear(CameraInfo, "front/color/camera_info", qos.IMAGE)
    told = stage.hear(String, "front/metadata", qos.IMAGE)
    stage.run(partial(CameraNode, connect=feed.soft.connect), sim_time=False, camera="front")
    stage.wait(lambda: min(map(len, (images, infos, told))) > 5, "pictures")
    stamps = {round(convert.time_of(message), 6): message for message in images}
    metadata = {round(content["time_s"], 6): content for content in map(convert.json_of, told)}
    both = sorted(set(stamps) & set(metadata))
    assert len(both) > 3
    newest = stamps[both[-1]]
    assert convert.image_of(newest).shape == (HEIGHT, WIDTH, 3)
    assert newest.header.frame_id == "front_color_optical_frame"
    assert metadata[both[-1]]["frame_number"] % 200 == (int(convert.image_of(newest)[0, 0, 0]) + 1) % 200
    np.testing.assert_allclose(convert.intrinsics_of(infos[-1])[0], [[60, 0, 31.5], [0, 61, 23.5], [0, 0, 1]])
    assert abs(both[-1] - time.time()) < 5.0


def test_an_unplugged_camera_falls_silent_and_comes_back(stage, feed, monkeypatch):
    monkeypatch.setattr("world4rl.nodes.camera.READ_TIMEOUT_S", 0.1)
    images = stage.hear(Image, "front/color/image_raw", qos.IMAGE)
    reports = stage.hear(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
    node = stage.run(partial(CameraNode, connect=feed.soft.connect), sim_time=False, camera="front")
    stage.wait(lambda: len(images) > 3, "pictures")
    feed.is_on = feed.soft.is_plugged = False
    stage.wait(lambda: node.lost, "the loss")
    silent_since = len(images)
    stage.wait(lambda: any(one.status[0].level == b"\x02" for one in reports), "a diagnostic ERROR")
    assert len(images) <= silent_since + 1
    feed.is_on = feed.soft.is_plugged = True
    stage.wait(lambda: len(images) > silent_since + 3, "pictures again")
    assert not node.lost


def test_a_camera_that_is_not_there_stops_the_node_at_its_start(stage):
    with pytest.raises(RobotError, match="camera front: no RealSense with serial 123; serials found"):
        stage.run(CameraNode, sim_time=False, camera="front")


def test_a_camera_that_the_rig_does_not_know_names_those_it_does(stage):
    with pytest.raises(World4RLError, match="no camera 'back'; known: front"):
        stage.run(CameraNode, sim_time=False, camera="back")
