"""Where tensors live, by name."""

import torch

from world4rl_core.errors import ConfigError


def device_of(name: str, *, local: int = 0) -> torch.device:
    """The device of that name; `auto` is CUDA where there is one, and `local` then says which of several.

    Raises ConfigError for an unknown name and for a CUDA device that is not there.
    """
    if name == "auto" and not torch.cuda.is_available():
        return torch.device("cpu")
    if name == "auto" and local >= (there := torch.cuda.device_count()):
        raise ConfigError(
            f"process {local + 1} on this machine finds no GPU of its own, torch sees {there}; "
            f"start {there} (torchrun --nproc-per-node={there}), or pass --device cpu"
        )
    if name == "auto":
        return torch.device("cuda", local)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {name!r}; use auto, cpu, cuda or cuda:1") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name} was asked for, but torch sees {torch.cuda.device_count()} of them; use cpu")
    return device
