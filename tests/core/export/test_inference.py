"""The policy on the robot: every answer is checked, and the provider is the one that was asked for."""

import hashlib
import io
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from world4rl_core.errors import BundleError, ConfigError
from world4rl_core.export import check
from world4rl_core.files import sha256_of
from world4rl_core.rig import Rig
from world4rl_core.runtime import inference
from world4rl_core.runtime.bundle import MANIFEST, MODEL
from world4rl_core.runtime.inference import BundlePolicy, InferenceFault, SessionConfig


@pytest.fixture(scope="module")
def policy(folder: Path) -> BundlePolicy:
    return BundlePolicy.open(folder)


def pictures(policy: BundlePolicy, level: int = 7) -> dict[str, np.ndarray]:
    return {c.name: np.full((c.height, c.width, 3), level, np.uint8) for c in policy.manifest.facts.cameras}


def poisoned(folder: Path, out: Path, value: float) -> Path:
    """The same bundle, hashes included, whose network has one weight of `value`."""
    shutil.copytree(folder, out)
    model = onnx.load(str(out / MODEL))
    for weight in model.graph.initializer:
        if weight.name.endswith("head.bias"):
            changed = numpy_helper.to_array(weight).copy()
            changed[0] = value
            weight.CopyFrom(numpy_helper.from_array(changed, weight.name))
    onnx.save(model, str(out / MODEL))
    content = json.loads((out / MANIFEST).read_text())
    content["files"][MODEL] = sha256_of(out / MODEL)
    (out / MANIFEST).write_text(json.dumps(content))
    return out


def test_answers_depend_on_their_own_pictures_only(policy: BundlePolicy) -> None:
    dark, bright = policy.act(pictures(policy, 0)), policy.act(pictures(policy, 255))
    assert not np.array_equal(dark, bright)
    np.testing.assert_array_equal(policy.act(pictures(policy, 0)), dark)
    assert dark.dtype == np.float32 and dark.shape == (7,) and np.abs(dark).max() <= 1


def test_pictures_that_are_no_c_array_are_read_as_what_they_show(policy: BundlePolicy) -> None:
    whole = {name: np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
             for name, image in pictures(policy).items()}  # fmt: skip
    strided = {name: np.asfortranarray(image) for name, image in whole.items()}
    np.testing.assert_array_equal(policy.act(strided), policy.act(whole))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images: images.pop("wrist"), "needs cameras external, wrist; got external"),
        (lambda images: images.update(third=images["wrist"]), "needs cameras external, wrist; got external, wrist"),
        (
            lambda images: images.update(wrist=images["wrist"][:-1]),
            r"wrist: wanted uint8 \(40, 50, 3\), got uint8 \(39",
        ),
        (lambda images: images.update(wrist=images["wrist"] / 255.0), "wrist: wanted uint8 .* got float64"),
        (lambda images: images.update(wrist=images["wrist"].astype(np.int8)), "got int8"),
    ],
)
def test_other_pictures_are_a_fault(policy: BundlePolicy, change, message: str) -> None:
    images = pictures(policy)
    change(images)
    with pytest.raises(InferenceFault, match=message):
        policy.act(images)
    assert np.isfinite(policy.act(pictures(policy))).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_without_a_finite_answer_is_a_fault(folder: Path, tmp_path: Path, value: float) -> None:
    broken = BundlePolicy.open(poisoned(folder, tmp_path / "broken", value))
    with pytest.raises(InferenceFault, match="wanted finite numbers"):
        broken.act(pictures(broken))
    with pytest.raises(BundleError, match="golden vector 0: the policy answered"):
        check.check(tmp_path / "broken", runs=5)


def test_a_silent_fall_back_to_the_cpu_is_an_error_unless_allowed(folder: Path) -> None:
    with pytest.raises(BundleError, match="CUDAExecutionProvider was asked for, but onnxruntime silently fell back"):
        BundlePolicy.open(folder, SessionConfig(provider="cuda"))
    allowed = BundlePolicy.open(folder, SessionConfig(provider="cuda", allow_cpu=True))
    assert allowed.provider == "CPUExecutionProvider"
    with pytest.raises(BundleError, match="unknown provider 'npu'; known: auto, cpu, cuda"):
        BundlePolicy.open(folder, SessionConfig(provider="npu"))


def test_a_gpu_that_is_left_unused_is_told(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(inference, "GPU_DEVICE", tmp_path)
    with caplog.at_level(logging.WARNING):
        assert inference.chosen_provider("cpu") == "CPUExecutionProvider" and not caplog.text
        assert inference.chosen_provider("auto") == "CPUExecutionProvider"
    assert "install onnxruntime-gpu in its place" in caplog.text


def test_check_tells_latency_provider_and_fit(folder: Path, monkeypatch, rig: Rig) -> None:
    monkeypatch.setattr(check, "load_rig", lambda name: rig)
    told = check.check(folder, rig="twin", runs=50, budget_ms=1000.0)
    assert "golden    largest difference" in told
    assert "over 50 runs (budget 1000.00 ms)" in told
    assert "provider  CPUExecutionProvider" in told
    assert told.endswith("ready")


def with_golden(folder: Path, copy: Path, payload: bytes) -> Path:
    """The bundle with other golden vectors that its manifest knows of."""
    shutil.copytree(folder, copy)
    (copy / "golden.npz").write_bytes(payload)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["golden.npz"] = hashlib.sha256(payload).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def no_answers() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, external=np.zeros((1, 8, 8, 3), np.uint8))
    return buffer.getvalue()


@pytest.mark.parametrize("payload", [b"junk", b"", no_answers()])
def test_golden_vectors_that_are_none_are_refused(folder: Path, tmp_path: Path, payload: bytes) -> None:
    with pytest.raises(BundleError, match=r"golden.npz: not golden vectors .* export the policy again"):
        check.check(with_golden(folder, tmp_path / "copy", payload), runs=5)


def test_a_manifest_cannot_allow_more_than_the_limit(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["parity"]["tolerance"] = 10.0
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert "(allowed 1e-04)" in check.check(copy, runs=5, budget_ms=1e6)


@pytest.mark.parametrize("budget_ms", [float("nan"), 0.0, -1.0])
def test_a_budget_is_a_time(folder: Path, budget_ms: float) -> None:
    with pytest.raises(ConfigError, match="budget-ms must be more than 0"):
        check.check(folder, runs=5, budget_ms=budget_ms)


def test_check_holds_the_budget_and_lists_every_problem(folder: Path, monkeypatch) -> None:
    import dataclasses

    from world4rl_core.rig import load_rig

    monkeypatch.setattr(check, "load_rig", lambda name: dataclasses.replace(load_rig("twin"), name="other"))
    with pytest.raises(BundleError) as refused:
        check.check(folder, rig="other", runs=20, budget_ms=1e-6)
    assert "p99 latency is" in str(refused.value)
    assert "rig is twin in the bundle, other in the rig" in str(refused.value)
