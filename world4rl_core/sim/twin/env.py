"""The twin as a gymnasium environment in lock step with whoever acts."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import UInt8

from world4rl_core.errors import ConfigError, SimulatorError
from world4rl_core.pixels import resize
from world4rl_core.rig import CameraRig, Rig, load_rig
from world4rl_core.sim.gl import import_mujoco
from world4rl_core.sim.simulator import Observation
from world4rl_core.sim.twin.cameras import TwinCameras
from world4rl_core.sim.twin.control import TwinArm
from world4rl_core.sim.twin.experts import Expert, expert
from world4rl_core.sim.twin.scene import lock_step_scene, scene_xml
from world4rl_core.sim.twin.tasks import Task, find_task

ACTION_DIM = 7
STATE_DIM = 15
DEFAULT_SPREAD_M = 0.03


@dataclass(frozen=True)
class TwinConfig:
    """One task of the twin and how it is seen.

    Raises ConfigError for an unknown task, camera or a value out of range, and RigError for the rig file.
    """

    task: str = "press_button"
    rig: str = "twin"
    """Name or path of the rig file: cameras, action scale, limits, home."""
    cameras: tuple[str, ...] = ()
    """Those of the rig that are drawn; all of them where empty."""
    size: int | None = None
    """Height and width of the pictures; the rig's where None."""
    spread_m: float = DEFAULT_SPREAD_M
    """Objects move by up to this much in x and y at each reset; 0 is the fixed scene."""
    horizon: int | None = None
    """Control steps after which an episode is truncated; the task's own where None."""
    seen_cameras: tuple[str, ...] = ()
    """Those whose pictures, side by side, a policy acts on; all that are drawn where empty."""
    seen_size: tuple[int, int] | None = None
    """Height and width of each of them; as drawn where None."""

    def __post_init__(self) -> None:
        for name, value in (("size", self.size), ("horizon", self.horizon)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        if not 0 <= self.spread_m < np.inf:
            raise ConfigError(f"spread_m must be a distance >= 0 in m, got {self.spread_m}")
        drawn = [camera.name for camera in self.camera_rigs]
        for name in self.seen_cameras:
            if name not in drawn:
                raise ConfigError(f"the policy sees camera {name!r}, which is not drawn; drawn: {', '.join(drawn)}")
        _ = self.settings

    @property
    def settings(self) -> Task:
        return find_task(self.task)

    @property
    def rig_file(self) -> Rig:
        return load_rig(self.rig)

    @property
    def camera_rigs(self) -> tuple[CameraRig, ...]:
        """The cameras drawn, in the order asked for, at the size asked for."""
        rig = self.rig_file
        chosen = [rig.camera(name) for name in self.cameras] or rig.cameras
        if self.size is None:
            return tuple(chosen)
        return tuple(dataclasses.replace(camera, size=self.size) for camera in chosen)

    @property
    def fps(self) -> int:
        """Control steps per simulated second."""
        return self.rig_file.action.rate_hz

    @property
    def robot(self) -> str:
        return "franka_twin"

    @property
    def action_dim(self) -> int:
        return ACTION_DIM

    @property
    def horizon_steps(self) -> int:
        return self.horizon or self.settings.horizon

    def resolved(self) -> "TwinConfig":
        """The same configuration with every default spelled out, to be saved beside what it made."""
        cameras = self.camera_rigs
        sizes = {camera.size for camera in cameras}
        return dataclasses.replace(
            self,
            cameras=tuple(camera.name for camera in cameras),
            size=sizes.pop() if len(sizes) == 1 else None,
            horizon=self.horizon_steps,
        )

    def make(self) -> "TwinEnv":
        """The environment."""
        return TwinEnv(self)

    def images(self, observation: Observation) -> dict[str, UInt8[np.ndarray, "_h _w 3"]]:
        """The picture of each camera."""
        return {name: picture for name, picture in observation.items() if name != "state"}

    def policy_image(self, observation: Observation) -> UInt8[np.ndarray, "h w 3"]:
        """Side by side what a policy sees, as the frame cache puts the cameras of its training data."""
        names = self.seen_cameras or tuple(self.images(observation))
        views = [observation[name] for name in names]
        if self.seen_size is not None:
            views = [resize(view, self.seen_size) for view in views]
        return views[0] if len(views) == 1 else np.concatenate(views, axis=1)


class TwinEnv(gymnasium.Env[Observation, np.ndarray]):
    """A task of the twin at the rig's rate. Observations: each camera's picture, uint8 (size, size, 3), under its
    name, and `state` float32 (15,): joint positions (rad), TCP position (m), quaternion xyzw, gripper width (m).

    Actions (7,) in [-1, 1]: delta translation, delta rotation (rotation vector), gripper state (+1 open, -1 closed,
    0 as it was), scaled by the rig. The reward is 1.0 when the task is solved, which also terminates; a caller may step
    on up to the horizon, which truncates. The same seed gives the same initial state and pictures. One environment per
    process (it holds a GL context); `close` it.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, config: TwinConfig | None = None, *, draws: bool = True) -> None:
        """`draws=False` leaves the pictures black, for what looks at the state alone."""
        self.config = config or TwinConfig()
        self._mujoco = import_mujoco()
        self._task, self._rig = self.config.settings, self.config.rig_file
        self._horizon = self.config.horizon_steps
        self.model = self._mujoco.MjModel.from_xml_string(scene_xml(lock_step_scene()))
        self.data = self._mujoco.MjData(self.model)
        self._arm = TwinArm(self.model, self.data, self._rig)
        cameras = self.config.camera_rigs
        self._cameras = TwinCameras(self.model, cameras) if draws else None
        self._blank = {camera.name: np.zeros((camera.size, camera.size, 3), np.uint8) for camera in cameras}
        self._expert: Expert | None = None
        self.render_mode = "rgb_array"
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION_DIM,), np.float32)
        pictures: dict[str, Any] = {
            name: gymnasium.spaces.Box(0, 255, blank.shape, np.uint8) for name, blank in self._blank.items()
        }
        self.observation_space: Any = gymnasium.spaces.Dict(
            {**pictures, "state": gymnasium.spaces.Box(-np.pi, np.pi, (STATE_DIM,), np.float32)}
        )
        self._steps: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Arranges the objects, each moved by up to the configured spread, and puts the arm at the rig's home."""
        super().reset(seed=seed)
        self._mujoco.mj_resetData(self.model, self.data)
        self._arm.reset()
        self._task.reset(self.model, self.data, self.np_random, self.config.spread_m)
        self._mujoco.mj_forward(self.model, self.data)
        self._expert = expert(self._task.name, action=self._rig.action)
        self._steps = 0
        return self._observe(), {"success": False}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Applies one action, clipped to [-1, 1], for one control step.

        Raises SimulatorError before the first reset, after the horizon, and for an action of another shape or with NaN.
        """
        applied = np.asarray(action, dtype=np.float64)
        if applied.shape != (ACTION_DIM,) or not np.isfinite(applied).all():
            raise SimulatorError(f"an action is {ACTION_DIM} finite numbers, got {action!r}")
        if self._steps is None or self._steps >= self._horizon:
            raise SimulatorError("the episode is over or not begun; call reset first")
        self._arm.step(np.clip(applied, -1.0, 1.0))
        self._mujoco.mj_forward(self.model, self.data)
        success = self._task.is_success(self.model, self.data)
        self._steps += 1
        return self._observe(), float(success), success, self._steps >= self._horizon, {"success": success}

    def expert_action(self) -> np.ndarray:
        """What the scripted expert, which sees the simulator's state, does now; in [-1, 1]."""
        if self._expert is None:
            raise SimulatorError("the expert needs an episode; call reset first")
        return self._expert(self.model, self.data)

    def render(self) -> UInt8[np.ndarray, "h w 3"]:
        """The pictures of all cameras, side by side."""
        return np.concatenate(list(self._pictures().values()), axis=1)

    def close(self) -> None:
        """Frees the GL context; safe to call twice."""
        if self._cameras is not None:
            self._cameras.close()

    def _observe(self) -> Observation:
        return {**self._pictures(), "state": self._arm.state()}

    def _pictures(self) -> Observation:
        if self._cameras is None:
            return {name: blank.copy() for name, blank in self._blank.items()}
        return self._cameras.draw(self.data)
