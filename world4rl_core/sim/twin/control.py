"""How an action moves the twin's arm in lock step: limits, inverse kinematics and joint servos."""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from world4rl_core.rig import Rig
from world4rl_core.sim.gl import import_mujoco
from world4rl_core.sim.twin.scene import ARM, TCP_SITE

JOINTS = tuple(f"{ARM}fr3_joint{number}" for number in range(1, 8))
FINGERS = (f"{ARM}finger_joint1", f"{ARM}finger_joint2")
HAND_SERVO = f"{ARM}hand"
OPEN_CTRL = 255.0
FINGER_TRAVEL_M = 0.04
CHUNKS = 5
"""The servos' targets move this many times in one control step."""
_DAMPING = 1e-4
_ITERATIONS = 4
_PULL_HOME = 0.05
_MAX_JOINT_STEP_RAD = 0.2
_MAX_IK_ERROR_M = 0.02
_LEASH_M = 0.04
"""How far the commanded point may run ahead of the arm that something holds back."""
_SERVO_LAG_S = 0.1
"""Damping over stiffness of franky-sim's servos, made up for by feeding the velocity forward."""


class TwinArm:
    """The arm's servos and what they are told: integrates actions into a pose, as franky integrates a streamed twist.

    Speed, box and tilt are the rig's limits; the pose stays at most 4 cm ahead of the arm, and one out of reach is not
    taken. The commanded orientation only changes by rotating actions.
    """

    def __init__(self, model: Any, data: Any, rig: Rig) -> None:
        self._mujoco = import_mujoco()
        self._model, self._data, self._rig = model, data, rig
        self._scratch = self._mujoco.MjData(model)
        self._qpos = np.array([model.joint(name).qposadr[0] for name in JOINTS])
        self._dof = np.array([model.joint(name).dofadr[0] for name in JOINTS])
        self._fingers = np.array([model.joint(name).qposadr[0] for name in FINGERS])
        self._servos = np.array([model.actuator(name).id for name in JOINTS])
        self._hand = model.actuator(HAND_SERVO).id
        self._tcp = model.site(TCP_SITE).id
        limited = model.jnt_range[[model.joint(name).id for name in JOINTS]]
        self._low, self._high = limited[:, 0] + 0.02, limited[:, 1] - 0.02
        self._home = np.array(rig.robot.home_q)
        self._substeps = round(1 / (rig.action.rate_hz * CHUNKS * model.opt.timestep))
        self.reset()

    def reset(self) -> None:
        """Puts the arm at the rig's home, still, with the gripper open; the caller runs `mj_forward`."""
        data = self._data
        data.qpos[self._qpos] = self._q = self._home.copy()
        data.qvel[self._dof] = 0.0
        self._width_m = self._goal_width_m = self._rig.gripper.max_width_m
        data.qpos[self._fingers] = self._width_m / 2
        data.ctrl[self._servos] = self._q
        data.ctrl[self._hand] = OPEN_CTRL * self._width_m / (2 * FINGER_TRAVEL_M)
        self._position_m, R_base_tcp = self._forward(self._q)
        self._rotation = Rotation.from_matrix(R_base_tcp)

    def step(self, action: Float[np.ndarray, "7"]) -> None:
        """Moves for one control step; the model's time advances by 1 / rate_hz."""
        before, self._q = self._q, self._next_q(action)
        velocity = (self._q - before) * self._rig.action.rate_hz
        if action[6] != 0.0:
            self._goal_width_m = self._rig.gripper.max_width_m if action[6] > 0 else 0.0
        widest_step = 2 * self._rig.gripper.speed_mps / (self._rig.action.rate_hz * CHUNKS)
        for chunk in range(1, CHUNKS + 1):
            reference = before + (self._q - before) * chunk / CHUNKS
            self._data.ctrl[self._servos] = reference + _SERVO_LAG_S * velocity
            self._width_m += float(np.clip(self._goal_width_m - self._width_m, -widest_step, widest_step))
            self._data.ctrl[self._hand] = OPEN_CTRL * self._width_m / (2 * FINGER_TRAVEL_M)
            self._mujoco.mj_step(self._model, self._data, self._substeps)

    def state(self) -> Float[np.ndarray, "15"]:
        """Joint positions (7) in rad, TCP position (3) in m and quaternion xyzw (4), gripper width in m."""
        site = self._data.site(self._tcp)
        quat = Rotation.from_matrix(site.xmat.reshape(3, 3)).as_quat(canonical=False)
        # One sign for the downward gripper, which would flip otherwise.
        quat = quat if quat[0] >= 0 else -quat
        width_m = self._data.qpos[self._fingers].sum()
        return np.concatenate([self._data.qpos[self._qpos], site.xpos, quat, [width_m]]).astype(np.float32)

    def _next_q(self, action: np.ndarray) -> np.ndarray:
        scale, limits = self._rig.action, self._rig.limits
        translation = _shortened(action[:3] * scale.translation_m, limits.linear_mps / scale.rate_hz)
        rotation = _shortened(action[3:6] * scale.rotation_rad, limits.angular_radps / scale.rate_hz)
        if scale.frame == "ee":
            translation, rotation = self._rotation.apply(translation), self._rotation.apply(rotation)
        arm_m = self._data.site(self._tcp).xpos
        wanted_m = arm_m + _shortened(self._position_m + translation - arm_m, _LEASH_M)
        wanted_m = np.clip(wanted_m, limits.box_low_m, limits.box_high_m)
        turned = Rotation.from_rotvec(rotation) * self._rotation
        if not rotation.any() or _tilt_rad(turned) > max(limits.max_tilt_rad, _tilt_rad(self._rotation)):
            turned = self._rotation
        q = self._inverse(wanted_m, turned.as_matrix())
        if q is None:
            return self._q
        self._position_m, self._rotation = wanted_m, turned
        return q

    def _inverse(self, position_m: np.ndarray, R_base_tcp: np.ndarray) -> np.ndarray | None:
        """Damped least squares from the last command, pulled home in the null space; None where out of reach."""
        q = self._q.copy()
        for _ in range(_ITERATIONS):
            here_m, R = self._forward(q)
            turn = 0.5 * np.cross(R.T, R_base_tcp.T).sum(axis=0)
            J = self._jacobian()
            inverse = J.T @ np.linalg.inv(J @ J.T + _DAMPING * np.eye(6))
            change = inverse @ np.concatenate([position_m - here_m, turn])
            home = _PULL_HOME * (self._home - q)
            q = np.clip(q + change + home - inverse @ (J @ home), self._low, self._high)
        q = self._q + np.clip(q - self._q, -_MAX_JOINT_STEP_RAD, _MAX_JOINT_STEP_RAD)
        return q if np.linalg.norm(self._forward(q)[0] - position_m) < _MAX_IK_ERROR_M else None

    def _forward(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._scratch.qpos[self._qpos] = q
        self._mujoco.mj_kinematics(self._model, self._scratch)
        site = self._scratch.site(self._tcp)
        return site.xpos.copy(), site.xmat.reshape(3, 3).copy()

    def _jacobian(self) -> Float[np.ndarray, "6 7"]:
        self._mujoco.mj_comPos(self._model, self._scratch)
        J = np.zeros((6, self._model.nv))
        self._mujoco.mj_jacSite(self._model, self._scratch, J[:3], J[3:], self._tcp)
        return J[:, self._dof]


def _shortened(vector: np.ndarray, longest: float) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector if length <= longest else vector * (longest / length)


def _tilt_rad(rotation: Rotation) -> float:
    """Angle between the gripper's axis and straight down."""
    return float(np.arccos(np.clip(-rotation.as_matrix()[2, 2], -1.0, 1.0)))
