"""What runs a policy on the arm, and what judges policies in trials: arguments and nodes of deploy and evaluate."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from world4rl.bringup import (
    RIG_ARGUMENTS,
    Argument,
    Process,
    drift_parameters,
    node_parameters,
    number,
    rig_of,
    rig_processes,
    simulated_device,
    whole,
)
from world4rl_core.errors import ConfigError
from world4rl_core.runtime.bundle import read_manifest, refuse_other_rig
from world4rl_core.runtime.deployed import named_bundles

TRIAL_SPARE_S = 10.0
"""How much longer than a trial its recording may last, so that the trial ends it, with the verdict as its label."""
_PROVIDER = {
    "provider": Argument("what onnxruntime runs the policy on", "auto", ("auto", "cpu", "cuda", "tensorrt")),
    "allow_cpu": Argument("go on where the wanted provider falls back to the CPU", "false", ("true", "false")),
    "time_limit_s": Argument("seconds after which an episode or a trial is over", "15"),
}
DEPLOY_ARGUMENTS = {
    "bundle": Argument("folder that `world4rl export --rig RIG` wrote", ""),
    "operator": Argument(
        "whose hand is on the SpaceMouse; auto is a person on the real arm and the scripted one in simulation", "auto",
        ("auto", "spacemouse", "scripted"),
    ),
    "mode": Argument(
        "run; dry_run: everything but motion; replay: compare with a recorded episode, without arm and cameras", "run",
        ("run", "dry_run", "replay"),
    ),
    "dataset": Argument(
        "folder the episodes are added to, or the one to replay from; empty is datasets/<task>-policy", ""
    ),
    "episode": Argument("the recorded episode that mode:=replay compares with", "0"),
    "episodes": Argument("stop after this many recorded episodes; 0 goes on until interrupted", "0"),
    **_PROVIDER,
}  # fmt: skip
EVALUATE_ARGUMENTS = {
    "bundles": Argument("what is compared, as name=folder,name=folder; the first is the baseline", ""),
    "trials": Argument("trials of each bundle", "20"),
    "session": Argument("folder of the session; one that was interrupted is continued", ""),
    "success": Argument("what counts as success, in words; empty takes the simulated task's own predicate", ""),
    "judge": Argument(
        "who gives the verdict; auto is a person on the real arm and the task's predicate in simulation", "auto",
        ("auto", "operator", "predicate"),
    ),
    "operator": Argument(
        "whose hand is on the SpaceMouse; auto is a person on the real arm and nobody in simulation", "auto",
        ("auto", "spacemouse", "none"),
    ),
    "blinded": Argument("show the operator only the number of a trial", "false", ("true", "false")),
    "sequential_alpha": Argument("end early when the anytime-valid test reaches this level; 0 runs every trial", "0"),
    "tolerance_mm": Argument("how far from the start pose a trial may begin", "10"),
    "classifier": Argument("run folder of a success classifier whose opinion is kept beside each verdict", ""),
    **_PROVIDER,
}  # fmt: skip


def deploy_rig(values: Mapping[str, str]) -> dict[str, str] | None:
    """The rig's arguments for a deployment; None for a replay, which needs no rig."""
    return None if values["mode"] == "replay" else _of_rig(values)


def evaluate_rig(values: Mapping[str, str]) -> dict[str, str]:
    """The rig's arguments for trials: where nobody holds a SpaceMouse, none is waited for."""
    return _of_rig(values) | ({"needs_human": "false"} if _trial_operator(values) == "none" else {})


def deploy_processes(values: Mapping[str, str]) -> list[Process]:
    """What one policy needs in a running cell; a replay needs nothing else."""
    folder = _checked(values["bundle"], values, "bundle:=<folder>")
    policy = _policy(values, folder)
    dataset = values["dataset"] or f"datasets/{values['task']}-policy"
    if values["mode"] == "replay":
        parameters = {"replay": str(Path(dataset).resolve()), "replay_episode": whole(values, "episode")}
        return [replace(policy, parameters=policy.parameters | parameters, ends_everything_well=True)]
    operator = values["operator"].replace("auto", "scripted" if values["backend"] == "sim" else "spacemouse")
    if operator == "scripted" and values["backend"] != "sim":
        raise ConfigError("operator:=scripted needs backend:=sim; on the real arm a person holds the SpaceMouse")
    device = simulated_device() if operator == "scripted" else ""
    found = [Process("teleop", "teleop", node_parameters(values) | {"device": device})]
    if operator == "scripted":
        drives = {"device": device, "task": values["task"], "source": "policy"}
        found.append(Process("operator", "operator", node_parameters(values) | drives))
    policy = replace(policy, parameters=policy.parameters | {"dry_run": values["mode"] == "dry_run"})
    return [*found, policy, _recorder(values, dataset, episodes=whole(values, "episodes"))]


