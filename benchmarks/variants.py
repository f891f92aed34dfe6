"""The same network as this project runs it and as DIAMOND runs it."""

import dataclasses

import torch

from world4rl_core.world_model.model import WorldModel, for_device, preset


def as_here(architecture: str, *, size: int, device: str) -> WorldModel:
    """The preset as this project runs it there."""
    torch.manual_seed(0)
    return WorldModel(for_device(preset(architecture, action_dim=4, height=size, width=size), device)).to(device)


def as_on_cpu(architecture: str, *, size: int, device: str) -> WorldModel:
    """The preset in bf16 and channels_last wherever it runs."""
    torch.manual_seed(0)
    return WorldModel(preset(architecture, action_dim=4, height=size, width=size)).to(device)


def as_diamond(architecture: str, *, size: int, device: str) -> WorldModel:
    """The same network in fp32 and NCHW."""
    shape = preset(architecture, action_dim=4, height=size, width=size)
    denoiser = dataclasses.replace(shape.denoiser, precision="fp32", channels_last=False)
    torch.manual_seed(0)
    return WorldModel(dataclasses.replace(shape, denoiser=denoiser)).to(device)
