"""Drawing cropped pictures of a MuJoCo scene, fast in software."""

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class View:
    """A picture to draw: the `crop` (top, bottom, left, right as fractions) of what `camera` sees upright, in pixels.

    `aspect` is width by height of the camera's whole picture; None: that of the pixels.
    """

    camera: str
    crop: Crop
    height: int
    width: int
    aspect: float | None = None


class SceneRenderer:
    """Draws views of one scene, each `supersample` times too large, and averages them down.

    The crop narrows the camera's frustum, so nothing outside it is drawn. Holds one GL context for all views: one
    renderer per process, `close` it when done.

    Raises ConfigError for an unknown camera and SimulatorError when no GL context can be made.
    """

    def __init__(self, model: Any, views: Mapping[str, View], *, supersample: int) -> None:
        self._mujoco = mujoco = import_mujoco()
        cameras = [model.camera(index).name for index in range(model.ncam)]
        for view in views.values():
            if view.camera not in cameras:
                raise ConfigError(f"unknown camera {view.camera!r}; this scene has: {', '.join(cameras)}")
        self._views, self._supersample = dict(views), supersample
        height = supersample * max(view.height for view in views.values())
        width = supersample * max(view.width for view in views.values())
        model.vis.quality.offsamples = 0
        model.vis.quality.shadowsize = 0
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, width)
        model.vis.global_.offheight = max(model.vis.global_.offheight, height)
        try:
            self._gl: Any = mujoco.gl_context.GLContext(width, height)
            self._gl.make_current()
            self._context: Any = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        except (ImportError, AttributeError, TypeError, RuntimeError, OSError, mujoco.FatalError) as error:
            raise gl_failure(error) from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 100)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        self._options, self._eye = mujoco.MjvOption(), mujoco.MjvCamera()
        self._eye.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._model, self._groups = model, np.array(model.geom_group)

    def draw(self, data: Any, name: str) -> UInt8[np.ndarray, "h w 3"]:
        """The view of this name of the scene as it is in `data`, RGB."""
        mujoco, view = self._mujoco, self._views[name]
        self._model.geom_group[:] = np.where(self._may_be_seen(data, view), self._groups, HIDDEN_GROUP)
        self._eye.fixedcamid = self._model.camera(view.camera).id
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self._model, data, self._options, None, self._eye, everything, self._scene)
        for eye in self._scene.camera:
            _narrow(eye, view)
        self._gl.make_current()
        corner = mujoco.MjrRect(0, 0, view.width * self._supersample, view.height * self._supersample)
        picture = np.empty((corner.height, corner.width, 3), np.uint8)
        mujoco.mjr_render(corner, self._scene, self._context)
        mujoco.mjr_readPixels(picture, None, corner, self._context)
        # OpenGL's rows go up.
        picture = picture[:, ::-1] if view.camera in TURNED_CAMERAS else picture[::-1]
        return area_downsample(picture, self._supersample)

    def close(self) -> None:
        """Frees the GL context; safe to call twice."""
        if self._gl is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
        self._gl = self._context = None

    def _may_be_seen(self, data: Any, view: View) -> Bool[np.ndarray, " geoms"]:
        """Whether each geom's bounding sphere reaches into the cropped view; most of the robot's triangles do not."""
        camera = self._model.camera(view.camera).id
        R_world_cam = data.cam_xmat[camera].reshape(3, 3)
        right, up, back = ((data.geom_xpos - data.cam_xpos[camera]) @ R_world_cam).T
        radius = np.where(self._model.geom_rbound > 0, self._model.geom_rbound, np.inf)
        half = np.tan(np.deg2rad(self._model.cam_fovy[camera]) / 2)
        top, bottom, left, right_edge = (half * (2 * edge - 1) for edge in _as_drawn(view))
        left, right_edge = _aspect(view) * left, _aspect(view) * right_edge
        seen = back < radius
        for offset, slope in ((right, right_edge), (-right, -left), (-up, bottom), (up, -top)):
            seen &= offset + back * slope < radius * np.hypot(1, slope)
        return seen


def _as_drawn(view: View) -> Crop:
    """The crop in the camera's own picture, which may be upside down."""
    top, bottom, left, right = view.crop
    return (1 - bottom, 1 - top, 1 - right, 1 - left) if view.camera in TURNED_CAMERAS else view.crop


def _aspect(view: View) -> float:
    return view.aspect if view.aspect is not None else view.width / view.height


def _narrow(eye: Any, view: View) -> None:
    top, bottom, left, right = _as_drawn(view)
    high, tall = eye.frustum_top, eye.frustum_top - eye.frustum_bottom
    eye.frustum_top, eye.frustum_bottom = high - top * tall, high - bottom * tall
    wide = tall * _aspect(view)
    eye.frustum_center += ((left + right) / 2 - 0.5) * wide
    eye.frustum_width = (right - left) / 2 * wide


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
