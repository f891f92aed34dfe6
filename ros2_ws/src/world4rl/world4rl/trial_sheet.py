"""The trial sheet from the node's parameters, and the rule by which a session may end early."""

from dataclasses import dataclass

import numpy as np

from world4rl.params import param
from world4rl_core.errors import ConfigError
from world4rl_core.evaluation.sequential import evidence
from world4rl_core.evaluation.session import pairs
from world4rl_core.geometry import quat_of_matrix
from world4rl_core.rig import Rig
from world4rl_core.robot.kinematics import forward
from world4rl_core.runtime.bundle import MODEL, read_manifest, refuse_other_rig
from world4rl_core.runtime.deployed import named_bundles
from world4rl_core.runtime.trial import Sheet, StartPose, labelled
from world4rl_core.runtime.trial_record import Recorded
from world4rl_core.sim.twin.tasks import TASKS


@dataclass(frozen=True)
class SheetConfig:
    """Parameters that make the sheet."""

    bundles: str = param("", "what is compared, as name=folder,name=folder; the first is the baseline")
    task: str = param("press_button", "what is done: a simulated task, or words")
    success: str = param("", "what counts as success, in words; empty takes the simulated task's predicate")
    trials: int = param(20, "trials of each bundle", low=1, high=1000)
    seed: int = param(0, "of the order and of the start scenes", low=0, high=2**31 - 1)
    blinded: bool = param(False, "show only the number of a trial")
    time_limit_s: float = param(15.0, "of one trial", low=0.1, high=600.0)
    tolerance_mm: float = param(10.0, "how far from the start pose a trial may begin", low=0.1, high=100.0)
    sequential_alpha: float = param(0.0, "level of the anytime-valid test; 0 runs every trial", low=0.0, high=0.5)


def sheet_of(config: SheetConfig, rig: Rig) -> Sheet:
    """What is fixed before the first trial. Raises BundleError, TrialError or ConfigError."""
    bundles = {}
    for name, folder in named_bundles(config.bundles).items():
        manifest = read_manifest(folder)
        refuse_other_rig(manifest, rig)
        bundles[name] = (str(folder), manifest.files[MODEL])
    success = config.success
    if not success and config.task in TASKS:
        success = f"the simulator says at any time of the trial: {TASKS[config.task].instruction}"
    if not success:
        raise ConfigError("success:=<what counts as success, in words> is missing; it is fixed before the first trial")
    T_base_ee = forward(np.array(rig.robot.home_q))
    position_m, quat_xyzw = T_base_ee[:3, 3].round(6), quat_of_matrix(T_base_ee[:3, :3]).round(9)
    return Sheet(
        task=config.task,
        success=success,
        bundles=labelled(bundles),
        start_pose=StartPose(tuple(position_m.tolist()), tuple(quat_xyzw.tolist()), 1e-3 * config.tolerance_mm),
        trials_each=config.trials,
        seed=config.seed,
        is_blinded=config.blinded,
        time_limit_s=config.time_limit_s,
        sequential_alpha=config.sequential_alpha or None,
    )


def stop_reason(recorded: Recorded) -> str:
    """Why the session may end now: every comparison with the baseline is decided at the sheet's level."""
    sheet = recorded.sheet
    first, *others = [bundle.label for bundle in sheet.bundles]
    if sheet.sequential_alpha is None or not others:
        return ""
    found = {label: evidence(*pairs(recorded, first, label)) for label in others}
    if not all(one.may_stop(sheet.sequential_alpha) for one in found.values()):
        return ""
    told = ", ".join(f"{label} against {first} p = {one.p_value:.4f}" for label, one in found.items())
    return f"the sequential test has reached {sheet.sequential_alpha:g}: {told}"