def evaluate_processes(values: Mapping[str, str]) -> list[Process]:
    """What judges policies in a running cell."""
    if not values["session"]:
        raise ConfigError(
            "session:=<folder> is missing: where the trials are kept, and continued after an interruption"
        )
    bundles = _checked(values["bundles"], values, "bundles:=<name>=<folder>,<name>=<folder>")
    is_simulated, session = values["backend"] == "sim", Path(values["session"]).resolve()
    operator = _trial_operator(values)
    judge = values["judge"].replace("auto", "predicate" if is_simulated else "operator")
    if not is_simulated and (judge == "predicate" or operator == "none"):
        raise ConfigError("judge:=predicate and operator:=none need backend:=sim; on the real arm a person is needed")
    if not is_simulated and not values["success"].strip():
        raise ConfigError("success:=<what counts as success, in words> is missing; it is fixed before the first trial")
    trial = {
        "session": str(session),
        "bundles": bundles,
        "task": values["task"],
        "success": values["success"],
        "trials": whole(values, "trials"),
        "seed": whole(values, "seed"),
        "spread_m": number(values, "spread_m"),
        "blinded": values["blinded"] == "true",
        "time_limit_s": number(values, "time_limit_s"),
        "sequential_alpha": number(values, "sequential_alpha"),
        "tolerance_mm": number(values, "tolerance_mm"),
        "simulated": is_simulated,
        "judge": judge,
        "classifier": values["classifier"],
    }
    policy = _policy(values, bundles)
    policy = replace(policy, parameters=policy.parameters | {"follows_recorder": False})
    people = [Process("teleop", "teleop", node_parameters(values) | {"device": ""})] if operator == "spacemouse" else []
    return [
        *people,
        policy,
        _recorder(values, session / "dataset", episodes=0, spare_s=TRIAL_SPARE_S),
        Process("trial", "trial", node_parameters(values) | trial, ends_everything_well=True),
    ]


def deploy(values: Mapping[str, str]) -> list[Process]:
    """All nodes of a deployment."""
    rig = deploy_rig(values)
    return [*(rig_processes(rig) if rig is not None else []), *deploy_processes(values)]


def evaluate(values: Mapping[str, str]) -> list[Process]:
    """All nodes of a trial session."""
    return [*rig_processes(evaluate_rig(values)), *evaluate_processes(values)]


def _of_rig(values: Mapping[str, str]) -> dict[str, str]:
    return {name: values[name] for name in RIG_ARGUMENTS}


def _trial_operator(values: Mapping[str, str]) -> str:
    return values["operator"].replace("auto", "none" if values["backend"] == "sim" else "spacemouse")


def _checked(text: str, values: Mapping[str, str], wanted: str) -> str:
    """The bundles with absolute paths. Raises ConfigError or BundleError before any node is started."""
    if not text.strip():
        raise ConfigError(f"{wanted} is missing; `world4rl export --policy RUN --rig RIG --out FOLDER` writes one")
    rig = rig_of(values)
    bundles = {name: folder.resolve() for name, folder in named_bundles(text).items()}
    for folder in bundles.values():
        refuse_other_rig(read_manifest(folder), rig)
    return ",".join(f"{name}={folder}" for name, folder in bundles.items())


def _policy(values: Mapping[str, str], bundles: str) -> Process:
    if number(values, "time_limit_s") <= 0:
        raise ConfigError(f"time_limit_s:={values['time_limit_s']}: wanted more than 0")
    parameters: dict[str, Any] = {
        "bundles": bundles,
        "provider": values["provider"],
        "allow_cpu": values["allow_cpu"] == "true",
        "time_limit_s": number(values, "time_limit_s"),
    }
    return Process("policy", "policy", node_parameters(values) | parameters)


def _recorder(values: Mapping[str, str], dataset: str | Path, *, episodes: int, spare_s: float = 0.0) -> Process:
    parameters = {
        "task": values["task"],
        "dataset": str(Path(dataset).resolve()),
        "episodes": episodes,
        "source": "policy",
        "seed": whole(values, "seed"),
        "longest_s": number(values, "time_limit_s") + spare_s,
        **drift_parameters(values),
    }
    return Process("recorder", "recorder", node_parameters(values) | parameters, ends_everything_well=True)
