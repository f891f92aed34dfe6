"""Residual blocks that a conditioning vector modulates (adaptive group norm), attention, resampling."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

GROUP_SIZE = 32
Features = Float[Tensor, "batch channel height width"]
Transformed = Float[Tensor, "batch new_channel new_height new_width"]
Conditioning = Float[Tensor, "batch condition"]


def group_count(channels: int) -> int:
    """The number of groups of about `GROUP_SIZE` channels that divides `channels`."""
    return next(groups for groups in range(max(1, channels // GROUP_SIZE), 0, -1) if channels % groups == 0)


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """The convolution with weight and bias at zero, so that its block starts as the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class AdaptiveGroupNorm(nn.Module):
    """Group norm whose scale and shift are linear in the conditioning vector."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.groups = group_count(channels)
        self.modulation = nn.Linear(condition, 2 * channels)

    def forward(self, x: Features, condition: Conditioning) -> Features:
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, F.group_norm(x, self.groups), 1.0 + scale)


class SelfAttention(nn.Module):
    """Multi-head attention over positions, added to its input; zero at the start."""

    def __init__(self, channels: int, *, head_size: int = 8) -> None:
        super().__init__()
        self.heads = max(1, channels // head_size)
        self.norm = nn.GroupNorm(group_count(channels), channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Features) -> Features:
        q, k, v = rearrange(
            self.qkv(self.norm(x)), "b (qkv head c) h w -> qkv b head (h w) c", qkv=3, head=self.heads
        ).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(rearrange(mixed, "b head (h w) c -> b (head c) h w", h=x.shape[2]))


class ResidualBlock(nn.Module):
    """norm, SiLU, 3×3 convolution, twice, around a shortcut; attention after it if asked for."""

    def __init__(self, inputs: int, outputs: int, condition: int, *, attention: bool) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.norm1 = AdaptiveGroupNorm(inputs, condition)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = AdaptiveGroupNorm(outputs, condition)
        self.conv2 = zeroed(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.attention = SelfAttention(outputs) if attention else nn.Identity()

    def forward(self, x: Features, condition: Conditioning) -> Transformed:
        y = self.conv1(F.silu(self.norm1(x, condition)))
        y = self.conv2(F.silu(self.norm2(y, condition)))
        return self.attention(y + self.shortcut(x))


class FourierFeatures(nn.Module):
    """Random Fourier features of a scalar; the frequencies are fixed but saved with the network."""

    frequencies: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(channels // 2))

    def forward(self, value: Float[Tensor, " batch"]) -> Float[Tensor, "batch channel"]:
        angle = 2 * torch.pi * value[:, None].float() * self.frequencies
        return torch.cat([angle.cos(), angle.sin()], dim=-1)
