"""C_ψ of World4RL eq. 6: the probability that a frame shows success."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from world4rl_core.config_json import from_json
from world4rl_core.nets.checkpoint import load_model_state, load_weights
from world4rl_core.nets.resnet import ResNet18, load_imagenet_weights
from world4rl_core.reward.decision import Decision
from world4rl_core.types import Frame, PerBatch

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ClassifierConfig:
    """Architecture of the success classifier; part of the checkpoint."""

    width: int = 64
    """Channels of the first stage; 64 is the published ResNet18."""
    stem: Literal["imagenet", "small"] = "imagenet"
    """`small` keeps twice the resolution, for small frames."""
    dropout: float = 0.0
    """Share of features dropped before the last layer in training."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the convolutions."""


class SuccessClassifier(nn.Module):
    """Logit of success a frame; `Decision` turns probabilities into the 0/1 reward."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: ClassifierConfig, *, imagenet_weights: Path | None = None) -> None:
        super().__init__()
        self.config = config
        self.backbone = ResNet18(width=config.width, stem=config.stem)
        self.pretrained = imagenet_weights is not None
        if imagenet_weights is not None:
            load_imagenet_weights(self.backbone, imagenet_weights)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(self.backbone.features, 1)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None])
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, frame: Frame) -> PerBatch:
        x = ((frame + 1.0) * 0.5 - self.mean) / self.std
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bf16"):
            features = self.backbone(x)
        return self.head(self.dropout(features.float())).squeeze(-1)


def cached_imagenet_weights(config: ClassifierConfig) -> Path | None:
    """torchvision's resnet18 weights in torch hub's cache, where they are there and of this architecture."""
    if (config.stem, config.width) != ("imagenet", 64):
        return None
    return next(iter(sorted((Path(torch.hub.get_dir()) / "checkpoints").glob("resnet18-*.pth"))), None)


def load_reward(path: Path, *, device: str | torch.device = "cpu") -> tuple[SuccessClassifier, Decision]:
    """The frozen classifier of a run folder or file and how its probabilities become a reward.

    Raises CheckpointError when it is missing, damaged or of another kind or architecture.
    """
    state = load_model_state(path, "reward", device=device)
    classifier = SuccessClassifier(from_json(ClassifierConfig, state["config"], where=str(path)))
    load_weights(classifier, state["weights"], path=path)
    decision = from_json(Decision, state["decision"], where=str(path))
    return classifier.to(device).eval().requires_grad_(False), decision
