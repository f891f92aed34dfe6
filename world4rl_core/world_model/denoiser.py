"""The denoising network: noisy next frame, history and actions in; clean next frame out."""

from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from world4rl_core.errors import ConfigError
from world4rl_core.nets.action_encoding import EncodingName, make_encoding
from world4rl_core.nets.blocks import Conditioning, Features, FourierFeatures, Transformed, group_count, zeroed
from world4rl_core.nets.unet import UNet, UNetConfig
from world4rl_core.types import Actions, Frame, History, PerBatch
from world4rl_core.world_model.edm import NoiseConfig, precondition


@dataclass(frozen=True)
class DenoiserConfig:
    """Architecture of the transition model; part of the checkpoint."""

    action_dim: int = 4
    """Numbers in an action."""
    history: int = 4
    """Frames, each with the action taken at it, that condition the next frame (T in the paper)."""
    first_frame: bool = False
    """The episode's first frame conditions the next one too, as a memory of what the arm hides longer than T frames."""
    encoding: EncodingName = "two-hot"
    """How actions enter."""
    bins: int = 21
    """Bins a dimension for two-hot and one-hot (K in the paper)."""
    unshuffle: int = 1
    """Folds squares of this many pixels into channels around the U-Net; the main lever for speed."""
    unet: UNetConfig = field(default_factory=UNetConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    residual: bool = False
    """Predict the change from the newest frame instead of the frame, so that what stands still stays sharp."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the convolutions; weights stay fp32 in training."""
    channels_last: bool = True
    """Memory layout of images."""

    def __post_init__(self) -> None:
        if min(self.history, self.action_dim, self.unshuffle) < 1:
            raise ConfigError(
                "history, action_dim and unshuffle must be at least 1, "
                f"got {self.history}, {self.action_dim} and {self.unshuffle}"
            )
        if self.bins < 2:
            raise ConfigError(f"two-hot and one-hot actions need at least 2 bins, got {self.bins}")
        if self.unet.condition < self.history:
            raise ConfigError(f"unet.condition {self.unet.condition} must be at least the history {self.history}")


@dataclass(frozen=True)
class Context:
    """What does not change while one frame is denoised."""

    past: Transformed
    condition: Conditioning
    newest: Frame


class Denoiser(nn.Module):
    """D_θ of World4RL eq. 4: EDM preconditioning around a U-Net."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        width, channels, fold = config.unet.condition, config.unet.channels[0], 3 * config.unshuffle**2
        per_step = width // config.history
        self.encoding = make_encoding(config.encoding, config.action_dim, bins=config.bins)
        self.action_table = nn.Linear(self.encoding.features, per_step, bias=False)
        self.action_mix = nn.Linear(config.history * per_step, width)
        self.noise_features = FourierFeatures(width)
        self.history_noise_features = FourierFeatures(width)
        self.condition = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.past_stem = nn.Conv2d((config.first_frame + config.history) * fold, channels, 3, padding=1)
        self.noisy_stem = nn.Conv2d(fold, channels, 3, padding=1)
        self.unet = UNet(config.unet)
        self.norm_out = nn.GroupNorm(group_count(channels), channels)
        gates = config.unshuffle**2 if config.residual else 0
        self.conv_out = zeroed(nn.Conv2d(channels, fold + gates, 3, padding=1))
        if config.channels_last:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def context(
        self, history: History, actions: Actions, history_sigma: PerBatch, newest: Frame | None = None
    ) -> Context:
        """Everything that depends on history and actions; `history_sigma` is the noise that lies on the history.

        With `first_frame` the history begins with the episode's first frame, which has no action.
        `newest` is the last frame of the history without that noise (default: the last frame as it is).
        """
        encoded = self.encoding(actions)
        condition = self.action_mix(rearrange(self.action_table(encoded), "b t f -> b (t f)"))
        condition = condition + self.history_noise_features(torch.log1p(10.0 * history_sigma))
        past = self._fold(rearrange(history, "b t c h w -> b (t c) h w"))
        with self._autocast(past.device):
            return Context(
                past=self.past_stem(past / self.config.noise.sigma_data),
                condition=condition,
                newest=history[:, -1] if newest is None else newest,
            )

    def network(self, scaled: Frame, c_noise: PerBatch, context: Context) -> Frame:
        """F_θ; `scaled` is c_in · noisy."""
        height, width = scaled.shape[-2:]
        with self._autocast(scaled.device):
            condition = self.condition(context.condition + self.noise_features(c_noise))
            x = self.unet(context.past + self.noisy_stem(self._fold(scaled)), condition)
            x = self.conv_out(F.silu(self.norm_out(x)))
        fold = self.config.unshuffle  # as pixel_shuffle, which is slow for this layout
        x = rearrange(x, "b (c p q) h w -> b c (h p) (w q)", p=fold, q=fold).float()[..., :height, :width]
        return x[:, :3] * torch.sigmoid(x[:, 3:]) if self.config.residual else x

    def denoise(self, noisy: Frame, sigma: PerBatch, context: Context) -> Frame:
        """The expected clean frame (World4RL eq. 2); `sigma` excludes the offset noise.

        With `residual`, what c_skip leaves of the signal is taken from the newest frame, and F adds the change, behind
        a gate for each pixel: where nothing moves the gate closes and no error can accumulate.
        """
        c = precondition(sigma, self.config.noise)
        f = self.network(per_row(c.c_in) * noisy, c.c_noise, context)
        clean = per_row(c.c_skip) * noisy + per_row(c.c_out) * f
        return clean + per_row(1.0 - c.c_skip) * context.newest if self.config.residual else clean

    def forward(
        self,
        noisy: Frame,
        sigma: PerBatch,
        history: History,
        actions: Actions,
        history_sigma: PerBatch,
        newest: Frame | None = None,
    ) -> Frame:
        """The expected clean frame given history and actions (World4RL eq. 4)."""
        return self.denoise(noisy, sigma, self.context(history, actions, history_sigma, newest))

    def _fold(self, x: Features) -> Transformed:
        fold = self.config.unshuffle
        stride = fold * self.config.unet.stride
        if self.config.precision == "bf16":  # the convolution after it would do the same with more memory moved
            x = x.bfloat16()
        right, below = -x.shape[-1] % stride, -x.shape[-2] % stride
        if right or below:
            x = F.pad(x, (0, right, 0, below), mode="replicate")
        if self.config.channels_last:  # pixel_unshuffle and the change of layout in one pass over memory
            x = rearrange(x, "b c (h p) (w q) -> b h w (c p q)", p=fold, q=fold).contiguous()
            return rearrange(x, "b h w c -> b c h w")
        return F.pixel_unshuffle(x, fold)

    def _autocast(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bf16")


def per_row(coefficient: PerBatch) -> Float[Tensor, "batch 1 1 1"]:
    """A number a row, shaped to multiply images."""
    return coefficient[:, None, None, None]
