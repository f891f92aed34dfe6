"""`world4rl evaluate twin`: policies on the digital twin, in lock step, each from the same initial states."""

from dataclasses import dataclass
from pathlib import Path

from world4rl_core.data.reader import DatasetReader
from world4rl_core.errors import ConfigError
from world4rl_core.evaluation import real
from world4rl_core.nets.checkpoint import load_model_state
from world4rl_core.sim.twin.env import DEFAULT_SPREAD_M, TwinConfig


@dataclass(frozen=True, kw_only=True)
class Config(real.Options):
    """Options of `world4rl evaluate twin`. What is not given is as in the data the first policy learned from."""

    task: str | None = None
    """A task of the twin."""
    rig: str | None = None
    """Name or path of the rig file."""
    spread_m: float | None = None
    """Objects move by up to this much in x and y at each reset; 0 is the fixed scene."""
    horizon: int | None = None
    """Control steps of an episode."""


def run(config: Config) -> str:
    """Evaluate, write `config.out`/evaluation.json and answer with a table."""
    return real.table(real.measure(config, simulator_of(config)))


def simulator_of(config: Config) -> TwinConfig:
    """The environment: what the options say, else what the first policy's training data was recorded in.

    Pictures are drawn as they were recorded, then put side by side and resized as the policy's training did.
    """
    recorded = real.recorded_in(config.policy[0])
    cameras, size = policy_view(config.policy[0])
    asked = {name: getattr(config, name) for name in ("task", "rig", "spread_m", "horizon")}
    merged = {name: value if value is not None else recorded.get(name) for name, value in asked.items()}
    if merged["task"] is None:
        raise ConfigError(f"{config.policy[0]} does not say in which task its data was recorded; pass --task")
    return TwinConfig(
        task=merged["task"],
        rig=merged["rig"] or "twin",
        cameras=cameras,
        size=recorded.get("size"),
        spread_m=DEFAULT_SPREAD_M if merged["spread_m"] is None else merged["spread_m"],
        horizon=merged["horizon"],
        seen_cameras=cameras,
        seen_size=size,
    ).resolved()


def policy_view(policy: Path) -> tuple[tuple[str, ...], tuple[int, int] | None]:
    """The cameras a policy was trained on, in their order, and the (h, w) of each; () and None when unknown.

    Raises CheckpointError for a policy that cannot be read.
    """
    training = load_model_state(policy, "policy").get("provenance", {}).get("training", {})
    cameras, size = training.get("cameras"), training.get("size")
    if cameras is None:
        readable = [Path(root) for root in training.get("data", []) if (Path(root) / "meta" / "info.json").is_file()]
        cameras = DatasetReader(readable[0]).cameras if readable else []
    return tuple(cameras), None if size is None else (int(size[0]), int(size[1]))
