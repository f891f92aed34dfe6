"""What a recording session knows about its cell: the rig file as it was, and whether each camera had drifted."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from world4rl_core import __version__
from world4rl_core.calibration.drift import require_checked
from world4rl_core.errors import CalibrationError, DataError
from world4rl_core.files import replace_file, sha256_of
from world4rl_core.rig import load_rig, rig_path

REFERENCES = "references"
"""Folder beside the rig file: `<rig>/<camera>.png` and `.json`, and the newest check as `drift_<camera>.json`."""
SESSIONS = "meta/sessions"


def reference_folder(rig: str) -> Path:
    """Where references and newest drift checks of a rig lie."""
    path = rig_path(rig)
    return path.parent / REFERENCES / path.stem


def newest_check(rig: str, camera: str) -> dict[str, Any] | None:
    """The record of the camera's newest drift check. Raises DataError for a damaged one."""
    path = reference_folder(rig) / f"drift_{camera}.json"
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text())
        return record if {"camera", "serial", "verdict", "checked", "findings"} <= record.keys() else _damaged(path)
    except (ValueError, AttributeError):
        return _damaged(path)


def facts(rig: str, *, now: datetime, needs_check: bool, override: str = "") -> dict[str, Any]:
    """What a dataset stores of a session. Raises CalibrationError, naming every camera, where a check is missing,
    too old or FAIL, one is needed, and `override` gives no reason.
    """
    drift, problems = {}, []
    for camera in load_rig(rig).cameras:
        record = newest_check(rig, camera.name)
        if record is not None and record["serial"] != camera.serial:
            record = None  # the check of a camera that is no longer in the rig
        found = require_checked(record, now=now, override=override or "no check is needed")
        drift[camera.name] = found | ({} if override else {"override": None})
        if found["problem"] and not override:
            problems.append(f"{camera.name} {found['problem']}; run `world4rl calibrate drift`")
    if problems and needs_check:
        raise CalibrationError("drift", "; ".join(problems) + ", or record anyway with override_drift:=<reason>")
    path = rig_path(rig)
    return {
        "started": now.isoformat(timespec="seconds"),
        "rig": {"file": path.name, "sha256": sha256_of(path), "text": path.read_text()},
        "drift": drift,
        "world4rl": __version__,
    }


def store(root: Path, told: dict[str, Any]) -> Path:
    """Adds the session to the dataset `root`."""
    stamp = told["started"].replace(":", "").replace("-", "").replace("+0000", "Z")
    path = root / SESSIONS / f"{stamp}.json"
    replace_file(path, (json.dumps(told, indent=1) + "\n").encode(), error=DataError, kept="the dataset is untouched")
    return path


def _damaged(path: Path) -> dict[str, Any]:
    raise DataError(f"{path} is damaged; run `world4rl calibrate drift` again")
