"""Small policies and their bundles."""

from pathlib import Path

import torch

from world4rl_core.config_json import to_json
from world4rl_core.export import bundle
from world4rl_core.nets.checkpoint import save_state
from world4rl_core.policy.actor_critic import EncoderConfig, GaussianPolicy, PolicyConfig
from world4rl_core.rig import Rig


def write_policy(
    run: Path, *, data: Path | None = None, cameras: tuple[str, ...] | None = None, height: int = 16, width: int = 16,
    action_dim: int = 4, seed: int = 0,
) -> Path:  # fmt: skip
    """An untrained policy as a run folder, with the provenance that training would have given it."""
    torch.manual_seed(seed)
    shape = PolicyConfig(height=height, width=width, action_dim=action_dim, encoder=EncoderConfig((8, 8), 16))
    training = {"data": [str(data)] if data else [], "cameras": list(cameras) if cameras else None, "size": None}
    state = {
        "kind": "policy", "config": to_json(shape), "weights": GaussianPolicy(shape).state_dict(),
        "provenance": {"data": "feed", "training": training},
    }  # fmt: skip
    save_state(run / "model.safetensors", state)
    return run


def export(policy: Path, out: Path, *, rig: Rig | None = None, **options) -> Path:
    return bundle.export_for(rig, bundle.Config(policy=policy, out=out, random_inputs=20, **options))
