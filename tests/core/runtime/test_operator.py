"""The scripted operator plays episodes with axes and two buttons, and bears what may go wrong."""

from dataclasses import replace

import numpy as np
import pytest

from world4rl_core.geometry import quat_of_rotvec
from world4rl_core.rig import load_rig
from world4rl_core.runtime.operator import Act, ScriptedOperator, View, axes_of_action
from world4rl_core.runtime.teleop import ButtonEvent, Buttons

RIG = load_rig("twin")
DOWN = np.array([1.0, 0.0, 0.0, 0.0])
STEP_S = 0.02


class Cell:
    """Recorder, arm and scene as the operator sees them: they react to the buttons as the nodes do."""

    def __init__(self, *, solves_after_s=2.0, deaf_to_start=0):
        self.view = View(False, False, False, False, 1.0, False, False, DOWN)
        self.labels, self.starts_missed = [], deaf_to_start
        self.solves_after_s, self.drove_s = solves_after_s, 0.0
        self._buttons = Buttons()

    def act(self, hand, operator, now_s):
        if hand.wants_reset:
            self.view = replace(self.view, is_arranged=True, is_solved=False)
            self.drove_s = 0.0
        for event in self._buttons.step(hand.buttons, now_s):
            self._on(event)
        self.view = replace(self.view, action=None)
        if operator.act is Act.DRIVE:
            self.drove_s += STEP_S
            solved = self.drove_s > self.solves_after_s
            self.view = replace(self.view, action=np.array([0.5, 0, 0, 0, 0, 0, -1.0]), is_solved=solved)

    def _on(self, event):
        """What the nodes do with a button."""
        if event is ButtonEvent.TOGGLE_GRIPPER:
            self.view = replace(self.view, gripper=-self.view.gripper)
        elif event is ButtonEvent.HOME:
            self.view = replace(self.view, is_home=True)
        elif self.view.is_recording:
            self.labels.append("failure" if event is ButtonEvent.FAILURE else "success")
            self.view = replace(self.view, is_recording=False, is_home=False, is_arranged=False)
        elif self.starts_missed:
            self.starts_missed -= 1
        else:
            self.view = replace(self.view, is_recording=True)


def play(cell, operator, seconds):
    hands = []
    for step in range(int(seconds / STEP_S)):
        hands.append(operator.step(cell.view, step * STEP_S))
        cell.act(hands[-1], operator, step * STEP_S)
    return hands


def test_solved_episodes_are_labelled_success_one_after_the_other():
    cell = Cell()
    hands = play(cell, ScriptedOperator(RIG, horizon_s=5.0), 60)
    assert len(cell.labels) >= 3 and set(cell.labels) == {"success"}
    assert not any(hand.axes.any() for hand in hands if hand.buttons[1])


def test_an_unsolved_episode_is_labelled_failure():
    cell = Cell(solves_after_s=1e9)
    play(cell, ScriptedOperator(RIG, horizon_s=3.0), 30)
    assert cell.labels and set(cell.labels) == {"failure"}


def test_a_start_that_was_not_heard_is_repeated():
    cell = Cell(deaf_to_start=2)
    play(cell, ScriptedOperator(RIG, horizon_s=5.0), 60)
    assert cell.labels


def test_the_gripper_is_pressed_until_it_is_as_wanted():
    cell = Cell()
    play(cell, ScriptedOperator(RIG, horizon_s=5.0), 12)
    assert cell.view.gripper == -1.0


def test_an_episode_ended_by_the_recorder_starts_over():
    cell, operator = Cell(), ScriptedOperator(RIG, horizon_s=5.0)
    step = 0
    while operator.act is not Act.DRIVE:
        cell.act(operator.step(cell.view, step * STEP_S), operator, step * STEP_S)
        step += 1
    cell.view = replace(cell.view, is_recording=False, is_home=False)
    operator.step(cell.view, step * STEP_S)
    assert operator.act is Act.HOME


def test_with_another_source_the_hand_stays_off():
    hands = play(Cell(), ScriptedOperator(RIG, horizon_s=5.0, drives=False), 20)
    assert not any(hand.axes.any() for hand in hands)


def test_a_held_arm_makes_the_hand_let_go_and_a_latched_one_asks_for_its_reset():
    cell, operator = Cell(), ScriptedOperator(RIG, horizon_s=5.0)
    step = 0
    while operator.act is not Act.DRIVE:
        cell.act(operator.step(cell.view, step * STEP_S), operator, step * STEP_S)
        step += 1
    now_s = step * STEP_S
    moving = replace(cell.view, is_recording=True, is_solved=False, action=np.ones(7))
    assert operator.step(moving, now_s).axes.any()
    assert not operator.step(replace(moving, is_held=True), now_s + 0.1).axes.any()
    assert operator.step(moving, now_s + 0.2).axes.any()
    latched = operator.step(replace(moving, is_latched=True), now_s + 0.3)
    assert latched.wants_unlatch and not latched.axes.any() and not any(latched.buttons)


@pytest.mark.parametrize("frames", [("base", "base"), ("base", "ee"), ("ee", "base"), ("ee", "ee")])
def test_axes_undo_deadband_scale_and_frame(frames):
    rig = replace(RIG, action=replace(RIG.action, frame=frames[0]), teleop=replace(RIG.teleop, frame=frames[1]))
    quat = quat_of_rotvec(np.array([3.0, 0.2, 0.1]))
    axes = axes_of_action(np.array([0.3, -0.2, 0.1, 0.05, 0.0, -0.1, 1.0]), rig, quat_xyzw=quat)
    moved = np.abs(axes) > 0
    assert (np.abs(axes[moved]) > rig.teleop.deadband).all() and (np.abs(axes) <= 1).all()
    if frames == ("base", "base"):
        wanted = 0.3 * 0.25 / rig.teleop.linear_mps
        assert axes[0] == pytest.approx(rig.teleop.deadband + (1 - rig.teleop.deadband) * wanted)
        assert axes[4] == 0.0
