"""Intrinsics of a RealSense's colour camera into the rig file: the maker's values, or pictures to estimate them from.

    python calibration/realsense_intrinsics.py --rig panda --camera wrist
    python calibration/realsense_intrinsics.py --rig panda --camera wrist --collect calibration/samples/wrist_intrinsics

The second form takes a picture each second while you hold the board in front of the camera, and says what to show next;
Ctrl-C pauses it, the same command goes on. Then: `world4rl calibrate intrinsics calibration/samples/wrist_intrinsics`.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from world4rl_core.calibration.samples import SampleFolder, Session
from world4rl_core.calibration.saving import save_camera
from world4rl_core.errors import CalibrationError, RobotError, World4RLError
from world4rl_core.optics import Intrinsics
from world4rl_core.rig import CameraRig, load_rig, rig_path

FRAME_TIMEOUT_MS = 5000


@dataclass(frozen=True)
class Config:
    """Options."""

    rig: str
    camera: str
    collect: Path | None = None
    """Folder for pictures of the board; without it the maker's values are read."""
    period_s: float = 1.0


def main(config: Config) -> str:
    """What to tell the person."""
    camera = load_rig(config.rig).camera(config.camera)
    with colour_stream(camera) as (pipeline, profile):
        if config.collect is not None:
            return _collect(config, camera, pipeline)
        found = intrinsics_of(profile.as_video_stream_profile().get_intrinsics())
    kept = save_camera(rig_path(config.rig), config.camera, now=datetime.now(UTC), intrinsics=found)
    return f"{found}\nsaved in {rig_path(config.rig)}; the file before is {kept}"


def intrinsics_of(factory: Any) -> Intrinsics:
    """The maker's values (a pyrealsense2.intrinsics). Raises RobotError for a distortion model we do not have."""
    name = str(factory.model).split(".")[-1]
    if any(factory.coeffs) and name != "brown_conrady":
        raise RobotError(f"this camera's distortion is {name}, which is not ours; estimate it: use --collect")
    k1, k2, p1, p2, k3 = (float(value) for value in factory.coeffs)
    optics = (float(value) for value in (factory.fx, factory.fy, factory.ppx, factory.ppy))
    return Intrinsics(factory.width, factory.height, *optics, (k1, k2, p1, p2, k3))


@contextmanager
def colour_stream(camera: CameraRig) -> Iterator[tuple[Any, Any]]:
    """A started pipeline and its colour profile. Raises RobotError where the camera is not there."""
    try:
        import pyrealsense2 as rs
    except ModuleNotFoundError as error:
        raise RobotError("pyrealsense2 is not installed: pip install pyrealsense2") from error
    pipeline, settings = rs.pipeline(), rs.config()
    settings.enable_device(camera.serial)
    settings.enable_stream(rs.stream.color, camera.width, camera.height, rs.format.rgb8, camera.fps)
    try:
        profile = pipeline.start(settings).get_stream(rs.stream.color)
    except RuntimeError as error:
        raise RobotError(f"camera {camera.serial} does not start ({error}); plug it in, or mend its serial") from error
    try:
        yield pipeline, profile
    finally:
        pipeline.stop()


def _collect(config: Config, camera: CameraRig, pipeline: Any) -> str:
    session = Session("intrinsics", camera.name, camera.serial, camera.width, camera.height)
    assert config.collect is not None
    folder = SampleFolder(config.collect, session)
    progress = folder.progress()
    while not progress.is_enough:
        time.sleep(config.period_s)
        try:
            frame = pipeline.wait_for_frames(FRAME_TIMEOUT_MS).get_color_frame()
        except RuntimeError as error:
            raise RobotError(f"camera {camera.serial} sends nothing ({error}); plug it in again") from error
        image = np.asarray(frame.get_data()).copy()  # the frame goes back to the driver
        try:
            progress = folder.take(image, time_s=frame.get_timestamp() / 1000, serial=camera.serial)
            print(f"{progress.count:3}  {progress.advice}")
        except CalibrationError as refusal:
            print(f"  -  {refusal}")
    return f"now: world4rl calibrate intrinsics {config.collect} --rig {config.rig}"


if __name__ == "__main__":
    try:
        print(main(tyro.cli(Config, description=__doc__)))
    except World4RLError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("paused; the same command goes on")
