"""A whole calibration through ROS, franky and the simulated arm: interrupted, continued, saved, and compared."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("franky")
pytest.importorskip("cv2")
from cell import Client
from domains import take_domain

from world4rl_core.calibration.twin_rig import write_twin_rig
from world4rl_core.geometry import pose_distance
from world4rl_core.rig import load_rig
from world4rl_core.sim.gl import import_mujoco
from world4rl_core.sim.twin.cameras import T_parent_cam
from world4rl_core.sim.twin.scene import TCP_BELOW_HAND_M, lock_step_scene, scene_xml

pytestmark = pytest.mark.slow
LONGEST_S = 600.0
WITHIN_MM, WITHIN_DEG = 2.0, 0.3


class Calibration:
    """`world4rl up calibrate` for one camera of a simulated cell."""

    def __init__(self, folder, camera, *, count):
        self.domain, self._lock = take_domain()
        self.folder, self.camera = folder, camera
        self.rig = write_twin_rig(folder / "rig.yaml", camera, host=f"127.45.{self.domain}.1")
        self._line = [sys.executable, "-m", "world4rl_core", "up", "calibrate", "backend:=sim", f"camera:={camera}",
                      f"rig:={self.rig}", f"samples:={folder / 'samples'}", f"count:={count}"]  # fmt: skip
        self._started = []

    def start(self):
        quiet = {"ROS_DOMAIN_ID": str(self.domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        with (self.folder / "log.txt").open("a") as log:
            environment = os.environ | quiet | {"OMP_NUM_THREADS": "1"}
            self._started.append(subprocess.Popen(self._line, env=environment, stdout=log, stderr=log))
        return self._started[-1]

    def wait_for_samples(self, count):
        until_s = time.monotonic() + LONGEST_S
        while len(self.samples()) < count:
            text = (self.folder / "log.txt").read_text()
            assert self._started[-1].poll() is None and time.monotonic() < until_s, text[-4000:]
            time.sleep(0.1)

    def samples(self):
        return sorted((self.folder / "samples").glob("sample_*.json"))

    def end(self):
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(60)
        self._lock.close()


def true_pose(camera):
    """In what carries it: the base, or the end effector."""
    model = import_mujoco().MjModel.from_xml_string(scene_xml(lock_step_scene()))
    T = T_parent_cam(model, camera)
    T[2, 3] -= TCP_BELOW_HAND_M if camera == "wrist" else 0.0
    return T


@pytest.mark.parametrize(("camera", "count"), [("wrist", 12), ("external", 10)])
def test_the_arm_finds_the_cameras_true_pose_and_an_interruption_costs_no_sample(camera, count, tmp_path):
    calibration = Calibration(tmp_path, camera, count=count)
    try:
        first = calibration.start()
        calibration.wait_for_samples(3)
        first.kill()
        first.wait()
        kept = [path.read_bytes() for path in calibration.samples()]
        time.sleep(3.0)  # its nodes notice that their parent is gone
        second = calibration.start()
        calibration.wait_for_samples(count)
        assert [path.read_bytes() for path in calibration.samples()[: len(kept)]] == kept
        client = Client(calibration.domain, is_operator=False)
        try:
            is_saved, said = client.call("calibrate/save")
        finally:
            client.close()
        assert is_saved, said
        assert second.wait(LONGEST_S) == 0, (tmp_path / "log.txt").read_text()[-4000:]
    finally:
        calibration.end()
    found = load_rig(calibration.rig).camera(camera)
    mm, deg = pose_distance(true_pose(camera), np.reshape(found.T_parent_cam, (4, 4)))
    expected = json.loads((tmp_path / "samples" / "result.json").read_text())
    print(f"{camera}: {mm:.2f} mm, {deg:.3f} degrees off; expected {expected['std_mm']:.2f} mm")  # noqa: T201
    assert mm < WITHIN_MM and deg < WITHIN_DEG
    assert found.calibration is not None and found.intrinsics is not None
    assert len(list((tmp_path / "previous").glob("rig.*.yaml"))) == 1
