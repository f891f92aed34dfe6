"""Writing a calibration into the rig file: the old file is kept with its date, comments stay in the new one."""

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from world4rl_core.errors import CalibrationError, RigError
from world4rl_core.files import replace_file
from world4rl_core.geometry import pose_distance
from world4rl_core.optics import CalibrationRecord, Intrinsics
from world4rl_core.rig import CameraRig, Rig, load_rig

PREVIOUS = "previous"
"""Folder beside the rig file that keeps what it said before."""
WORSE_FACTOR = 2.0
"""A calibration that is so many times less certain than the one it would replace is refused."""
ELSEWHERE_MM, ELSEWHERE_DEG = 50.0, 5.0
SAME_PLACE_MM, SAME_PLACE_DEG = 15.0, 1.5


def check_swapped(rig: Rig, camera: CameraRig, T_parent_cam: np.ndarray) -> None:
    """Raises CalibrationError ("swapped_cameras") where the pose found is the one another camera of the rig had."""
    if _distance(camera.T_parent_cam, T_parent_cam) < 1:
        return
    for other in rig.cameras:
        mm, deg = _apart(other.T_parent_cam, T_parent_cam)
        if other.name != camera.name and other.mount == camera.mount and mm < SAME_PLACE_MM and deg < SAME_PLACE_DEG:
            raise CalibrationError(
                "swapped_cameras",
                f"camera {camera.name!r} was found {mm:.0f} mm and {deg:.1f} degrees from where {other.name!r} was "
                "calibrated; "
                "were the two swapped? Check their serial numbers in the rig file",
            )


