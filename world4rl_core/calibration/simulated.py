"""A ChArUco board in front of a camera, drawn by MuJoCo at known poses: what the proofs and the practice session see.

The lens is drawn too: a pinhole picture of twice the resolution is bent by the distortion and averaged.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from world4rl_core.calibration.board import Board, camera_matrix
from world4rl_core.calibration.opencv import cv2
from world4rl_core.geometry import quat_of_matrix
from world4rl_core.optics import Intrinsics
from world4rl_core.sim.gl import import_mujoco

OVERSAMPLING = 2
MARGIN = 1.15
"""The pinhole picture is so much wider than the bent one, which may look beyond its edges."""
THICKNESS_M = 0.004
PAPER_MARGIN_SQUARES = 0.5
GL_FROM_OPTICAL = np.diag([1.0, -1.0, -1.0])
"""MuJoCo's camera looks along -z with y up, the optical frame along z with y down."""

SCENE = """
<mujoco>
  <visual>
    <global offwidth="{width}" offheight="{height}"/>
    <headlight ambient=".45 .45 .45" diffuse=".25 .25 .25" specular="0 0 0"/>
    <map znear=".01" zfar="20"/>
    <quality offsamples="0"/>
  </visual>
  <statistic extent="1" center=".5 0 .2"/>
  <asset>
    <texture name="board" type="2d" file="board.png"/>
    <material name="board" texture="board" specular="0" shininess="0"/>
    <texture name="table" type="2d" builtin="checker" rgb1=".55 .45 .35" rgb2=".48 .39 .30" width="64" height="64"/>
    <material name="table" texture="table" texrepeat="9 9" specular=".1"/>
    <mesh name="board" file="board.obj" inertia="shell"/>
  </asset>
  <worldbody>
    <light pos=".3 -.5 1.8" dir="0 .2 -1" diffuse=".35 .35 .35" specular="0 0 0" castshadow="false"/>
    <geom type="plane" size="1.5 1.5 .1" pos=".5 0 -.02" material="table"/>
    <geom type="box" size=".04 .05 .06" pos=".45 .38 .04" rgba=".2 .35 .6 1"/>
    <geom type="box" size=".06 .03 .03" pos=".75 -.33 .01" rgba=".7 .3 .2 1"/>
    <geom type="cylinder" size=".035 .07" pos=".3 -.36 .05" rgba=".25 .5 .3 1"/>
    <body name="board" mocap="true"><geom type="mesh" mesh="board" material="board" contype="0" conaffinity="0"/></body>
    <body name="camera" mocap="true"><camera name="camera" fovy="{fovy}"/></body>
  </worldbody>
</mujoco>
"""


@dataclass(frozen=True)
class Noise:
    """What a real picture has and a drawn one lacks."""

    blur_px: float = 0.0
    """Standard deviation of the lens's and the motion's blur."""
    grain: float = 0.0
    """Standard deviation of the sensor's noise, of 255."""


