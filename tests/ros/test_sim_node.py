"""The sim node: /clock, the cameras' topics, tasks and success as services, and what it refuses."""

import json
import subprocess
import sys

import numpy as np
import pytest
from cell import ROOT, START_S, Cell
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from world4rl import convert, qos
from world4rl_core.sim.twin.tasks import TASKS


@pytest.fixture(scope="module")
def sim(tmp_path_factory):
    with Cell(tmp_path_factory.mktemp("sim"), sim_only=True, cameras=True) as cell:
        yield cell


def set_task(client, name):
    setter = client.node.create_client(SetParameters, "sim/set_parameters")
    client.wait(setter.service_is_ready, "set_parameters")
    wanted = Parameter("task", value=name).to_parameter_msg()
    answer = setter.call_async(SetParameters.Request(parameters=[wanted]))
    client.wait(answer.done, "set_parameters")
    return answer.result().results[0]


def test_cameras_publish_what_real_ones_do_stamped_with_simulation_time(sim):
    client, heard = sim.client, {}
    for camera in ("external", "wrist"):
        for kind, name in ((Image, "color/image_raw"), (CameraInfo, "color/camera_info"), (String, "metadata")):
            topic = f"{camera}/{name}"
            client.node.create_subscription(
                kind, topic, lambda message, topic=topic: heard.setdefault(topic, []).append(message), qos.IMAGE
            )
    client.wait(lambda: len(heard) == 6 and min(map(len, heard.values())) > 5, "pictures", timeout_s=START_S)
    for camera, rig in sim.cameras.items():
        images = heard[f"{camera}/color/image_raw"]
        times_s = [convert.time_of(image) for image in images]
        np.testing.assert_allclose(np.diff(times_s), 1 / rig["fps"], atol=0.05)
        assert client.now_s() - 30 < times_s[-1] <= client.now_s() + 0.1
        picture = convert.image_of(images[-1])
        assert picture.shape == (rig["height"], rig["width"], 3) and picture.std() > 10
        assert images[-1].header.frame_id == f"{camera}_color_optical_frame"
        infos = {convert.time_of(info): info for info in heard[f"{camera}/color/camera_info"]}
        K, distortion = convert.intrinsics_of(next(iter(infos.values())))
        assert K[0, 0] > 50 and not distortion.any()
        numbers = [convert.json_of(text)["frame_number"] for text in heard[f"{camera}/metadata"]]
        assert np.diff(numbers).tolist() == [1] * (len(numbers) - 1)


def test_each_task_can_be_set_up_and_is_not_solved_at_once(sim):
    for task in TASKS:
        assert set_task(sim.client, task).successful
        is_done, message = sim.client.call("sim/reset")
        assert is_done and json.loads(message)["task"] == task
        sim.client.sleep(0.2)
        is_done, message = sim.client.call("sim/success")
        assert is_done and json.loads(message)["success"] is False


def test_each_reset_draws_anew(sim):
    seeds = [json.loads(sim.client.call("sim/reset")[1])["seed"] for _ in range(2)]
    assert seeds[1] == seeds[0] + 1


def test_an_unknown_task_is_refused_with_the_valid_ones(sim):
    refused = set_task(sim.client, "fly")
    assert not refused.successful and "press_button" in refused.reason
    words = [sys.executable, "-m", "world4rl.nodes.sim", "--ros-args", "-p", "task:=fly"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=START_S, cwd=ROOT)
    assert ended.returncode == 1
    assert "press_button" in ended.stderr and "Traceback" not in ended.stderr


def test_a_taken_address_is_one_clear_line(sim):
    words = [sys.executable, "-m", "world4rl.nodes.sim", "--ros-args", "-p", f"rig:={sim.rig}"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=START_S, cwd=ROOT)
    assert ended.returncode == 1
    assert "is taken" in ended.stderr and "Traceback" not in ended.stderr


def test_nothing_is_left_after_the_parent_died(tmp_path):
    with Cell(tmp_path, sim_only=True, cameras=True) as cell:
        client, seen = cell.client, []
        client.node.create_subscription(Image, "external/color/image_raw", seen.append, qos.SENSOR_READER)
        client.wait(lambda: seen, "pictures", timeout_s=START_S)
        cell.kill("sim")
        cell.processes["sim"].wait()
        client.wait(lambda: client.node.count_publishers("external/color/image_raw") == 0, "the end of the cameras")
