"""LPIPS on AlexNet (Zhang et al. 2018, version 0.1), with the trunk defined here so that torchvision is not needed.

The trunk's ImageNet weights are a file the user supplies; the five linear heads come with torchmetrics.
"""

import pickle
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from world4rl_core.errors import CheckpointError
from world4rl_core.types import Frame, PerBatch

WEIGHTS_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
SMALLEST = 64  # smaller frames are enlarged: AlexNet's strides leave nothing of them
WIDTHS = (64, 192, 384, 256, 256)
UNREADABLE = (SafetensorError, OSError, RuntimeError, ValueError, EOFError, LookupError, pickle.UnpicklingError)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


def alexnet_features() -> nn.Sequential:
    """The convolutions of AlexNet ("one weird trick" version), numbered as in torchvision's checkpoint."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )


class Lpips(nn.Module):
    """Learned perceptual distance of two frames in [-1, 1]: 0 for identical frames, no upper bound."""

    shift: Tensor
    scale: Tensor

    def __init__(self, features: nn.Sequential, heads: list[Tensor]) -> None:
        super().__init__()
        self.features = features.eval().requires_grad_(False)
        self.heads = nn.ParameterList(nn.Parameter(head, requires_grad=False) for head in heads)
        self.register_buffer("shift", torch.tensor(SHIFT).reshape(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).reshape(1, 3, 1, 1))

    @classmethod
    def load(cls, weights: Path) -> "Lpips":
        """Read torchvision's AlexNet checkpoint (`.pth` or `.safetensors`); raises CheckpointError with the remedy."""
        state = _read(weights)
        trunk = {name.removeprefix("features."): value for name, value in state.items() if name.startswith("features.")}
        features = alexnet_features()
        try:
            features.load_state_dict(trunk)
        except RuntimeError as error:
            raise CheckpointError(
                f"{weights}: not torchvision's AlexNet: {str(error).splitlines()[-1].strip()}; expected {WEIGHTS_URL}"
            ) from error
        heads = resources.files("torchmetrics") / "functional" / "image" / "lpips_models" / "alex.pth"
        with resources.as_file(heads) as path:
            linear = _read(path)
        return cls(features, [linear[f"lin{layer}.model.1.weight"] for layer in range(len(WIDTHS))])

    @torch.no_grad()
    def forward(self, real: Frame, imagined: Frame) -> PerBatch:
        total = torch.zeros(len(real), device=real.device)
        for head, one, two in zip(self.heads, self._layers(real), self._layers(imagined), strict=True):
            total = total + F.conv2d((one - two) ** 2, head).mean(dim=(1, 2, 3))
        return total

    def _layers(self, frames: Frame) -> list[Tensor]:
        """Unit-length features after each of the five ReLUs."""
        if min(frames.shape[-2:]) < SMALLEST:
            factor = SMALLEST / min(frames.shape[-2:])
            frames = F.interpolate(frames, scale_factor=factor, mode="bilinear", align_corners=False)
        out, value = [], (frames - self.shift) / self.scale
        for layer in self.features:
            value = layer(value)
            if isinstance(layer, nn.ReLU):
                out.append(value / (value.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10))
        return out


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; LPIPS needs AlexNet's ImageNet weights, download {WEIGHTS_URL}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: not a readable weight file ({reason}); download {WEIGHTS_URL} again") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(
            f"{path}: holds {type(state).__name__}, wanted a state dict of tensors; see {WEIGHTS_URL}"
        )
    return state
