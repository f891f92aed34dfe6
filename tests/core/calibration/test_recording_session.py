"""What a dataset stores of a session, and when a session is refused."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from world4rl_core.calibration.session import facts, newest_check, reference_folder, store
from world4rl_core.errors import CalibrationError, DataError
from world4rl_core.files import sha256_of
from world4rl_core.rig import RIGS, load_rig

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def rig(tmp_path):
    path = tmp_path / "lab.yaml"
    shutil.copy(RIGS / "twin.yaml", path)
    return str(path)


def checked(rig, camera, verdict="OK", *, age_s=0, serial=""):
    finding = {"name": "alignment", "verdict": verdict, "message": "8.6 px", "value": 8.6}
    record = {
        "camera": camera,
        "serial": serial or load_rig(rig).camera(camera).serial,
        "verdict": verdict,
        "findings": [finding],
    }
    record["checked"] = (NOW - timedelta(seconds=age_s)).isoformat()
    path = reference_folder(rig) / f"drift_{camera}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return record


def test_a_session_stores_the_rig_file_and_each_cameras_check_with_its_age(rig, tmp_path):
    external = checked(rig, "external", age_s=60)
    checked(rig, "wrist")
    told = facts(rig, now=NOW, needs_check=True)
    assert told["drift"]["external"] == {"check": external, "age_s": 60, "problem": None, "override": None}
    assert told["rig"]["sha256"] == sha256_of(tmp_path / "lab.yaml")
    path = store(tmp_path / "data", told)
    assert path.name == "20261127T120000Z.json" and json.loads(path.read_text()) == told


def test_a_missing_an_old_and_a_failed_check_are_all_named(rig):
    with pytest.raises(CalibrationError, match="external was never checked.*wrist was never checked.*override_drift:="):
        facts(rig, now=NOW, needs_check=True)
    checked(rig, "external", "FAIL")
    checked(rig, "wrist", age_s=7200)
    with pytest.raises(CalibrationError, match=r"external failed its drift check: .*8.6 px.*wrist was checked 2.0 h"):
        facts(rig, now=NOW, needs_check=True)


def test_the_check_of_another_camera_under_this_name_does_not_count(rig):
    checked(rig, "external")
    checked(rig, "wrist", serial="another")
    with pytest.raises(CalibrationError, match="^wrist was never checked"):
        facts(rig, now=NOW, needs_check=True)


def test_a_reason_overrides_and_is_stored_with_what_it_overrides(rig):
    checked(rig, "external")
    told = facts(rig, now=NOW, needs_check=True, override="the lens is new")
    assert told["drift"]["external"]["override"] is None
    assert told["drift"]["wrist"]["problem"] == "was never checked"
    assert told["drift"]["wrist"]["override"] == "the lens is new"


def test_in_simulation_nothing_is_refused_and_nothing_is_called_overridden(rig):
    told = facts(rig, now=NOW, needs_check=False)
    assert told["drift"]["wrist"] == {"check": None, "age_s": None, "problem": "was never checked", "override": None}


def test_a_damaged_check_is_named(rig):
    checked(rig, "wrist")
    (reference_folder(rig) / "drift_wrist.json").write_text("{")
    with pytest.raises(DataError, match=r"drift_wrist.json is damaged; run `world4rl calibrate drift` again"):
        newest_check(rig, "wrist")
