"""Policies that see nothing and move along one line, exported for a rig: what they do in the simulation is known."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "core" / "export"))
from bundles import export, write_policy

from world4rl_core.nets.checkpoint import load_model_state, model_file, save_state
from world4rl_core.rig import load_rig

TO_BUTTON = (0.12, 0.0, -0.35, 0.0, 0.0, 0.0, -1.0)
"""From the twin's start pose onto the button of the fixed scene, pressed after about two seconds; the fingers, which
close on the way, need the time."""
UP = (0.0, 0.0, 0.4, 0.0, 0.0, 0.0, -1.0)
ALONG_Y = (0.0, 0.2, 0.0, 0.0, 0.0, 0.0, 1.0)


def line_bundle(folder: Path, rig_file: Path, action: tuple[float, ...]) -> Path:
    """A bundle whose policy answers with `action` to every picture of the external camera."""
    run = write_policy(folder / "run", cameras=("external",), height=16, width=16, action_dim=7)
    state = load_model_state(model_file(run), "policy")
    for name, weight in state["weights"].items():
        if name.startswith("head."):
            weight.copy_(torch.tensor(action) if name.endswith("bias") else torch.zeros_like(weight))
    save_state(run / "model.safetensors", state)
    return export(run, folder / "bundle", rig=load_rig(rig_file))
