"""Gaussian policy and value function on one camera frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from world4rl_core.config_json import from_json
from world4rl_core.errors import CheckpointError, ConfigError
from world4rl_core.nets.checkpoint import load_model_state, load_weights
from world4rl_core.nets.image import to_frames
from world4rl_core.types import Action, Frame, PerBatch


@dataclass(frozen=True)
class EncoderConfig:
    """Stride-2 convolutions and one dense layer; part of the checkpoint."""

    channels: tuple[int, ...] = (32, 32, 64, 64)
    """Channels of each stride-2 convolution."""
    hidden: int = 256
    """Width of the dense layer."""


@dataclass(frozen=True)
class PolicyConfig:
    """Architecture of policy and critic."""

    height: int = 64
    width: int = 64
    action_dim: int = 4
    encoder: EncoderConfig = EncoderConfig()

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 2 ** len(self.encoder.channels):
            raise ConfigError(
                f"frames of {self.height}×{self.width} are too small for {len(self.encoder.channels)} stride-2 layers"
            )


class Encoder(nn.Module):
    """Frame to `hidden` features."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs, height, width = 3, config.height, config.width
        for channels in config.encoder.channels:
            layers += [nn.Conv2d(inputs, channels, 3, stride=2, padding=1), nn.ReLU()]
            inputs, height, width = channels, (height + 1) // 2, (width + 1) // 2
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Linear(inputs * height * width, config.encoder.hidden)
        self.norm = nn.LayerNorm(config.encoder.hidden)

    def forward(self, frame: Frame) -> Float[Tensor, "batch feature"]:
        return F.relu(self.norm(self.dense(self.convolutions(frame).flatten(1))))


class GaussianPolicy(nn.Module):
    """π_ξ: the mean action of a frame; the deviation is one number a dimension, set by whoever explores."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.head = nn.Linear(config.encoder.hidden, config.action_dim)

    def forward(self, frame: Frame) -> Action:
        """The mean action; executed actions are clipped to [-1, 1] by the environment."""
        return self.head(self.encoder(frame))


class Critic(nn.Module):
    """V_φ of a frame and the share of the horizon that has passed."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.head = nn.Sequential(
            nn.Linear(config.encoder.hidden + 1, config.encoder.hidden), nn.ReLU(), nn.Linear(config.encoder.hidden, 1)
        )

    def forward(self, frame: Frame, progress: PerBatch) -> PerBatch:
        return self.head(torch.cat([self.encoder(frame), progress[:, None]], dim=1)).squeeze(-1)


class ImagePolicy:
    """A trained policy as simulators and robots call it: one uint8 image in, one action in [-1, 1] out.

    `std` > 0 adds exploration noise, seeded at each reset.
    """

    def __init__(self, policy: GaussianPolicy, *, std: float = 0.0) -> None:
        self.policy, self.std = policy.eval(), std
        self.action_dim = policy.config.action_dim
        self._rng = np.random.default_rng(0)

    def reset(self, *, seed: int) -> None:
        """Starts an episode; the noise of an episode depends on its seed only."""
        self._rng = np.random.default_rng(seed)

    @torch.no_grad()
    def act(self, image: UInt8[np.ndarray, "height width 3"], state: np.ndarray) -> np.ndarray:
        """The action for `image`; `state` is not used. Raises CheckpointError for another image size."""
        wanted = (self.policy.config.height, self.policy.config.width, 3)
        if image.shape != wanted:
            raise CheckpointError(
                f"policy was trained on images of {wanted}, got {image.shape}; match --size and --crop"
            )
        action = self.policy(to_frames(torch.from_numpy(np.ascontiguousarray(image))[None]))[0].numpy()
        noise = self.std * self._rng.standard_normal(self.action_dim) if self.std > 0 else 0.0
        return np.clip(action + noise, -1.0, 1.0).astype(np.float32)


def load_policy(path: Path, *, device: str | torch.device = "cpu") -> GaussianPolicy:
    """The policy of a run folder or file.

    Raises CheckpointError when it is missing, damaged or of another kind or architecture.
    """
    state = load_model_state(path, "policy", device=device)
    policy = GaussianPolicy(from_json(PolicyConfig, state["config"], where=str(path)))
    load_weights(policy, state["weights"], path=path)
    return policy.to(device).eval()


def load_image_policy(path: Path, *, std: float = 0.0) -> ImagePolicy:
    """The policy of a run folder or file, ready to act."""
    return ImagePolicy(load_policy(path), std=std)
