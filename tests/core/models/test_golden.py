"""Small seeded arrays that may only change on purpose (`make golden` rewrites them)."""

from collections.abc import Callable

import torch

from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.nets.unet import UNetConfig
from world4rl_core.world_model.denoiser import Denoiser, DenoiserConfig
from world4rl_core.world_model.loss import LossConfig, draw, unrolled_loss


def test_the_loss_of_a_seeded_denoiser_over_three_steps(golden: Callable[..., None]) -> None:
    torch.manual_seed(0)
    unet = UNetConfig(channels=(8, 8), depths=(1, 1), attention=(False, False), middle=1, condition=16)
    denoiser = Denoiser(DenoiserConfig(unet=unet, unshuffle=2, residual=True, channels_last=False))
    frames, actions = torch.rand(2, 6, 3, 8, 8) * 2 - 1, torch.rand(2, 5, 4) * 2 - 1
    optimiser = torch.optim.SGD(denoiser.parameters(), lr=0.1)
    losses = []
    for step in range(3):
        draws = draw(frames, denoiser.config.noise, LossConfig(unroll=2), random=RandomRows(0, step))
        loss = unrolled_loss(denoiser, frames, actions, draws, LossConfig(unroll=2)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    golden("denoiser_loss", losses=torch.stack(losses).numpy())
