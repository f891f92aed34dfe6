"""Where tensors live, by name."""

import torch

from world4rl_core.errors import ConfigError


def device_of(name: str, *, local: int = 0) -> torch.device:
    """The device of that name; `auto` is CUDA where there is one, and `local` then says which of several.

    Raises ConfigError for an unknown name and for a CUDA device that is not there.
    """
    if name == "auto":
        return torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {name!r}; use auto, cpu, cuda or cuda:1") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name} was asked for, but torch sees {torch.cuda.device_count()} of them; use cpu")
    return device
