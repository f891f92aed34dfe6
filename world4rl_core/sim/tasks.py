"""The tasks of Meta-World v3, and for each the settings under which 50 control steps show the whole task."""

import difflib
from dataclasses import dataclass

from world4rl_core.errors import ConfigError
from world4rl_core.sim.render import Crop

PAPER_TASKS = ("coffee-pull-v3", "soccer-v3", "hammer-v3", "door-lock-v3", "lever-pull-v3", "handle-pull-v3")
WHOLE_PICTURE: Crop = (0.0, 1.0, 0.0, 1.0)


@dataclass(frozen=True)
class TaskSettings:
    """How one task is looked at and stepped.

    `crop` is (top, bottom, left, right) of the upright corner2 picture: what gripper, objects and goal cover while the
    scripted expert works, and a margin. `frame_skip` Meta-World steps (1/80 s each) make one control step; the expert's
    displacement is multiplied by `expert_gain`, so that it does not overshoot; an episode has `horizon` control steps.
    """

    crop: Crop
    frame_skip: int = 5
    expert_gain: float = 0.6
    horizon: int = 50


# Frame skip and gain as measured: where 5 and 0.6 made the expert fail or dither, the pair that did best.
TASKS: dict[str, TaskSettings] = {
    "assembly-v3": TaskSettings((0.42, 0.68, 0.44, 0.7), frame_skip=3, expert_gain=1.0),
    "basketball-v3": TaskSettings((0.32, 0.64, 0.36, 0.68), expert_gain=0.4),
    "bin-picking-v3": TaskSettings((0.41, 0.67, 0.4, 0.66), frame_skip=6, horizon=60),
    "box-close-v3": TaskSettings((0.43, 0.69, 0.39, 0.65)),
    "button-press-topdown-v3": TaskSettings((0.31, 0.64, 0.35, 0.68)),
    "button-press-topdown-wall-v3": TaskSettings((0.31, 0.63, 0.36, 0.68)),
    "button-press-v3": TaskSettings((0.42, 0.72, 0.34, 0.64)),
    "button-press-wall-v3": TaskSettings((0.37, 0.64, 0.36, 0.63)),
    "coffee-button-v3": TaskSettings((0.36, 0.64, 0.33, 0.61)),
    "coffee-pull-v3": TaskSettings((0.43, 0.69, 0.36, 0.62), frame_skip=4, expert_gain=0.8),
    "coffee-push-v3": TaskSettings((0.43, 0.69, 0.35, 0.61)),
    "dial-turn-v3": TaskSettings((0.41, 0.67, 0.42, 0.68)),
    "disassemble-v3": TaskSettings((0.4, 0.72, 0.36, 0.68)),
    "door-close-v3": TaskSettings((0.32, 0.71, 0.31, 0.7)),
    "door-lock-v3": TaskSettings((0.32, 0.62, 0.37, 0.67), frame_skip=4, expert_gain=0.8),
    "door-open-v3": TaskSettings((0.34, 0.73, 0.32, 0.71)),
    "door-unlock-v3": TaskSettings((0.4, 0.66, 0.4, 0.66)),
    "drawer-close-v3": TaskSettings((0.38, 0.64, 0.37, 0.63)),
    "drawer-open-v3": TaskSettings((0.39, 0.65, 0.39, 0.65)),
    "faucet-close-v3": TaskSettings((0.39, 0.65, 0.36, 0.62)),
    "faucet-open-v3": TaskSettings((0.35, 0.7, 0.36, 0.71)),
    "hammer-v3": TaskSettings((0.43, 0.77, 0.34, 0.68), frame_skip=4, expert_gain=0.8),
    "hand-insert-v3": TaskSettings((0.42, 0.68, 0.41, 0.67), frame_skip=3, expert_gain=1.0),
    "handle-press-side-v3": TaskSettings((0.34, 0.6, 0.39, 0.65)),
    "handle-press-v3": TaskSettings((0.38, 0.64, 0.37, 0.63)),
    "handle-pull-side-v3": TaskSettings((0.39, 0.65, 0.38, 0.64), frame_skip=3, expert_gain=0.4),
    "handle-pull-v3": TaskSettings((0.42, 0.68, 0.39, 0.65)),
    "lever-pull-v3": TaskSettings((0.33, 0.69, 0.35, 0.71), frame_skip=4, expert_gain=0.5),
    "peg-insert-side-v3": TaskSettings((0.37, 0.72, 0.31, 0.66)),
    "peg-unplug-side-v3": TaskSettings((0.33, 0.59, 0.38, 0.64)),
    "pick-out-of-hole-v3": TaskSettings((0.38, 0.64, 0.38, 0.64), frame_skip=4, expert_gain=0.8),
    "pick-place-v3": TaskSettings((0.37, 0.65, 0.4, 0.68)),
    "pick-place-wall-v3": TaskSettings((0.38, 0.65, 0.41, 0.68)),
    "plate-slide-back-side-v3": TaskSettings((0.43, 0.69, 0.37, 0.63)),
    "plate-slide-back-v3": TaskSettings((0.43, 0.69, 0.39, 0.65)),
    "plate-slide-side-v3": TaskSettings((0.42, 0.68, 0.35, 0.61)),
    "plate-slide-v3": TaskSettings((0.42, 0.68, 0.41, 0.67)),
    "push-back-v3": TaskSettings((0.37, 0.64, 0.42, 0.69)),
    "push-v3": TaskSettings((0.42, 0.68, 0.41, 0.67)),
    "push-wall-v3": TaskSettings((0.42, 0.68, 0.41, 0.67)),
    "reach-v3": TaskSettings((0.37, 0.65, 0.41, 0.69)),
    "reach-wall-v3": TaskSettings((0.38, 0.65, 0.42, 0.69)),
    "shelf-place-v3": TaskSettings((0.36, 0.67, 0.35, 0.66)),
    "soccer-v3": TaskSettings((0.44, 0.7, 0.42, 0.68)),
    "stick-pull-v3": TaskSettings((0.45, 0.79, 0.38, 0.72)),
    "stick-push-v3": TaskSettings((0.46, 0.72, 0.42, 0.68), frame_skip=3, expert_gain=1.0),
    "sweep-into-v3": TaskSettings((0.39, 0.65, 0.4, 0.66), frame_skip=4),
    "sweep-v3": TaskSettings((0.41, 0.79, 0.4, 0.78)),
    "window-close-v3": TaskSettings((0.36, 0.7, 0.36, 0.7)),
    "window-open-v3": TaskSettings((0.3, 0.68, 0.36, 0.74)),
}


def task_settings(task: str) -> TaskSettings:
    """The settings of one task; raises ConfigError, with the nearest and all valid names, for an unknown one."""
    if task in TASKS:
        return TASKS[task]
    current = task.removesuffix("-v2").removesuffix("-v1") + ("" if task.endswith("-v3") else "-v3")
    if current in TASKS:
        hint = f"did you mean {current!r}? This is Meta-World v3."
    else:
        near = difflib.get_close_matches(current, TASKS, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ConfigError(f"unknown Meta-World task {task!r}; {hint} Valid tasks: {', '.join(TASKS)}")
