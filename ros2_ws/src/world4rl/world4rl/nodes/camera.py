"""One RealSense camera: pictures, intrinsics and metadata under the camera's name, for as long as it takes."""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from world4rl import convert, qos
from world4rl.drivers.realsense import DepthFrame, RealSense, by_serial
from world4rl.params import param
from world4rl.rig_node import Diagnosis, Level, RigConfig, RigNode, run_node
from world4rl_core.robot.interface import CameraFrame, CameraLost
from world4rl_core.runtime.camera_health import CameraHealth

READ_TIMEOUT_S = 0.5
RETRY_S = 0.2


@dataclass(frozen=True)
class CameraConfig(RigConfig):
    """Parameters of a camera node."""

    camera: str = param("external", "which camera of the rig file")


class CameraNode(RigNode):
    """Publishes full frames, stamped with when they were taken. A lost camera is looked for once a second.

    `connect` is how the driver finds its camera; tests give a software device.
    """

    Config = CameraConfig

    def __init__(self, *, connect: Any = None, **options: Any) -> None:
        super().__init__("camera", **options)
        self.camera = self.rig.camera(self.config.camera)
        self._health = CameraHealth(fps=self.camera.fps)
        self._driver = RealSense(
            self.camera, connect=connect or by_serial(self.camera), health=self._health, clock_s=self.now_s
        )
        name = self.camera.name
        self._images = self.create_publisher(Image, f"{name}/color/image_raw", qos.IMAGE)
        self._infos = self.create_publisher(CameraInfo, f"{name}/color/camera_info", qos.IMAGE)
        self._metadata = self.create_publisher(String, f"{name}/metadata", qos.IMAGE)
        self._depths = self.create_publisher(Image, f"{name}/depth/image_raw", qos.IMAGE) if self.camera.depth else None
        self._ends = threading.Event()
        self._reader: threading.Thread | None = None
        self.lost: str = ""

    def open(self) -> None:
        self._driver.open()

    def start(self) -> None:
        self._ends.clear()
        self._reader = threading.Thread(target=self._read, name="frames", daemon=True)
        self._reader.start()

    def stop(self) -> None:
        self._ends.set()
        if self._reader is not None:
            self._reader.join()
            self._reader = None

    def close(self) -> None:
        self._driver.close()

    def diagnose(self) -> Diagnosis:
        health = self._health
        values = {"state": health.state.value, "exposure_us": self._driver.exposure_us, "frames": health.frames}
        values |= {"missing": health.missing, "duplicates": health.duplicates, "resets": health.resets}
        if self.lost:
            return Diagnosis(Level.ERROR, self.lost, values)
        warnings = (*self._driver.warnings, *health.warnings(self.now_s()))
        return Diagnosis(Level.WARN if warnings else Level.OK, "; ".join(warnings) or health.state.value, values)

    def _read(self) -> None:
        while not self._ends.is_set():
            try:
                frame = self._driver.read(READ_TIMEOUT_S)
            except CameraLost as error:
                if not self.lost:
                    self.get_logger().error(f"{error}; looking for it each second")
                self.lost = str(error)
                self._ends.wait(RETRY_S)
                continue
            if frame is not None:
                self.lost = ""
                self._publish(frame)

    def _publish(self, frame: CameraFrame) -> None:
        time_s = frame.metadata["time_s"]
        stamp = {"time_s": time_s, "camera": self.camera.name}
        self._metadata.publish(convert.metadata_message(frame, time_s=time_s))
        lens = self._driver.lens
        if lens is not None:
            size = {"width": lens.width, "height": lens.height}
            self._infos.publish(convert.camera_info_message(lens.K, lens.distortion, **size, **stamp))
        self._images.publish(convert.image_message(frame.image, **stamp))
        depth: np.ndarray | None = frame.depth_mm if isinstance(frame, DepthFrame) else None
        if self._depths is not None and depth is not None:
            self._depths.publish(convert.image_message(depth, **stamp))


def main() -> int:
    return run_node(CameraNode)


if __name__ == "__main__":
    raise SystemExit(main())
