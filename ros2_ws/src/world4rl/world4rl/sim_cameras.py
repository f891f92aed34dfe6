"""The twin's cameras: a process that draws what the physics process leaves in shared memory and publishes it.

Each picture carries the simulation time of its snapshot. The topics are those of real cameras.
"""

import multiprocessing
import signal
import time
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from world4rl import convert, qos
from world4rl.drivers.snapshots import SnapshotReader
from world4rl.rig_node import Diagnosis, Level, RigNode
from world4rl_core.rig import CameraRig
from world4rl_core.robot.interface import CameraFrame
from world4rl_core.sim.twin.cameras import Snapshot, SnapshotRenderer, intrinsics

CHORES_S = 0.2
SHORTEST_NAP_S = 0.001


class SimCameras(RigNode):
    """Draws each camera at its own rate of simulation time."""

    def __init__(self, rig: str, *, xml: str, reader: SnapshotReader, **options: Any) -> None:
        super().__init__("sim_cameras", parameter_overrides=[Parameter("rig", value=rig)], **options)
        self._reader = reader
        self._renderer = SnapshotRenderer(xml, self.rig.cameras, full_frame=True)
        self._streams = [SimStream(self, camera, self._renderer.model) for camera in self.rig.cameras]

    def now_s(self) -> float:
        return self._reader.time_s

    def work(self) -> float:
        """Draws and publishes what is due; returns how long nothing will be, in s."""
        now_s = self._reader.time_s
        due = [stream for stream in self._streams if stream.is_due(now_s)]
        if due and (snapshot := self._reader.read()) is not None:
            for stream in due:
                stream.publish(self._renderer.draw(snapshot, [stream.rig.name])[stream.rig.name], snapshot)
        next_s = min(stream.next_s for stream in self._streams)
        return max(SHORTEST_NAP_S, (next_s - self._reader.time_s) / 2)

    def diagnose(self) -> Diagnosis:
        drawn = {stream.rig.name: stream.frame_number for stream in self._streams}
        return Diagnosis(Level.OK, "drawing", drawn)

    def close(self) -> None:
        self._renderer.close()


class SimStream:
    """The topics of one camera."""

    def __init__(self, node: SimCameras, rig: CameraRig, model: Any) -> None:
        self.rig = rig
        self.frame_number = 0
        self.next_s = 0.0
        self._K = intrinsics(model, rig.name, width=rig.width, height=rig.height)
        self._images = node.create_publisher(Image, f"{rig.name}/color/image_raw", qos.IMAGE)
        self._infos = node.create_publisher(CameraInfo, f"{rig.name}/color/camera_info", qos.IMAGE)
        self._metadata = node.create_publisher(String, f"{rig.name}/metadata", qos.IMAGE)

    def is_due(self, now_s: float) -> bool:
        return now_s >= self.next_s

    def publish(self, image: np.ndarray, snapshot: Snapshot) -> None:
        """Due times are multiples of the period: one late frame does not shift the others."""
        self.frame_number += 1
        self.next_s = (np.floor(snapshot.time_s * self.rig.fps) + 1) / self.rig.fps
        stamp = {"time_s": snapshot.time_s, "camera": self.rig.name}
        size = {"width": self.rig.width, "height": self.rig.height}
        frame = CameraFrame(image, self.frame_number, snapshot.time_s, snapshot.time_s)
        self._infos.publish(convert.camera_info_message(self._K, [0.0] * 5, **size, **stamp))
        self._metadata.publish(convert.metadata_message(frame, time_s=snapshot.time_s))
        self._images.publish(convert.image_message(image, **stamp))


def draw_cameras(rig: str, xml: str, address: tuple[str, int, int], namespace: str) -> None:
    """Body of the process; ends with its parent."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes; the parent ends this one
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = SimCameras(rig, xml=xml, reader=SnapshotReader(address), namespace=namespace)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    next_chores_s = 0.0
    while True:
        time.sleep(node.work())
        if time.monotonic() >= next_chores_s:
            next_chores_s = time.monotonic() + CHORES_S
            executor.spin_once(timeout_sec=0)
            if not parent.is_alive():
                return
