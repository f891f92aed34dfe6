"""A bundle that is changed, incomplete or made for another rig is refused with the next step."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from world4rl_core import cli
from world4rl_core.errors import BundleError
from world4rl_core.export import bundle as exporting
from world4rl_core.files import sha256_of
from world4rl_core.rig import CameraRig, Rig
from world4rl_core.runtime.bundle import GOLDEN, MANIFEST, MODEL, disagreements, read_manifest, refuse_other_rig
from world4rl_core.runtime.inference import BundlePolicy


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "bundle"))


def edit_manifest(folder: Path, change) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    change(content)
    (folder / MANIFEST).write_text(json.dumps(content))


@pytest.mark.parametrize("name", [MODEL, GOLDEN])
def test_a_changed_or_missing_file_is_named(copy: Path, name: str) -> None:
    with (copy / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match=f"{name} has changed since the export.*world4rl export"):
        read_manifest(copy)
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        read_manifest(copy)


def test_no_folder_another_schema_and_damage_are_told_apart(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no deployment bundle there"):
        read_manifest(tmp_path / "nowhere")
    whole = (copy / MANIFEST).read_text()
    (copy / MANIFEST).write_text(whole[:200])
    with pytest.raises(BundleError, match="damaged"):
        read_manifest(copy)
    (copy / MANIFEST).write_text(whole)
    edit_manifest(copy, lambda content: content.pop("parity"))
    with pytest.raises(BundleError, match="damaged"):
        read_manifest(copy)
    edit_manifest(copy, lambda content: content.update(schema=2))
    with pytest.raises(BundleError, match="schema 2, this version reads 1"):
        read_manifest(copy)


def test_a_manifest_edited_to_fit_the_rig_is_refused_by_the_graph(copy: Path) -> None:
    edit_manifest(copy, lambda content: content["facts"]["action"].update(translation_m=0.05))
    with pytest.raises(BundleError, match=r"action differ from what policy\.onnx was exported with"):
        BundlePolicy.open(copy)


def test_an_onnx_file_of_other_inputs_is_refused(copy: Path) -> None:
    model = onnx.load(str(copy / MODEL))
    model.graph.input[0].name = "someone"
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == "external":
                node.input[index] = "someone"
    onnx.save(model, str(copy / MODEL))
    edit_manifest(copy, lambda content: content["files"].update({MODEL: sha256_of(copy / MODEL)}))
    with pytest.raises(BundleError, match="the manifest says"):
        BundlePolicy.open(copy)


def test_a_file_that_is_no_onnx_is_refused(copy: Path) -> None:
    (copy / MODEL).write_bytes(b"not a graph")
    edit_manifest(copy, lambda content: content["files"].update({MODEL: sha256_of(copy / MODEL)}))
    with pytest.raises(BundleError, match="onnxruntime cannot load it"):
        BundlePolicy.open(copy)


def test_every_disagreement_with_the_rig_is_listed(folder: Path, rig: Rig) -> None:
    manifest = read_manifest(folder)
    assert disagreements(manifest.facts, rig) == []
    other = dataclasses.replace(
        rig,
        name="other",
        action=dataclasses.replace(rig.action, rate_hz=5, translation_m=0.01),
        cameras=(
            dataclasses.replace(rig.camera("external"), serial="999", width=640, crop=(0.0, 1.0, 0.0, 1.0)),
            CameraRig(name="side", serial="1"),
        ),
    )
    with pytest.raises(BundleError) as refused:
        refuse_other_rig(manifest, other)
    message = str(refused.value)
    for part in (
        "rig is twin in the bundle, other in the rig",
        "action rate_hz is 10 in the bundle, 5 in the rig",
        "action translation_m is 0.025 in the bundle, 0.01 in the rig",
        "camera external: serial is sim-external in the bundle, 999 in the rig",
        "camera external: width is 64 in the bundle, 640 in the rig",
        "camera external: crop is [0.1, 0.9, 0.2, 0.95] in the bundle, [0.0, 1.0, 0.0, 1.0] in the rig",
        "camera wrist: the rig has none of that name, only external, side",
        "world4rl export --policy RUN --rig other",
    ):
        assert part in message


def test_a_bundle_without_a_rig_fits_none(folder: Path, rig: Rig) -> None:
    facts = dataclasses.replace(read_manifest(folder).facts, rig=None)
    assert "exported without a rig" in disagreements(facts, rig)[0]


def test_a_full_disk_leaves_no_bundle(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_manifest(folder)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting.np, "savez_compressed", full)
    with pytest.raises(BundleError, match="the disk is full; no bundle was written; free some space"):
        exporting.write_bundle(tmp_path / "out", b"graph", golden=[{}], actions=[np.zeros(1)], manifest=manifest)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_refusal_without_a_traceback(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / MODEL).unlink()
    assert cli.main(["bundle", "check", str(copy)]) == 1
    assert "policy.onnx is missing" in capsys.readouterr().err
