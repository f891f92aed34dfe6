"""Every option of the world model's training reaches the network that is saved."""

from pathlib import Path

import pytest
from tiny_runs import world_model_config

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import ConfigError
from world4rl_core.nets.checkpoint import load_model_state
from world4rl_core.train import world_model
from world4rl_core.world_model.model import load_world_model, preset

ASKED = {
    "history": 2, "first_frame": True, "bins": 11, "solver": "heun", "churn": 0.5, "offset_noise": 0.2,
    "noise_schedule": "uniform",
    "denoising_steps": 2,
}  # fmt: skip


def test_every_option_reaches_the_checkpoint(dataset: Path, tmp_path: Path) -> None:
    out = world_model.run(world_model_config(dataset, tmp_path / "wm", steps=1, **ASKED))
    found = load_model_state(out, "world-model")["config"]
    denoiser, sampler = found["denoiser"], found["sampler"]
    assert {
        "history": denoiser["history"], "first_frame": denoiser["first_frame"], "bins": denoiser["bins"],
        "solver": sampler["method"],
        "churn": sampler["churn"], "offset_noise": denoiser["noise"]["offset"],
        "noise_schedule": denoiser["noise"]["schedule"], "denoising_steps": sampler["steps"],
    } == ASKED  # fmt: skip
    assert load_world_model(out).history == 2


def test_without_options_the_architecture_is_as_it_was(dataset: Path) -> None:
    cache = FrameCache.build((dataset,))
    for name in ("cpu", "fine", "paper"):
        config = world_model_config(dataset, Path("out"), architecture=name)
        assert world_model.shape_of(config, cache) == preset(name, action_dim=4, height=16, width=16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"history": 0}, "history, action_dim and unshuffle must be at least 1, got 0"),
        ({"bins": 1}, "at least 2 bins, got 1"),
        ({"churn": -1.0}, "churn must not be negative, got -1.0"),
        ({"offset_noise": -0.1}, "offset noise must not be negative, got -0.1"),
    ],
)
def test_options_out_of_range_are_refused_before_a_folder_is_made(
    dataset: Path, tmp_path: Path, options: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        world_model.run(world_model_config(dataset, tmp_path / "wm", **options))
    assert not (tmp_path / "wm").exists()
