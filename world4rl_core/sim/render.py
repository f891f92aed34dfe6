"""Drawing one cropped, square picture of a MuJoCo scene, fast in software."""

from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from world4rl_core.errors import ConfigError
from world4rl_core.sim.gl import gl_failure, import_mujoco

Crop = tuple[float, float, float, float]

# Meta-World defines these cameras upside down; their pictures are turned by half a turn.
TURNED_CAMERAS = frozenset({"corner", "corner2"})

# MuJoCo draws groups 0 to 2 unless told otherwise.
HIDDEN_GROUP = 5


class CropRenderer:
    """Draws only the cropped part of a camera's picture, `supersample` times too large, and averages it down.

    `crop` is (top, bottom, left, right) as fractions of the camera's whole square picture, upright. It narrows the
    camera's frustum, so nothing outside it is drawn. Holds a GL context: one per process, `close` it when done.

    Raises ConfigError for an unknown camera and SimulatorError when no GL context can be made.
    """

    def __init__(self, model: Any, *, camera: str, crop: Crop, size: int, supersample: int) -> None:
        self._mujoco = mujoco = import_mujoco()
        cameras = [model.camera(index).name for index in range(model.ncam)]
        if camera not in cameras:
            raise ConfigError(f"unknown camera {camera!r}; this scene has: {', '.join(cameras)}")
        self._camera, self._turned = camera, camera in TURNED_CAMERAS
        top, bottom, left, right = crop
        self._crop = (1 - bottom, 1 - top, 1 - right, 1 - left) if self._turned else crop
        self._size, self._supersample = size, supersample
        pixels = size * supersample
        model.vis.quality.offsamples = 0
        model.vis.quality.shadowsize = 0
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, pixels)
        model.vis.global_.offheight = max(model.vis.global_.offheight, pixels)
        try:
            self._renderer = mujoco.Renderer(model, pixels, pixels)
        except (ImportError, AttributeError, RuntimeError, OSError) as error:
            raise gl_failure(error) from error
        flags = self._renderer.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        self._model, self._groups = model, np.array(model.geom_group)
        self._camera_id = model.camera(camera).id

    def draw(self, data: Any) -> UInt8[np.ndarray, "size size 3"]:
        """The scene as it is in `data`, RGB."""
        self._model.geom_group[:] = np.where(self._may_be_seen(data), self._groups, HIDDEN_GROUP)
        self._renderer.update_scene(data, camera=self._camera)
        for eye in self._renderer.scene.camera:
            self._narrow(eye)
        picture = self._renderer.render()
        if self._turned:
            picture = picture[::-1, ::-1]
        return area_downsample(picture, self._supersample)

    def close(self) -> None:
        """Frees the GL context; safe to call twice."""
        self._renderer.close()

    def _may_be_seen(self, data: Any) -> Bool[np.ndarray, " geoms"]:
        """Whether each geom's bounding sphere reaches into the cropped view; most of the robot's triangles do not."""
        R_world_cam = data.cam_xmat[self._camera_id].reshape(3, 3)
        right, up, back = ((data.geom_xpos - data.cam_xpos[self._camera_id]) @ R_world_cam).T
        radius = np.where(self._model.geom_rbound > 0, self._model.geom_rbound, np.inf)
        half = np.tan(np.deg2rad(self._model.cam_fovy[self._camera_id]) / 2)
        top, bottom, left, right_edge = (half * (2 * edge - 1) for edge in self._crop)
        seen = back < radius
        for offset, slope in ((right, right_edge), (-right, -left), (-up, bottom), (up, -top)):
            seen &= offset + back * slope < radius * np.hypot(1, slope)
        return seen

    def _narrow(self, eye: Any) -> None:
        top, bottom, left, right = self._crop
        high, tall = eye.frustum_top, eye.frustum_top - eye.frustum_bottom
        eye.frustum_top, eye.frustum_bottom = high - top * tall, high - bottom * tall
        # The whole picture is square, so its width is its height.
        eye.frustum_center += ((left + right) / 2 - 0.5) * tall
        eye.frustum_width = (right - left) / 2 * tall


def area_downsample(
    picture: UInt8[np.ndarray, "tall wide 3"], factor: int
) -> UInt8[np.ndarray, "tall//{factor} wide//{factor} 3"]:
    """Mean of each `factor` x `factor` block, rounded."""
    if factor == 1:
        return np.ascontiguousarray(picture)
    height, width = picture.shape[0] // factor, picture.shape[1] // factor
    blocks = picture.reshape(height, factor, width, factor, 3)
    total = blocks.sum(axis=(1, 3), dtype=np.uint32)
    return ((total + factor * factor // 2) // (factor * factor)).astype(np.uint8)
