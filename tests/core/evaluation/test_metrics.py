"""Image errors against their definitions, and LPIPS against torchmetrics' own network."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchmetrics.functional.image import lpips as reference

from world4rl_core.errors import CheckpointError, DataError
from world4rl_core.evaluation import metrics
from world4rl_core.evaluation.lpips import Lpips, alexnet_features
from world4rl_core.nets.image import to_frames


def noise(*, frames: int = 3, size: int = 24, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, size, size, 3), dtype=torch.uint8, generator=generator)


def photo_like(*, frames: int = 3, size: int = 32) -> torch.Tensor:
    ramp = torch.linspace(20, 200, size)
    image = torch.stack((ramp.expand(size, size), ramp.expand(size, size).T, torch.full((size, size), 90.0)), dim=-1)
    image[8:16, 10:20] = torch.tensor([220.0, 40.0, 30.0])
    return image.to(torch.uint8).expand(frames, size, size, 3).clone()


def test_psnr_is_its_definition_frame_by_frame() -> None:
    real, imagined = noise(), noise(seed=1)
    for frame, value in enumerate(metrics.psnr(real, imagined)):
        squared = ((real[frame].double() - imagined[frame].double()) ** 2).mean()
        assert value.item() == pytest.approx(10 * math.log10(255**2 / squared), abs=1e-3)


def test_identical_frames_score_the_best_value_of_every_metric() -> None:
    real = photo_like()
    assert metrics.psnr(real, real).tolist() == pytest.approx([metrics.PSNR_LIMIT_DB] * 3)
    assert metrics.ssim(real, real).tolist() == pytest.approx([1.0] * 3, abs=1e-5)
    assert metrics.gradient_distance(real, real).tolist() == [0.0] * 3


@pytest.mark.parametrize("metric", metrics.frame_metrics(), ids=lambda metric: metric.name)
def test_more_noise_is_worse_under_every_metric(metric: metrics.Metric) -> None:
    real = photo_like()
    values = []
    for strength in (4, 16, 64):
        shift = (noise(size=32).float() / 255 - 0.5) * strength
        values.append(metric.compute(real, (real + shift).clamp(0, 255).to(torch.uint8)).mean().item())
    assert values == sorted(values, reverse=metric.higher_is_better)


def test_gradient_distance_sees_a_moved_object_and_stays_within_one() -> None:
    real = photo_like()
    moved = real.roll(6, dims=2)
    assert 0.05 < metrics.gradient_distance(real, moved).mean() <= 1.0
    assert metrics.gradient_distance(torch.zeros_like(real), real).mean() == pytest.approx(1.0, abs=1e-4)


def test_frames_too_small_for_a_metric_are_refused() -> None:
    with pytest.raises(DataError, match="at least 11x11"):
        metrics.ssim(noise(size=8), noise(size=8))


@pytest.fixture
def alexnet_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    state = {f"features.{name}": value for name, value in alexnet_features().state_dict().items()}
    path = tmp_path / "alexnet.pth"
    torch.save(state | {"classifier.1.weight": torch.zeros(4, 4)}, path)
    return path


def test_lpips_agrees_with_torchmetrics_on_the_same_weights(
    alexnet_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Lpips.load(alexnet_file)
    monkeypatch.setattr(reference, "_get_tv_model_features", lambda net, pretrained: network.features)
    theirs = reference._LPIPS(net="alex", pnet_rand=True)
    one, two = (to_frames(noise(size=64, seed=seed)) for seed in (0, 1))
    torch.testing.assert_close(network(one, two), theirs(one, two).reshape(-1), rtol=1e-4, atol=1e-7)  # pyright: ignore
    assert network(one, one).tolist() == [0.0] * 3


def test_lpips_reads_safetensors_and_small_frames(alexnet_file: Path, tmp_path: Path) -> None:
    same = tmp_path / "alexnet.safetensors"
    save_file(torch.load(alexnet_file, weights_only=True), same)
    perceptual = metrics.frame_metrics(same)[2]
    assert perceptual.name == "LPIPS (AlexNet)"
    assert perceptual.compute(noise(size=16), noise(size=16, seed=1)).min() > 0
    assert metrics.frame_metrics(None)[2].name == "gradient distance"


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x80\x02]q\x00.", b"PK\x03\x04broken"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_malformed_weight_file_is_named_with_the_remedy(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"alexnet{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"alexnet\.(pth|safetensors): .*alexnet-owt-7be5be79"):
        Lpips.load(path)


def test_missing_or_foreign_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file; LPIPS needs"):
        metrics.frame_metrics(tmp_path / "absent.pth")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "resnet.pth")
    with pytest.raises(CheckpointError, match="not torchvision's AlexNet"):
        Lpips.load(tmp_path / "resnet.pth")
