"""Meta-World v3 tasks as a gymnasium environment with cropped pictures, a frame skip and scripted experts."""

import contextlib
import dataclasses
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float, UInt8

from world4rl_core.errors import ConfigError, SimulatorError
from world4rl_core.sim.gl import INSTALL_EXTRA, import_mujoco
from world4rl_core.sim.render import Crop, SceneRenderer, View
from world4rl_core.sim.simulator import Observation
from world4rl_core.sim.tasks import WHOLE_PICTURE, TaskSettings, task_settings

ACTION_DIM = 4
STATE_DIM = 4
METAWORLD_HZ = 80
_HAND_LOW_M = np.array([-0.525, 0.348, -0.0525])
_HAND_HIGH_M = np.array([0.525, 1.025, 0.7])


@dataclass(frozen=True)
class MetaWorldConfig:
    """One task and how it is seen. `None` means the task's own default (`sim/tasks.py`).

    Raises ConfigError for an unknown task or a value out of range.
    """

    task: str = "faucet-open-v3"
    camera: str = "corner2"
    crop: Crop | None = None
    """Top, bottom, left, right of what is seen, as fractions of the camera's upright square picture."""
    size: int = 48
    """Height and width of the picture, in pixels."""
    supersample: int = 2
    """The picture is drawn this many times larger, then averaged down."""
    frame_skip: int | None = None
    """Meta-World steps (1/80 s) per control step."""
    expert_gain: float | None = None
    """Factor on the scripted expert's displacement."""
    horizon: int | None = None
    """Control steps after which an episode is truncated."""

    def __post_init__(self) -> None:
        settings = self.settings
        for name, value in (("size", self.size), ("supersample", self.supersample), ("horizon", settings.horizon)):
            if value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        if settings.frame_skip < 1:
            raise ConfigError(f"frame_skip must be at least 1, got {settings.frame_skip}")
        if not settings.expert_gain > 0:
            raise ConfigError(f"expert_gain must be above 0, got {settings.expert_gain}")
        top, bottom, left, right = settings.crop
        if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
            raise ConfigError(f"crop must be top < bottom, left < right in [0, 1], got {settings.crop}")

    @property
    def settings(self) -> TaskSettings:
        """What holds in the end: the task's defaults, overridden by the fields given here."""
        defaults = task_settings(self.task)
        if self.camera != "corner2":
            defaults = dataclasses.replace(defaults, crop=WHOLE_PICTURE)
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(TaskSettings)}
        return dataclasses.replace(defaults, **{name: value for name, value in given.items() if value is not None})

    @property
    def fps(self) -> int:
        """Control steps per simulated second, rounded."""
        return max(1, round(METAWORLD_HZ / self.settings.frame_skip))

    @property
    def robot(self) -> str:
        return "metaworld_sawyer"

    @property
    def action_dim(self) -> int:
        return ACTION_DIM

    @property
    def horizon_steps(self) -> int:
        return self.settings.horizon

    def make(self) -> "MetaWorldEnv":
        """The environment."""
        return MetaWorldEnv(self)

    def images(self, observation: Observation) -> dict[str, UInt8[np.ndarray, "_h _w 3"]]:
        """The one camera's picture."""
        return {self.camera: observation["image"]}

    def policy_image(self, observation: Observation) -> UInt8[np.ndarray, "h w 3"]:
        """The same picture."""
        return observation["image"]

    def resolved(self) -> "MetaWorldConfig":
        """The same configuration with every default spelled out, to be saved beside what it made."""
        return dataclasses.replace(self, **dataclasses.asdict(self.settings))


