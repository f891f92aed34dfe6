"""Random shifts, the one augmentation that image policies need (Kostrikov et al. 2021)."""

import torch
import torch.nn.functional as F

from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.types import Frame


def random_shift(frame: Frame, pixels: int, *, random: RandomRows) -> Frame:
    """Each frame moved by up to `pixels` in each direction, edges repeated; 0 returns it unchanged."""
    if pixels == 0:
        return frame
    batch, _, height, width = frame.shape
    padded = F.pad(frame, (pixels,) * 4, mode="replicate")
    draw = random.integers(2 * pixels + 1, (batch, 2)).T
    rows = draw[0, :, None] + torch.arange(height, device=frame.device)
    columns = draw[1, :, None] + torch.arange(width, device=frame.device)
    index = torch.arange(batch, device=frame.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
