"""The exported policy answers as the original does, wherever the crop, the resize and the cameras come from."""

import numpy as np
import onnxruntime
import pytest
import torch
from bundles import export, write_policy

from world4rl_core.config_json import to_json
from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.errors import BundleError, CheckpointError
from world4rl_core.export import bundle
from world4rl_core.export.geometry import facts_of, trained_with
from world4rl_core.pixels import crop_and_resize
from world4rl_core.policy.actor_critic import load_image_policy
from world4rl_core.runtime.bundle import GOLDEN, MANIFEST, MODEL, read_manifest
from world4rl_core.runtime.inference import BundlePolicy


def test_a_simulators_policy_answers_as_before_on_its_recorded_frames(tmp_path) -> None:
    dataset = write_synthetic_dataset(tmp_path / "data", episodes=2)
    policy = write_policy(tmp_path / "run", data=dataset, cameras=("front",))
    folder = export(policy, tmp_path / "bundle")
    frames = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    original, deployed = load_image_policy(policy), BundlePolicy.open(folder)
    for frame in frames:
        np.testing.assert_allclose(
            deployed.act({"front": frame}), original.act(frame, np.zeros(0, np.float32)), atol=1e-4
        )
    assert sorted(path.name for path in folder.iterdir()) == sorted([MODEL, MANIFEST, GOLDEN])
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".partial")] == []


def test_two_raw_cameras_are_cropped_resized_and_put_side_by_side_inside_the_graph(tmp_path, rig) -> None:
    policy = write_policy(tmp_path / "run", cameras=("external", "wrist"), height=16, width=32, action_dim=7)
    folder = export(policy, tmp_path / "bundle", rig=rig)
    rng = np.random.default_rng(1)
    raw = {c.name: rng.integers(0, 256, (c.height, c.width, 3), dtype=np.uint8) for c in rig.cameras}
    seen = np.concatenate([crop_and_resize(raw[c.name], c.crop, (c.size, c.size)) for c in rig.cameras], axis=1)
    expected = load_image_policy(policy).act(seen, np.zeros(0, np.float32))
    np.testing.assert_allclose(BundlePolicy.open(folder).act(raw), expected, atol=1e-4)


def test_the_pictures_inside_the_graph_are_the_recorders_to_the_last_bit(tmp_path, rig) -> None:
    from world4rl_core.export.graph import View
    from world4rl_core.runtime.bundle import camera_of

    rng = np.random.default_rng(2)
    for camera in map(camera_of, rig.cameras):
        raw = rng.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
        inside = View(camera, camera.size)(torch.from_numpy(raw)).numpy()
        np.testing.assert_array_equal(inside, crop_and_resize(raw, camera.crop, camera.size))


def test_the_manifest_says_what_the_rig_must_be_and_where_the_policy_comes_from(tmp_path, rig) -> None:
    policy = write_policy(tmp_path / "run", cameras=("external", "wrist"), height=16, width=32, action_dim=7)
    manifest = read_manifest(export(policy, tmp_path / "bundle", rig=rig))
    assert manifest.facts.rig == rig.name
    assert [camera.serial for camera in manifest.facts.cameras] == [camera.serial for camera in rig.cameras]
    assert manifest.facts.action.rate_hz == rig.action.rate_hz
    assert manifest.facts.action.translation_m == rig.action.translation_m
    assert len(manifest.facts.action.meaning) == 7
    assert manifest.origin.dataset_hash == "feed"
    assert manifest.origin.training["cameras"] == ["external", "wrist"]
    assert max(manifest.parity.golden, manifest.parity.random) <= 1e-4
    assert {"torch", "onnxruntime", "python"} <= set(manifest.versions)


def test_a_difference_beyond_the_tolerance_writes_no_bundle(tmp_path, monkeypatch) -> None:
    dataset = write_synthetic_dataset(tmp_path / "data", episodes=1)
    policy = write_policy(tmp_path / "run", data=dataset, cameras=("front",))
    whole = bundle.to_onnx

    def moved(module, *args, **kwargs):
        with torch.no_grad():
            module.policy.head.bias += 1e-3
        return whole(module, *args, **kwargs)

    monkeypatch.setattr(bundle, "to_onnx", moved)
    with pytest.raises(BundleError, match="nothing was written"):
        export(policy, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".bundle")] == []


def test_a_rate_size_or_action_that_the_rig_does_not_have_is_refused_all_at_once(tmp_path, rig) -> None:
    dataset = write_synthetic_dataset(tmp_path / "data", episodes=1, size=24, fps=5, cameras=("external", "wrist"))
    policy = write_policy(tmp_path / "run", data=dataset, height=24, width=48)
    with pytest.raises(CheckpointError) as refused:
        facts_of(trained_with(policy), rig, cameras=None)
    for part in ("4 action dimensions, the rig 7", "5 Hz, the rig acts at 10 Hz", "external was recorded at (24, 24)"):
        assert part in str(refused.value)


def test_cameras_must_be_known_and_fit_the_frame(tmp_path, rig) -> None:
    lost = write_policy(tmp_path / "lost", data=tmp_path / "gone", height=16, width=32, action_dim=7)
    with pytest.raises(CheckpointError, match="pass --cameras"):
        facts_of(trained_with(lost), rig, cameras=None)
    assert len(facts_of(trained_with(lost), rig, cameras=("wrist", "external")).cameras) == 2
    with pytest.raises(CheckpointError, match="cannot be 3 equal views"):
        facts_of(trained_with(lost), rig, cameras=("wrist", "external", "third"))
    with pytest.raises(CheckpointError, match="named twice"):
        facts_of(trained_with(lost), rig, cameras=("wrist", "wrist"))


def test_the_same_command_again_keeps_the_bundle_and_another_policy_is_refused(tmp_path, rig) -> None:
    policy = write_policy(tmp_path / "run", cameras=("external", "wrist"), height=16, width=32, action_dim=7)
    folder = export(policy, tmp_path / "bundle", rig=rig)
    before = (folder / MANIFEST).read_bytes()
    assert export(policy, folder, rig=rig) == folder
    assert (folder / MANIFEST).read_bytes() == before
    other = write_policy(tmp_path / "other", cameras=("external", "wrist"), height=16, width=32, action_dim=7, seed=1)
    with pytest.raises(BundleError, match="another policy or rig"):
        export(other, folder, rig=rig)


def test_the_graph_tells_nothing_about_the_machine_it_was_exported_on(tmp_path) -> None:
    dataset = write_synthetic_dataset(tmp_path / "data", episodes=1)
    folder = export(write_policy(tmp_path / "run", data=dataset), tmp_path / "bundle")
    assert b"site-packages" not in (folder / MODEL).read_bytes()
    session = onnxruntime.InferenceSession(str(folder / MODEL), providers=["CPUExecutionProvider"])
    assert [item.name for item in session.get_inputs()] == ["front"]
    assert to_json(read_manifest(folder).facts)["cameras"][0]["name"] == "front"