class SimulatedCamera:
    """One camera and one board; close it after use, or use it as a context manager."""

    def __init__(self, board: Board, intrinsics: Intrinsics) -> None:
        self.board = board
        self.intrinsics = intrinsics
        self._mujoco = import_mujoco()
        side = OVERSAMPLING * MARGIN
        self._width, self._height = round(side * intrinsics.width), round(side * intrinsics.height)
        self._focal = OVERSAMPLING * (intrinsics.fx + intrinsics.fy) / 2
        self._model = self._compile()
        self._data = self._mujoco.MjData(self._model)
        self._renderer: Any = self._mujoco.Renderer(self._model, height=self._height, width=self._width)
        self._map = self._bend()

    def picture(
        self, T_base_cam: np.ndarray, T_base_board: np.ndarray, *, noise: Noise | None = None, seed: int = 0
    ) -> np.ndarray:
        """uint8 RGB (h, w, 3) as this camera sees it; `T_base_cam` is the optical frame's pose."""
        self._place("camera", T_base_cam[:3, :3] @ GL_FROM_OPTICAL, T_base_cam[:3, 3])
        self._place("board", T_base_board[:3, :3], T_base_board[:3, 3])
        self._mujoco.mj_forward(self._model, self._data)
        self._renderer.update_scene(self._data, camera="camera")
        image = cv2.blur(self._renderer.render(), (OVERSAMPLING + 1, OVERSAMPLING + 1))
        image = cv2.remap(image, *self._map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return image if noise is None else add_noise(image, noise, seed=seed)

    def close(self) -> None:
        self._renderer.close()

    def __enter__(self) -> "SimulatedCamera":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _place(self, body: str, R: np.ndarray, position_m: np.ndarray) -> None:
        row = self._model.body(body).mocapid[0]
        self._data.mocap_pos[row] = position_m
        self._data.mocap_quat[row] = quat_of_matrix(R)[[3, 0, 1, 2]]

    def _bend(self) -> tuple[np.ndarray, np.ndarray]:
        """For each pixel of the bent picture, where the pinhole picture has it."""
        rows, columns = np.mgrid[: self.intrinsics.height, : self.intrinsics.width]
        pixels = np.stack([columns, rows], axis=-1).reshape(-1, 1, 2).astype(np.float64)
        K, distortion = camera_matrix(self.intrinsics), np.array(self.intrinsics.distortion)
        rays = cv2.undistortPoints(pixels, K, distortion).reshape(self.intrinsics.height, self.intrinsics.width, 2)
        x = self._focal * rays[..., 0] + (self._width - 1) / 2
        y = self._focal * rays[..., 1] + (self._height - 1) / 2
        return x.astype(np.float32), y.astype(np.float32)

    def _compile(self) -> Any:
        fovy = np.degrees(2 * np.arctan(self._height / 2 / self._focal))
        xml = SCENE.format(width=self._width, height=self._height, fovy=fovy)
        with TemporaryDirectory() as folder:
            write_board_asset(self.board, Path(folder))
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        return self._mujoco.MjModel.from_xml_string(xml, files)


def write_board_asset(board: Board, folder: Path) -> None:
    """`board.png` and `board.obj`: the printed board with a white edge, its frame that of `Board`; for any scene."""
    pixels = 80
    image = board.picture(pixels, margin_px=int(PAPER_MARGIN_SQUARES * pixels))
    if not cv2.imwrite(str(folder / "board.png"), image):
        raise OSError(f"cannot write {folder / 'board.png'}")
    edge = PAPER_MARGIN_SQUARES * board.square_m
    left, top, right, bottom = -edge, -edge, board.width_m + edge, board.height_m + edge
    ring = [(left, top), (right, top), (right, bottom), (left, bottom)]
    lines = [f"v {x} {y} {z}" for z in (0.0, THICKNESS_M) for x, y in ring]
    lines += ["vt 0 1", "vt 1 1", "vt 1 0", "vt 0 0", "vt 0.001 0.001"]
    front = ["f 1/1 3/3 2/2", "f 1/1 4/4 3/3"]
    sides = [
        (5, 6, 7),
        (5, 7, 8),
        (1, 2, 6),
        (1, 6, 5),
        (2, 3, 7),
        (2, 7, 6),
        (3, 4, 8),
        (3, 8, 7),
        (4, 1, 5),
        (4, 5, 8),
    ]
    lines += front + [f"f {a}/5 {b}/5 {c}/5" for a, b, c in sides]
    (folder / "board.obj").write_text("\n".join(lines) + "\n")


def add_noise(image: np.ndarray, noise: Noise, *, seed: int) -> np.ndarray:
    """The picture blurred, with grain."""
    if noise.blur_px > 0:
        image = cv2.GaussianBlur(image, (0, 0), noise.blur_px)
    if noise.grain > 0:
        grain = np.random.default_rng(seed).normal(scale=noise.grain, size=image.shape)
        image = np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)
    return image


def disturb(T: np.ndarray, *, position_m: float, angle_rad: float, rng: np.random.Generator) -> np.ndarray:
    """The pose moved by exactly `position_m` and turned by `angle_rad`, each in a random direction."""
    direction, axis = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    disturbed = T.copy()
    disturbed[:3, :3] = T[:3, :3] @ Rotation.from_rotvec(angle_rad * axis).as_matrix()
    disturbed[:3, 3] = T[:3, 3] + position_m * direction
    return disturbed
