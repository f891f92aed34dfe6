"""U-Net 2D whose residual blocks are modulated by a conditioning vector."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from world4rl_core.errors import ConfigError
from world4rl_core.nets.blocks import Conditioning, Features, ResidualBlock


@dataclass(frozen=True)
class UNetConfig:
    """Shape of the U-Net; level i works at 1 / 2^i of its input's resolution."""

    channels: tuple[int, ...] = (64, 64, 64, 64)
    """Channels of each level."""
    depths: tuple[int, ...] = (2, 2, 2, 2)
    """Residual blocks of each level, as many on the way down as on the way up."""
    attention: tuple[bool, ...] = (False, False, False, False)
    """Whether the blocks of a level end in self-attention."""
    middle: int = 2
    """Residual blocks at the lowest resolution, between down and up."""
    middle_attention: bool = True
    """Whether those end in self-attention."""
    condition: int = 256
    """Width of the conditioning vector."""

    def __post_init__(self) -> None:
        if not len(self.channels) == len(self.depths) == len(self.attention) > 0:
            raise ConfigError(
                "U-Net channels, depths and attention must have one entry a level, got "
                f"{len(self.channels)}, {len(self.depths)} and {len(self.attention)}"
            )

    @property
    def stride(self) -> int:
        """Heights and widths must be multiples of this."""
        return 2 ** (len(self.channels) - 1)


class UNet(nn.Module):
    """Maps features of `channels[0]` channels to as many, at the same resolution."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        width, skips = config.channels[0], []
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        for level, channels in enumerate(config.channels):
            self.shrink.append(nn.Identity() if level == 0 else nn.Conv2d(width, width, 3, stride=2, padding=1))
            blocks = nn.ModuleList()
            for _ in range(config.depths[level]):
                blocks.append(self._block(width, channels, attention=config.attention[level]))
                width = channels
                skips.append(width)
            self.down.append(blocks)
        self.middle = nn.ModuleList(
            self._block(width, width, attention=config.middle_attention) for _ in range(config.middle)
        )
        self.up = nn.ModuleList()
        for level in reversed(range(len(config.channels))):
            blocks = nn.ModuleList()
            for _ in range(config.depths[level]):
                blocks.append(
                    self._block(width + skips.pop(), config.channels[level], attention=config.attention[level])
                )
                width = config.channels[level]
            self.up.append(blocks)

    def _block(self, inputs: int, outputs: int, *, attention: bool) -> ResidualBlock:
        return ResidualBlock(inputs, outputs, self.config.condition, attention=attention)

    def forward(self, x: Features, condition: Conditioning) -> Features:
        skips = []
        for shrink, blocks in zip(self.shrink, self.down, strict=True):
            x = shrink(x)
            for block in _each(blocks):
                x = block(x, condition)
                skips.append(x)
        for block in self.middle:
            x = block(x, condition)
        for blocks in self.up:
            if x.shape[-2:] != skips[-1].shape[-2:]:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            for block in _each(blocks):
                x = block(torch.cat([x, skips.pop()], dim=1), condition)
        return x


def _each(blocks: nn.Module) -> nn.ModuleList:
    assert isinstance(blocks, nn.ModuleList)
    return blocks
