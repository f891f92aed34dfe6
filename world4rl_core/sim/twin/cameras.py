"""What the twin's cameras see: state snapshots small enough to send to another process, and the renderer there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from world4rl_core.rig import CameraRig
from world4rl_core.sim.gl import import_mujoco
from world4rl_core.sim.render import SceneRenderer, View

# MuJoCo's cameras look along -z with y up; optical frames look along +z with y down.
_R_CAM_OPTICAL = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that decides the pictures at one time: joint positions (nq,) and fixture poses (n, 3) and (n, 4)."""

    time_s: float
    """Simulation time; the stamp of every picture drawn from it."""
    qpos: np.ndarray
    mocap_pos: np.ndarray
    mocap_quat: np.ndarray

    @classmethod
    def take(cls, data: Any) -> "Snapshot":
        """Copies the state out of MuJoCo's data; takes some microseconds, between two steps."""
        return cls(float(data.time), data.qpos.copy(), data.mocap_pos.copy(), data.mocap_quat.copy())


class SnapshotRenderer:
    """Draws snapshots with a model of its own, compiled from the scene's text, in any process.

    Holds a GL context: one renderer per process, used by the thread that made it; `close` it when done.
    Raises ConfigError for a camera that the scene lacks and SimulatorError when no GL context can be made.
    """

    def __init__(self, xml: str, cameras: Sequence[CameraRig], *, full_frame: bool = False) -> None:
        mujoco = import_mujoco()
        self._mujoco, self.model = mujoco, mujoco.MjModel.from_xml_string(xml)
        self._data = mujoco.MjData(self.model)
        self._cameras = TwinCameras(self.model, cameras, full_frame=full_frame)

    def draw(self, snapshot: Snapshot, cameras: Sequence[str] = ()) -> dict[str, UInt8[np.ndarray, "_h _w 3"]]:
        """Camera → RGB picture of the snapshot; of all cameras, or of those named."""
        self._data.qpos[:] = snapshot.qpos
        self._data.mocap_pos[:] = snapshot.mocap_pos
        self._data.mocap_quat[:] = snapshot.mocap_quat
        self._mujoco.mj_kinematics(self.model, self._data)
        self._mujoco.mj_camlight(self.model, self._data)
        return self._cameras.draw(self._data, cameras)

    def close(self) -> None:
        """Frees the GL context; safe to call twice."""
        self._cameras.close()


class TwinCameras:
    """The cameras of a rig file on a running model: cropped and scaled as the file says, or the sensor's full frame.

    `full_frame` gives height x width of the rig file instead, which is what a camera driver publishes.
    """

    def __init__(
        self, model: Any, cameras: Sequence[CameraRig], *, full_frame: bool = False, supersample: int = 1
    ) -> None:
        views = {camera.name: view_of(camera, full_frame=full_frame) for camera in cameras}
        self._renderer = SceneRenderer(model, views, supersample=supersample)
        self.names = tuple(views)

    def draw(self, data: Any, cameras: Sequence[str] = ()) -> dict[str, UInt8[np.ndarray, "_h _w 3"]]:
        """Camera → RGB picture of the state in `data`, whose kinematics must be up to date."""
        return {name: self._renderer.draw(data, name) for name in (cameras or self.names)}

    def close(self) -> None:
        """Frees the GL context; safe to call twice."""
        self._renderer.close()


def view_of(camera: CameraRig, *, full_frame: bool) -> View:
    """What a camera of the rig file shows of the scene's camera of the same name."""
    if full_frame:
        return View(camera.name, (0.0, 1.0, 0.0, 1.0), camera.height, camera.width)
    return View(camera.name, camera.crop, camera.size, camera.size, aspect=camera.width / camera.height)


def intrinsics(model: Any, camera: str, *, width: int, height: int) -> Float[np.ndarray, "3 3"]:
    """The true pinhole matrix of a camera at this resolution: square pixels, centred, no distortion."""
    focal_px = height / 2 / np.tan(np.deg2rad(model.camera(camera).fovy[0]) / 2)
    return np.array([[focal_px, 0.0, (width - 1) / 2], [0.0, focal_px, (height - 1) / 2], [0.0, 0.0, 1.0]])


def T_parent_cam(model: Any, camera: str) -> Float[np.ndarray, "4 4"]:
    """The true pose of a camera's optical frame in what carries it: the arm's base, or the hand."""
    mujoco, found = import_mujoco(), model.camera(camera)
    R_parent_cam = np.zeros(9)
    mujoco.mju_quat2Mat(R_parent_cam, found.quat)
    pose = np.eye(4)
    pose[:3, :3] = R_parent_cam.reshape(3, 3) @ _R_CAM_OPTICAL
    pose[:3, 3] = found.pos
    return pose
