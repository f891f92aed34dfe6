"""One network, run as suits the device."""

import pytest
import torch

from world4rl_core.world_model.model import WorldModel, for_device, preset


@pytest.mark.parametrize("architecture", ["cpu", "fine", "paper"])
def test_weights_and_frames_are_the_same_however_it_runs(architecture: str) -> None:
    shape = preset(architecture, action_dim=4, height=16, width=16)
    assert for_device(shape, "cpu") == shape
    there = for_device(shape, "cuda:1")
    assert (there.denoiser.precision, there.denoiser.channels_last) == ("fp32", False)
    torch.manual_seed(0)
    trained, loaded = WorldModel(there), WorldModel(shape)
    for parameter in trained.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    loaded.load_state_dict(trained.state_dict())
    history, actions = torch.rand(3, 4 + trained.first_frame, 3, 16, 16) * 2 - 1, torch.rand(3, 4, 4) * 2 - 1
    noise = torch.randn(3, 3, 16, 16)
    one, other = (model.drawn_from(noise, history, actions) for model in (trained, loaded))
    torch.testing.assert_close(one, other, rtol=0, atol=0.05)
    assert one.std() > 0.1
