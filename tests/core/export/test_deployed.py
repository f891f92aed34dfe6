"""Several bundles in one policy node: one acts at a time, all are checked first."""

import dataclasses

import numpy as np
import pytest
from bundles import export, write_policy

from world4rl_core.errors import BundleError, RobotError
from world4rl_core.runtime.deployed import DeployedPolicies, named_bundles
from world4rl_core.runtime.inference import SessionConfig
from world4rl_core.runtime.observation import Observation

CPU = SessionConfig(provider="cpu")


@pytest.fixture(scope="module")
def folders(rig, folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("two")
    other = write_policy(root / "run", cameras=("external",), height=16, width=16, action_dim=7, seed=3)
    return {"both": folder, "external": export(other, root / "bundle", rig=rig)}


@pytest.fixture
def policies(folders, rig):
    return DeployedPolicies.open(folders, rig, session=CPU, time_limit_s=1.0)


def seen(now_s: float, *, level: int = 100, **late: float) -> Observation:
    images = {"external": np.full((48, 64, 3), level, np.uint8), "wrist": np.full((40, 50, 3), level, np.uint8)}
    return Observation(images, {name: now_s - late.get(name, 0.01) for name in (*images, "robot")})


def test_bundles_are_named_or_take_the_name_of_their_folder(tmp_path):
    assert {name: str(path) for name, path in named_bundles("a=runs/x, b=runs/y").items()} == {
        "a": "runs/x",
        "b": "runs/y",
    }
    assert list(named_bundles("runs/refined")) == ["refined"]
    for text in ("", "a=runs/x,a=runs/y", "=x", "a="):
        with pytest.raises(BundleError, match="bundle"):
            named_bundles(text)


def test_the_chosen_bundle_acts_and_sees_only_its_own_cameras(policies):
    assert policies.cameras == ("external", "wrist")
    policies.begin(0.0, gripper=1.0)
    assert policies.step(seen(0.0, wrist=1.0), now_s=0.0).reaction == "R2"
    policies.end()
    policies.choose("external")
    policies.begin(0.1, gripper=1.0)
    assert policies.step(seen(0.1, wrist=1.0), now_s=0.1).reaction == "none"


def test_no_bundle_is_chosen_while_another_acts_nor_an_unknown_one(policies):
    with pytest.raises(RobotError, match="unknown bundle 'none'; known: both, external"):
        policies.choose("none")
    policies.begin(0.0, gripper=1.0)
    with pytest.raises(RobotError, match="both is acting"):
        policies.choose("external")
    policies.choose("both")


def test_an_episode_begins_with_nothing_of_the_one_before(policies):
    policies.begin(0.0, gripper=1.0)
    acted = policies.step(seen(0.0), now_s=0.0).action
    assert np.abs(acted[:6]).max() > 0
    policies.end()
    policies.begin(0.2, gripper=-1.0)
    held = policies.step(seen(0.2, external=0.4), now_s=0.2)
    assert not held.action[:6].any() and held.action[6] == -1


def test_the_status_tells_what_ended_the_episode_and_how_long_things_took(policies):
    policies.begin(0.0, gripper=1.0)
    for step in range(12):
        policies.step(seen(0.1 * step), now_s=0.1 * step)
        policies.note_period(0.1)
    status = policies.status()
    assert (status["state"], status["ended"], status["fault"], status["episode"]) == ("idle", "timeout", "", 1)
    assert status["period_ms"] == [100.0, 100.0]
    assert 10 < status["observation_to_command_ms"][0] < 1000
    policies.begin(2.0, gripper=1.0)
    broken = Observation(
        {"external": np.zeros((2, 2, 3), np.uint8)} | {"wrist": seen(2.0).images["wrist"]}, seen(2.0).stamps_s
    )
    policies.step(broken, now_s=2.0)
    assert "wanted uint8 (48, 64, 3)" in policies.status()["fault"] and not policies.is_running


def test_every_bundle_is_refused_that_does_not_fit_the_rig(folders, rig):
    faster = dataclasses.replace(
        rig, action=dataclasses.replace(rig.action, rate_hz=20, translation_m=0.01, rotation_rad=0.05)
    )
    with pytest.raises(BundleError, match="rate_hz is 10"):
        DeployedPolicies.open(folders, faster, session=CPU, time_limit_s=1.0)