def save_camera(
    path: Path,
    name: str,
    *,
    now: datetime.datetime,
    intrinsics: Intrinsics | None = None,
    T_parent_cam: np.ndarray | None = None,
    record: CalibrationRecord | None = None,
    is_forced: bool = False,
) -> Path | None:
    """Stores what is given for one camera, and returns where the previous file is kept (None when nothing changed).

    Raises CalibrationError ("swapped_cameras", "worse") unless forced, RigError where the rig file is not right.
    """
    rig = load_rig(path)
    camera = rig.camera(name)
    if not is_forced:
        _check_better(rig, camera, T_parent_cam, record)
    values: dict[str, Any] = {
        "T_parent_cam": None if T_parent_cam is None else tuple(_rounded(T_parent_cam).ravel().tolist()),
        "intrinsics": intrinsics,
        "calibration": record,
    }
    values = {key: value for key, value in values.items() if value is not None}
    text = path.read_text()
    changed = _with_values(text, name, values)
    if changed == text:
        return None
    wanted = dataclasses.replace(camera, **values)
    _check_text(path, changed, rig, wanted)
    stamp = datetime.datetime.fromtimestamp(path.stat().st_mtime, tz=datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ")
    kept = _free_name(path.parent / PREVIOUS / f"{path.stem}.{stamp}.yaml")
    replace_file(kept, text.encode(), error=RigError, kept=f"{path} is as it was")
    replace_file(path, changed.encode(), error=RigError, kept="the old rig file is safe")
    return kept


def _check_better(
    rig: Rig, camera: CameraRig, T_parent_cam: np.ndarray | None, record: CalibrationRecord | None
) -> None:
    if T_parent_cam is not None:
        check_swapped(rig, camera, T_parent_cam)
    old = camera.calibration
    if record is None or old is None:
        return
    if record.std_mm > WORSE_FACTOR * old.std_mm or record.std_deg > WORSE_FACTOR * old.std_deg:
        raise CalibrationError(
            "worse",
            f"the new calibration of {camera.name!r} is known to {record.std_mm:.1f} mm and {record.std_deg:.2f} "
            "degrees, the "
            f"one of {old.date} to {old.std_mm:.1f} mm and {old.std_deg:.2f} degrees; add samples, or replace it with "
            "--force",
        )


def _with_values(text: str, name: str, values: dict[str, Any]) -> str:
    """The YAML text with these keys of one camera replaced or added, everything else as it was."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    cameras = next(value for key, value in root.value if key.value == "cameras")
    item = next(node for node in cameras.value if any(k.value == "name" and v.value == name for k, v in node.value))
    present = {key.value: value for key, value in item.value}
    indent = item.value[0][0].start_mark.column
    edits: list[tuple[int, int, str]] = []
    added = []
    for key, value in values.items():
        if key in present:
            node = present[key]
            end = len(text[: node.end_mark.index].rstrip()) if _is_block(node) else node.end_mark.index
            edits.append((node.start_mark.index, end, _yaml(value, indent)))
        elif item.flow_style:
            added.append(f", {key}: {_yaml(value, indent)}")
        else:
            added.append(f"\n{' ' * indent}{key}: {_yaml(value, indent)}")
    if added and item.flow_style:
        end = item.value[-1][1].end_mark.index
        edits.append((end, end, "".join(added)))
    elif added:
        last = item.value[-1][1]
        stop = len(text[: last.end_mark.index].rstrip()) if _is_block(last) else last.end_mark.index
        line_end = text.find("\n", stop)
        at = len(text) if line_end < 0 else line_end
        edits.append((at, at, "".join(added)))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _yaml(value: Any, indent: int) -> str:
    """A value in YAML's flow style; a pose as four rows."""
    if isinstance(value, tuple):
        rows = [", ".join(f"{number:.9g}" for number in value[i : i + 4]) for i in range(0, len(value), 4)]
        return "[\n" + ",\n".join(f"{' ' * (indent + 2)}{row}" for row in rows) + "]"
    items = dataclasses.asdict(value) | ({"distortion": list(value.distortion)} if hasattr(value, "distortion") else {})
    shortened = {key: _short(item) for key, item in items.items()}
    return yaml.safe_dump(shortened, default_flow_style=True, sort_keys=False, width=10**6).strip()


def _short(item: Any) -> Any:
    if isinstance(item, list):
        return [_short(part) for part in item]
    return float(f"{item:.7g}") if isinstance(item, float) else item


def _check_text(path: Path, text: str, rig: Rig, wanted: CameraRig) -> None:
    """Raises RigError unless the new text is the old rig with this one camera changed."""
    trial = path.with_name(f".{path.stem}.trial.yaml")
    try:
        trial.write_text(text)
        found = load_rig(trial)
    except RigError as error:
        raise RigError(
            f"{path}: cannot be changed safely; write its cameras as calibration/rigs/panda.yaml has them"
        ) from error
    finally:
        trial.unlink(missing_ok=True)
    others = [camera for camera in rig.cameras if camera.name != wanted.name]
    is_same = dataclasses.replace(found, cameras=rig.cameras) == rig
    is_same = is_same and [camera for camera in found.cameras if camera.name != wanted.name] == others
    kept = {"T_parent_cam", "intrinsics", "calibration"}
    one = found.camera(wanted.name)
    names = [f.name for f in dataclasses.fields(CameraRig) if f.name not in kept]
    is_same = is_same and all(getattr(one, key) == getattr(wanted, key) for key in names)
    if not is_same or any(getattr(wanted, key) is not None and getattr(one, key) is None for key in kept):
        raise RigError(f"{path}: cannot be changed safely; write its cameras as calibration/rigs/panda.yaml has them")


def _free_name(path: Path) -> Path:
    number, free = 2, path
    while free.exists():
        free = path.with_name(f"{path.stem}-{number}.yaml")
        number += 1
    return free


def _rounded(T: np.ndarray) -> np.ndarray:
    return np.where(np.abs(T) < 1e-12, 0.0, T)


def _apart(stored: tuple[float, ...] | None, T: np.ndarray) -> tuple[float, float]:
    """Distance in mm and angle in degrees; infinite where nothing is stored."""
    if stored is None:
        return np.inf, np.inf
    return pose_distance(np.array(stored).reshape(4, 4), T)


def _distance(stored: tuple[float, ...] | None, T: np.ndarray) -> float:
    """Below 1 where the camera is about where it was."""
    mm, deg = _apart(stored, T)
    return max(mm / ELSEWHERE_MM, deg / ELSEWHERE_DEG)
