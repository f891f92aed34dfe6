"""Random numbers that do not depend on how many processes share a batch."""

from collections.abc import Sequence

import torch
from torch import Tensor


class RandomRows:
    """Draws for the whole global batch from one seed and hands out this process's rows.

    Two processes with half the batch each therefore see together what one process sees alone, and a step's numbers
    depend on (seed, step) only, so a resumed run repeats what an uninterrupted one would have done.
    """

    def __init__(
        self, seed: int, step: int = 0, *, rank: int = 0, world_size: int = 1, device: torch.device | str = "cpu"
    ) -> None:
        self.rank, self.world_size, self.device = rank, world_size, torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(mixed_seed(seed, step))

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers; the first dimension is this process's share of the batch."""
        return self._mine(torch.randn(self._whole(shape), generator=self.generator, device=self.device))

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Numbers in [0, 1)."""
        return self._mine(torch.rand(self._whole(shape), generator=self.generator, device=self.device))

    def integers(self, high: int, shape: Sequence[int]) -> Tensor:
        """int64 numbers in [0, high)."""
        return self._mine(torch.randint(0, high, self._whole(shape), generator=self.generator, device=self.device))

    def _whole(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (shape[0] * self.world_size, *shape[1:])

    def _mine(self, drawn: Tensor) -> Tensor:
        rows = len(drawn) // self.world_size
        return drawn[self.rank * rows : (self.rank + 1) * rows]


def mixed_seed(*numbers: int) -> int:
    """One 63-bit seed from several numbers (splitmix64), so that neighbouring numbers give unrelated streams."""
    state, mask = 0x9E3779B97F4A7C15, (1 << 64) - 1
    for number in numbers:
        state = (state ^ (number & mask)) * 0xBF58476D1CE4E5B9 & mask
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & mask
        state ^= state >> 31
    return state >> 1
