"""What is used together must see the same pictures and act in the same dimensions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import CheckpointError


@dataclass(frozen=True)
class Part:
    """A dataset or a network as it meets the others. What is None is not known, or does not matter to it."""

    name: str
    frame: tuple[int, int] | None = None
    """Height and width, all views side by side."""
    action_dim: int | None = None
    cameras: tuple[str, ...] | None = None
    """The views of a frame, from left to right."""
    actions: str | None = None
    """`as recorded` or `rescaled`."""


def data_part(cache: FrameCache) -> Part:
    """The datasets."""
    height, width = cache.frames.shape[1:3]
    actions = _actions(cache.action_bounds is not None)
    return Part("data", (int(height), int(width)), cache.action_dim, tuple(cache.cameras), actions)


def policy_part(state: Mapping[str, Any]) -> Part:
    """A policy's checkpoint."""
    config = state["config"]
    return Part("policy", (config["height"], config["width"]), config["action_dim"], _cameras(state))


def world_model_part(state: Mapping[str, Any]) -> Part:
    """A world model's checkpoint."""
    config = state["config"]
    frame = (config["height"], config["width"])
    actions = _actions(state["provenance"]["training"].get("rescale_actions", False))
    return Part("world model", frame, config["denoiser"]["action_dim"], _cameras(state), actions)


def reward_part(state: Mapping[str, Any]) -> Part:
    """A success classifier's checkpoint; it takes frames of any size."""
    return Part("classifier", cameras=_cameras(state))


def refuse_mismatch(*parts: Part) -> None:
    """Raises CheckpointError, naming what differs and where, unless all parts fit together."""
    for name, advice in (
        ("frame", "train all on the same --size and --cameras"),
        ("action_dim", "train all on datasets of the same robot"),
        ("cameras", "train all on the same --cameras"),
        ("actions", "pass --rescale-actions always or never; policies are only cloned and refined as recorded"),
    ):
        told = {part.name: getattr(part, name) for part in parts if getattr(part, name) is not None}
        if len(set(told.values())) > 1:
            what = {"frame": "frame sizes", "action_dim": "action dimensions"}.get(name, name)
            raise CheckpointError(f"{what} differ: {', '.join(f'{k} {_said(v)}' for k, v in told.items())}; {advice}")


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return ("+" if isinstance(value[0], str) else "x").join(map(str, value))
    return str(value)


def _actions(rescaled: bool) -> str:
    return "rescaled" if rescaled else "as recorded"


def _cameras(state: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Checkpoints written before cameras were recorded do not tell."""
    found = state.get("provenance", {}).get("cameras")
    return None if found is None else tuple(found)
