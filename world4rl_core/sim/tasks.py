"""The tasks of Meta-World v3, and for each the settings under which 50 control steps show the whole task."""

import difflib
from dataclasses import dataclass

from world4rl_core.errors import ConfigError
from world4rl_core.sim.render import Crop

PAPER_TASKS = ("coffee-pull-v3", "soccer-v3", "hammer-v3", "door-lock-v3", "lever-pull-v3", "handle-pull-v3")
WHOLE_PICTURE: Crop = (0.0, 1.0, 0.0, 1.0)
TABLE_TOP: Crop = (0.36, 0.74, 0.32, 0.70)


@dataclass(frozen=True)
class TaskSettings:
    """How one task is stepped and looked at.

    `frame_skip` Meta-World steps (1/80 s each) make one control step; the scripted expert's displacement is multiplied by
    `expert_gain`; `crop` is (top, bottom, left, right) of the upright corner2 picture; an episode has `horizon` steps.
    """

    frame_skip: int = 5
    expert_gain: float = 0.6
    crop: Crop = TABLE_TOP
    horizon: int = 50


TASKS: dict[str, TaskSettings] = {
    name + "-v3": TaskSettings()
    for name in (
        "assembly basketball bin-picking box-close button-press-topdown button-press-topdown-wall button-press "
        "button-press-wall coffee-button coffee-pull coffee-push dial-turn disassemble door-close door-lock door-open "
        "door-unlock drawer-close drawer-open faucet-close faucet-open hammer hand-insert handle-press-side handle-press "
        "handle-pull-side handle-pull lever-pull peg-insert-side peg-unplug-side pick-out-of-hole pick-place-wall "
        "pick-place plate-slide-back-side plate-slide-back plate-slide-side plate-slide push-back push-wall push "
        "reach-wall reach shelf-place soccer stick-pull stick-push sweep-into sweep window-close window-open"
    ).split()
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
