"""Which hand pose comes next: a look around from the start, which tells roughly where things are, then planned poses.

Nothing need be known beforehand but a start pose from which the camera sees the board.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.spatial.transform import Rotation

from world4rl_core import hand_eye
from world4rl_core.calibration.board import board_pose
from world4rl_core.calibration.poses import Guess, plan_poses
from world4rl_core.calibration.samples import SampleFolder
from world4rl_core.errors import CalibrationError
from world4rl_core.geometry import inverse, quat_of_matrix, tilt
from world4rl_core.rig import LimitsRig, Rig
from world4rl_core.robot.kinematics import condition_number, forward, joint_speeds
from world4rl_core.runtime.joint_guard import SOFT_CONDITION, SOFT_MARGIN_RAD, JointGuard

LEAST_VIEWS = 5
"""So many views tell roughly where camera and board are."""
ROUNDS = 3
"""Plans in a row without a single sample before the tour gives up."""
LOOK_RAD = 0.22
LOOKS = np.array(
    [
        *([x, y, z] for x, y, z in ((0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0))),
        *([x, y, z] for x, y, z in ((0.6, 0.6, 1), (-0.6, 0.6, -1), (0.6, -0.6, 1.5), (-0.6, -0.6, -1.5))),
    ],
    dtype=float,
)
"""Turns of the hand about its own axes, in shares of LOOK_RAD."""
TILT_SHARE = 0.9
IK_STEPS, IK_NEAR_M, IK_NEAR_RAD = 40, 0.003, 0.01
LARGEST_STEP_RAD = 0.3


class Tour:
    """Hand poses until a folder holds enough samples. A pose whose sample was refused is not visited again."""

    def __init__(self, samples: SampleFolder, rig: Rig, *, count: int) -> None:
        self._samples, self._rig, self._count = samples, rig, count
        self._left: list[np.ndarray] | None = None
        self._plans = self._vain = self._had = 0

    @property
    def is_done(self) -> bool:
        return len(self._samples.views) >= self._count

    def next_pose(self, T_base_hand: np.ndarray) -> np.ndarray | None:
        """The pose to visit from here; None when there are enough samples. May take some seconds where it plans.

        Raises CalibrationError: "no_board" where the look around showed too little, "no_pose" where plans ran out.
        """
        if self.is_done:
            return None
        if self._left is None:
            has_guess = len(self._samples.views) >= LEAST_VIEWS
            self._left = [] if has_guess else look_around(T_base_hand, self._rig.limits)
        if self._is_looking and len(self._samples.views) >= LEAST_VIEWS:
            self._left = []
        if not self._left:
            self._left = self._planned()
            self._plans += 1
        return self._left.pop(0)

    @property
    def _is_looking(self) -> bool:
        return self._plans == 0

    def _planned(self) -> list[np.ndarray]:
        views, session, rig = self._samples.views, self._samples.session, self._rig
        if len(views) < LEAST_VIEWS:
            raise CalibrationError(
                "no_board",
                f"the look around from the start pose gave {len(views)} samples, wanted {LEAST_VIEWS}; bring the hand "
                "to where the middle of the picture shows the whole board, and begin again",
            )
        self._vain, self._had = (0 if len(views) > self._had else self._vain + 1), len(views)
        if self._vain >= ROUNDS:
            raise CalibrationError(
                "no_pose",
                f"{len(views)} samples, wanted {self._count}, and {ROUNDS} plans gave no more; take the rest by hand, "
                "or compute with these",
            )
        assert session.task != "intrinsics" and session.intrinsics is not None
        guess = first_guess(self._samples)
        missing = self._count - len(views)
        plan = partial(
            plan_poses, mode=session.task, limits=rig.limits, board=session.board, intrinsics=session.intrinsics,
            guess=guess, seed=self._plans, taken=[view.T_base_hand for view in views],
            is_reachable=self._reach(guess),
        )  # fmt: skip
        try:
            return plan(missing)
        except CalibrationError as error:
            if error.reason != "no_pose":
                raise
            return plan(1)  # few poses show the board from here: one after the other

    def _reach(self, guess: Guess) -> Callable[[np.ndarray], bool]:
        board, floor_m = self._samples.session.board, self._rig.limits.box_low_m[2]
        is_held = self._samples.session.task == "eye_to_hand"
        outline = np.column_stack([board.outline_m, np.ones(4)]) @ guess.T_board.T

        def is_reachable(T_base_hand: np.ndarray) -> bool:
            lowest_m = (outline @ T_base_hand.T)[:, 2].min() if is_held else np.inf
            return bool(lowest_m > max(floor_m, 0.0) + self._rig.limits.margin_m) and can_reach(T_base_hand, self._rig)

        return is_reachable


def look_around(T_base_hand: np.ndarray, limits: LimitsRig) -> list[np.ndarray]:
    """Poses (4, 4) at the same place, turned a little about all axes, as far as box and tilt allow."""
    low = np.add(limits.box_low_m, limits.margin_m / 2)
    high = np.subtract(limits.box_high_m, limits.margin_m / 2)
    poses = []
    for look in LOOKS:
        T = T_base_hand.copy()
        T[:3, :3] = T[:3, :3] @ Rotation.from_rotvec(LOOK_RAD * look).as_matrix()
        T[:3, 3] = np.clip(T[:3, 3], low, high)
        if not look.any() or tilt(quat_of_matrix(T[:3, :3])) < TILT_SHARE * limits.max_tilt_rad:
            poses.append(T)
    return poses


def first_guess(samples: SampleFolder) -> Guess:
    """Roughly where camera and board are, by a closed form over the samples so far."""
    session = samples.session
    assert session.task != "intrinsics" and session.intrinsics is not None
    hands = [view.T_base_hand for view in samples.views]
    boards = [board_pose(view.detection, session.board, session.intrinsics)[0] for view in samples.views]
    X = hand_eye.solve(hands, boards, mode=session.task, method="park")
    if session.task == "eye_in_hand":
        return Guess(X, hands[0] @ X @ boards[0])
    return Guess(X, inverse(hands[0]) @ X @ boards[0])


def can_reach(T_base_hand: np.ndarray, rig: Rig) -> bool:
    """Whether the arm gets there from its start pose without coming near a joint limit or a singularity."""
    q = np.array(rig.robot.home_q)
    for _ in range(IK_STEPS):
        error = pose_error(T_base_hand, forward(q))
        if np.linalg.norm(error[:3]) < IK_NEAR_M and np.linalg.norm(error[3:]) < IK_NEAR_RAD:
            is_free = JointGuard(rig.robot.model).margin_rad(q) > SOFT_MARGIN_RAD
            return is_free and condition_number(q) < SOFT_CONDITION
        q = q + np.clip(joint_speeds(q, error), -LARGEST_STEP_RAD, LARGEST_STEP_RAD)
    return False


def pose_error(T_goal: np.ndarray, T_now: np.ndarray) -> np.ndarray:
    """What is missing to the goal, (6,) in base: metres, and a rotation vector in rad."""
    turn = Rotation.from_matrix(T_goal[:3, :3] @ T_now[:3, :3].T).as_rotvec()
    return np.concatenate([T_goal[:3, 3] - T_now[:3, 3], turn])
