"""What the scripted operator sees of the twin: the simulator's state on a model of its own, and the expert's wish."""

from typing import Any

import numpy as np

from world4rl_core.rig import Rig
from world4rl_core.sim.gl import import_mujoco
from world4rl_core.sim.twin.cameras import Snapshot
from world4rl_core.sim.twin.experts import Expert, expert
from world4rl_core.sim.twin.scene import arm_scene, build_scene, scene_xml


class TwinView:
    """Follows the snapshots that the sim node publishes. One expert plays one episode."""

    def __init__(self, rig: Rig, task: str) -> None:
        """Raises ConfigError for an unknown task and SimulatorError where the simulator is not installed."""
        self._rig, self._task = rig, task
        self._mujoco: Any = import_mujoco()
        self._model = self._mujoco.MjModel.from_xml_string(scene_xml(build_scene(arm_scene())))
        self._data = self._mujoco.MjData(self._model)
        self._expert: Expert = expert(task, action=rig.action)

    def begin(self) -> None:
        """A new episode."""
        self._expert = expert(self._task, action=self._rig.action)

    def wish(self, snapshot: Snapshot) -> np.ndarray:
        """The expert's action (7,) for this state."""
        self._data.time = snapshot.time_s
        self._data.qpos[:] = snapshot.qpos
        self._data.mocap_pos[:] = snapshot.mocap_pos
        self._data.mocap_quat[:] = snapshot.mocap_quat
        self._mujoco.mj_kinematics(self._model, self._data)
        return self._expert(self._model, self._data)
