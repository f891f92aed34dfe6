"""A rig with small raw pictures, and a bundle exported for it, shared by the tests of this folder."""

import dataclasses
from pathlib import Path

import pytest
from bundles import export, write_policy

from world4rl_core.rig import Rig, load_rig


@pytest.fixture(scope="session")
def rig() -> Rig:
    """The twin's rig with pictures of 48x64 and 40x50, cropped, recorded at 16x16."""
    whole = load_rig("twin")
    external = dataclasses.replace(
        whole.camera("external"), height=48, width=64, crop=(0.1, 0.9, 0.2, 0.95), size=16, exposure_us=None
    )
    wrist = dataclasses.replace(whole.camera("wrist"), height=40, width=50, crop=(0.0, 1.0, 0.0, 1.0), size=16)
    return dataclasses.replace(whole, cameras=(external, wrist))


@pytest.fixture(scope="session")
def folder(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for `rig`; not to be changed."""
    root = tmp_path_factory.mktemp("bundles")
    policy = write_policy(root / "run", cameras=("external", "wrist"), height=16, width=32, action_dim=7)
    return export(policy, root / "bundle", rig=rig)
