"""ResNet18 (He et al. 2016) with torchvision's parameter names: its ImageNet weights load without torchvision."""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from world4rl_core.errors import CheckpointError, ConfigError
from world4rl_core.nets.blocks import Features, Transformed

STEMS = ("imagenet", "small")


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
            if stride != 1 or inputs != outputs
            else nn.Identity()
        )

    def forward(self, x: Features) -> Transformed:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet18(nn.Module):
    """Image to `features` numbers (8 · width, 512 at the published width).

    `stem="imagenet"` shrinks by 4 before the first block, as published; `"small"` by 2, for frames below about
    96 pixels, where the published stem erases small objects.
    """

    def __init__(self, *, width: int = 64, stem: str = "imagenet") -> None:
        super().__init__()
        if stem not in STEMS:
            raise ConfigError(f"unknown ResNet stem {stem!r}; known: {', '.join(STEMS)}")
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if stem == "imagenet" else nn.Identity()
        stages, inputs = [], width
        for stage in range(4):
            outputs = width * 2**stage
            stages.append(
                nn.Sequential(
                    BasicBlock(inputs, outputs, stride=1 if stage == 0 else 2), BasicBlock(outputs, outputs, stride=1)
                )
            )
            inputs = outputs
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.features = inputs

    def forward(self, x: Features) -> torch.Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3))


def load_imagenet_weights(network: ResNet18, path: Path) -> None:
    """Fills the network from a torchvision `resnet18-*.pth` (or .safetensors) file, the classification head left out.

    Raises CheckpointError when the file is missing or holds another architecture.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; download torchvision's resnet18 weights there or leave it unset")
    try:
        weights = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:
        raise CheckpointError(f"{path}: not a readable weight file ({error})") from error
    if not isinstance(weights, dict):
        raise CheckpointError(f"{path}: holds a {type(weights).__name__}, wanted a dict of ResNet18 weights")
    weights = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: not ResNet18 weights of width {network.features // 8}: {error}") from error
