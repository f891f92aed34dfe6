"""One recorded step: what every sensor said at one instant, and the action that followed it.

The recorder builds these, `data/robot_episode.py` turns a list of them into an Episode, and a deployed policy is fed
by the same `proprioception`.
"""

from dataclasses import dataclass

import numpy as np

from world4rl_core.geometry import matrix_of_quat
from world4rl_core.robot.interface import ArmState, GripperState

PROPRIOCEPTION = (
    *(f"position_m.{axis}" for axis in "xyz"),
    *(f"rotation.{column}{axis}" for column in "xy" for axis in "xyz"),
    "gripper_width_m",
    *(f"q_rad.{joint}" for joint in range(1, 8)),
)
"""Names of the numbers in `observation.state`, in order."""
STATE_SKEW_S = 0.05
SOURCE_CODES = {"none": 0, "human": 1, "policy": 2, "random": 3}


def proprioception(position_m: np.ndarray, quat_xyzw: np.ndarray, *, width_m: float, q: np.ndarray) -> np.ndarray:
    """The robot's part of an observation, float32 (17,), named by PROPRIOCEPTION.

    The orientation is the first two columns of the rotation matrix: unlike a quaternion it has no jump.
    """
    columns = matrix_of_quat(quat_xyzw)[:, :2].T.ravel()
    return np.concatenate([position_m, columns, [width_m], q]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class CameraSample:
    """The frame of one camera that lies nearest in time to a row."""

    image: np.ndarray  # uint8 RGB (h, w, 3)
    frame_number: int
    stamp_s: float
    """When it was taken, on the clock of the rows."""
    device_time_s: float
    """The camera's own stamp, in its own time domain."""
    receive_time_s: float
    """When it arrived, on the clock of the rows."""
    is_duplicate: bool
    """The row before has the same frame."""
    is_synced: bool
    """Taken within half a frame period + 5 ms of the row."""
    frames_missing: int = 0
    """Frames the camera skipped between the row before and this one."""


@dataclass(frozen=True, eq=False)
class Step:
    """Row `index` at `time_s`, and the mean of what was requested and applied until the next row."""

    index: int
    time_s: float
    """The instant the row stands for, on the ROS clock."""
    monotonic_s: float
    """When the recorder cut the row, on its monotonic clock."""
    lateness_s: float
    """How long after it could have been cut, on the ROS clock."""
    cameras: dict[str, CameraSample]
    state: ArmState
    gripper: GripperState
    requested: np.ndarray  # (7,) in [-1, 1]
    applied: np.ndarray  # (7,) in [-1, 1]: after filter and latch
    requested_time_s: float
    """Stamp of the newest request in the row; -1 when nobody asked for anything."""
    applied_time_s: float
    """Stamp of the newest twist sent to the arm in the row; -1 when none was."""
    source: str  # one of SOURCE_CODES
    is_intervention: bool
    """A person took over from a policy during this row."""
    is_clipped: bool = False
    """The filter changed the request during this row."""

    @property
    def is_synced(self) -> bool:
        """Every camera within its tolerance, and the arm's state within STATE_SKEW_S."""
        is_state_near = abs(self.state.time_s - self.time_s) <= STATE_SKEW_S
        return is_state_near and all(sample.is_synced for sample in self.cameras.values())
