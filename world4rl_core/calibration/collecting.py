"""Collects the samples of one camera with the arm: go to a pose, stand still, take the picture, go on.

The arm is only ever asked for a velocity; what the arm node makes of it, and whether a person holds the arm, is not
decided here.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum

import numpy as np

from world4rl_core.calibration.tour import Tour, pose_error
from world4rl_core.errors import RobotError
from world4rl_core.rig import LimitsRig

GAIN_PER_S = 2.0
FASTEST_MPS, FASTEST_RADPS = 0.10, 0.35
"""A person walks beside the arm; the rig's own limits may be lower."""
NEAR_M, NEAR_RAD = 0.006, 0.02
PATIENCE_S = 25.0
"""A pose that is not reached in this time is left out."""
SETTLE_S = 0.8
LONGEST_PERIOD_S = 0.1
STILL_S = 0.3
"""The hand stands still for so long before the picture."""
PICTURE_AGE_S = 1.0


class Phase(Enum):
    """What the collector is at."""

    WAIT = "waits for the arm to be armed and left alone"
    GO = "moves to the next pose"
    SETTLE = "stands still"
    DONE = "has enough samples"


class Collector:
    """`step` at the rate of commands; after a picture was taken, or refused, call `looked`."""

    def __init__(self, tour: Tour, limits: LimitsRig) -> None:
        self._tour, self._limits = tour, limits
        self._goal: np.ndarray | None = None
        self._there_s: float | None = None
        self._tried_s, self._last_s = 0.0, None
        self.phase = Phase.WAIT
        self.skipped = 0
        """Poses that were not reached."""

    @property
    def still_since_s(self) -> float | None:
        """Pictures later than this show the hand at rest at its goal; None while it moves."""
        return None if self.phase is not Phase.SETTLE or self._there_s is None else self._there_s + SETTLE_S

    def step(self, T_base_hand: np.ndarray, now_s: float, *, may_move: bool) -> np.ndarray:
        """The velocity (6,) in base to ask for now. Raises CalibrationError where no pose is left to go to."""
        passed_s = 0.0 if self._last_s is None else min(max(now_s - self._last_s, 0.0), LONGEST_PERIOD_S)
        self._last_s = now_s
        if not may_move or self.phase is Phase.DONE:
            self._there_s = None
            self.phase = Phase.DONE if self.phase is Phase.DONE else Phase.WAIT
            return np.zeros(6)
        if self._goal is None:
            self._goal, self._there_s, self._tried_s = self._tour.next_pose(T_base_hand), None, 0.0
            if self._goal is None:
                self.phase = Phase.DONE
                return np.zeros(6)
        error = pose_error(self._goal, T_base_hand)
        if self._there_s is not None or self._is_near(error):
            self.phase = Phase.SETTLE
            self._there_s = now_s if self._there_s is None else self._there_s
            return np.zeros(6)
        self.phase = Phase.GO
        self._tried_s += passed_s
        if self._tried_s > PATIENCE_S:
            self.skipped += 1
            self._goal = None
            return np.zeros(6)
        return towards(error, self._limits)

    def looked(self) -> None:
        """The picture at this pose was taken or refused: go on to the next one."""
        self._goal = self._there_s = None

    @staticmethod
    def _is_near(error: np.ndarray) -> bool:
        return bool(np.linalg.norm(error[:3]) < NEAR_M and np.linalg.norm(error[3:]) < NEAR_RAD)


def towards(error: np.ndarray, limits: LimitsRig) -> np.ndarray:
    """The velocity (6,) that takes a pose error (6,) away: in a straight line, slower near the goal."""
    most = np.array([min(FASTEST_MPS, limits.linear_mps), min(FASTEST_RADPS, limits.angular_radps)])
    lengths = np.array([np.linalg.norm(error[:3]), np.linalg.norm(error[3:])])
    slowest_s = max(1 / GAIN_PER_S, float((lengths / most).max()))
    return error / slowest_s


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture and the hand's poses around it."""

    image: np.ndarray  # uint8 (h, w, 3)
    time_s: float
    T_before: np.ndarray  # (4, 4)
    T_after: np.ndarray


class Darkroom:
    """Keeps the newest picture and the hand's last poses."""

    def __init__(self) -> None:
        self._poses: deque[tuple[float, np.ndarray]] = deque(maxlen=400)
        self._picture: tuple[float, np.ndarray] | None = None

    def add_pose(self, T_base_hand: np.ndarray, time_s: float) -> None:
        if self._poses and time_s < self._poses[-1][0]:  # the clock was set back
            self._poses.clear()
            self._picture = None
        self._poses.append((time_s, T_base_hand))

    def add_picture(self, image: np.ndarray, time_s: float) -> None:
        self._picture = time_s, image

    @property
    def T_base_hand(self) -> np.ndarray | None:
        """The newest pose."""
        return self._poses[-1][1] if self._poses else None

    def shot(self, now_s: float) -> Shot:
        """The newest picture with the poses STILL_S before and just after it. Raises RobotError where one is missing.

        A sample is refused as moving where the two poses differ.
        """
        if self._picture is None or now_s - self._picture[0] > PICTURE_AGE_S:
            raise RobotError("no picture from the camera in the last second; is its node running?")
        if not self._poses or now_s - self._poses[-1][0] > PICTURE_AGE_S:
            raise RobotError("no pose from the arm in the last second; is the arm node running?")
        time_s, image = self._picture
        before = [T for stamp_s, T in self._poses if stamp_s <= time_s - STILL_S]
        after = [T for stamp_s, T in self._poses if stamp_s >= time_s]
        return Shot(
            image, time_s, before[-1] if before else self._poses[0][1], after[0] if after else self._poses[-1][1]
        )

    def has_picture_since(self, time_s: float) -> bool:
        """Whether a picture later than this is there, and a pose after it."""
        return self._picture is not None and self._poses[-1][0] >= self._picture[0] >= time_s