class MetaWorldEnv(gymnasium.Env[Observation, np.ndarray]):
    """A Meta-World task. Observations: `image` uint8 (size, size, 3) and `state` float32 (4,) in [-1, 1].

    The state is proprioception only: hand x, y, z over the hand's range and the gripper's opening. The reward is 1.0
    when any Meta-World step inside the control step succeeded, which also terminates; a caller may step on up to the
    horizon, which truncates. The same seed gives the same initial state and picture. One environment per process (it
    holds a GL context); `close` it.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": METAWORLD_HZ // 5}

    def __init__(self, config: MetaWorldConfig) -> None:
        self.config, self._settings = config, config.settings
        import_mujoco()
        self._sim, self._make_expert = _build(config.task)
        self._sim.max_path_length = self._settings.horizon * self._settings.frame_skip + 1
        self._expert = self._make_expert()
        view = View(config.camera, self._settings.crop, config.size, config.size, aspect=1.0)
        self._renderer = SceneRenderer(self._sim.model, {"image": view}, supersample=config.supersample)
        self.render_mode = "rgb_array"
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION_DIM,), np.float32)
        self.observation_space: Any = gymnasium.spaces.Dict(
            image=gymnasium.spaces.Box(0, 255, (config.size, config.size, 3), np.uint8),
            state=gymnasium.spaces.Box(-1.0, 1.0, (STATE_DIM,), np.float32),
        )
        self._readings: np.ndarray | None = None
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draws object and goal positions from the task's whole range and puts the hand at its start."""
        super().reset(seed=seed)
        self._expert = self._make_expert()
        self._steps = 0
        with _quiet():
            self._readings = self._randomise(int(self.np_random.integers(2**31)))
        return self._observe(), {"success": False}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Applies one action (4,), clipped to [-1, 1], for `frame_skip` Meta-World steps.

        Raises SimulatorError before the first reset, after the horizon, and for an action of another shape or with NaN.
        """
        applied = np.asarray(action, dtype=np.float32)
        if applied.shape != (ACTION_DIM,) or not np.isfinite(applied).all():
            raise SimulatorError(f"an action is {ACTION_DIM} finite numbers, got {action!r}")
        if self._readings is None or self._steps >= self._settings.horizon:
            raise SimulatorError("the episode is over or not begun; call reset first")
        applied = np.clip(applied, -1.0, 1.0)
        success = False
        with _quiet():
            for _ in range(self._settings.frame_skip):
                self._readings, _, _, _, outcome = self._sim.step(applied)
                success = success or bool(outcome["success"])
        self._steps += 1
        truncated = self._steps >= self._settings.horizon
        return self._observe(), float(success), success, truncated, {"success": success}

    def expert_action(self) -> Float[np.ndarray, " action"]:
        """What Meta-World's scripted expert, which sees the true positions, does now; in [-1, 1]."""
        if self._readings is None:
            raise SimulatorError("the expert needs an episode; call reset first")
        with _quiet():
            action = np.array(self._expert.get_action(self._readings), dtype=np.float32)
        action[:3] *= self._settings.expert_gain
        return np.clip(action, -1.0, 1.0)

    def render(self) -> UInt8[np.ndarray, "size size 3"]:
        """The picture the observation holds."""
        return self._renderer.draw(self._sim.data, "image")

    def close(self) -> None:
        """Frees the GL context."""
        self._renderer.close()

    def _randomise(self, seed: int) -> np.ndarray:
        """Resets Meta-World to the state that `seed` names and returns its full readings.

        The first pass draws positions, unfrozen: some tasks reject draws and would loop for ever on a frozen one. The
        second resets with the accepted draw frozen, so that nothing is read from the previous episode's scene.
        """
        sim, mujoco = self._sim, import_mujoco()
        sim.seed(seed)
        sim.seeded_rand_vec, sim._freeze_rand_vec = True, False
        mujoco.mj_resetData(sim.model, sim.data)
        sim.reset_model()
        sim._freeze_rand_vec = True
        sim.reset()
        # Some tasks move a joint last of all; without this the picture and the readings show it where it was.
        mujoco.mj_forward(sim.model, sim.data)
        return sim._get_obs()

    def _observe(self) -> Observation:
        assert self._readings is not None
        hand = 2 * (self._readings[:3] - _HAND_LOW_M) / (_HAND_HIGH_M - _HAND_LOW_M) - 1
        state = np.append(hand, 2 * self._readings[3] - 1)
        return {"image": self.render(), "state": np.clip(state, -1.0, 1.0).astype(np.float32)}


def _build(task: str) -> tuple[Any, Any]:
    """Meta-World's own environment for `task`, goals visible to the expert, and its expert's class."""
    try:
        from metaworld.env_dict import ALL_V3_ENVIRONMENTS
        from metaworld.policies import ENV_POLICY_MAP
    except ModuleNotFoundError as error:
        raise SimulatorError(f"{error.name} is not installed; the simulator needs it: {INSTALL_EXTRA}") from error
    sim = ALL_V3_ENVIRONMENTS[task]()
    sim._set_task_called = True
    sim._partially_observable = False
    del sim.sawyer_observation_space
    return sim, ENV_POLICY_MAP[task]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Meta-World's experts warn whenever they ask for more than an action can give; the action is clipped anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
