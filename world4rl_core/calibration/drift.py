"""Is the camera still where and what it was? The live picture against a stored one: OK, WARN or FAIL, and why.

Alignment in pixels of the full picture: by the board where both show it, otherwise by the features of the scene.
Exposure, brightness and sharpness against the training data where the reference knows them, else against its picture.
"""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from world4rl_core.calibration.board import Board, find_board
from world4rl_core.calibration.matching import Match, match_board, match_features
from world4rl_core.calibration.opencv import cv2
from world4rl_core.calibration.samples import read_image
from world4rl_core.errors import CalibrationError, DataError
from world4rl_core.files import replace_file
from world4rl_core.geometry import pose_distance
from world4rl_core.pixels import crop_and_resize
from world4rl_core.rig import CameraRig

Verdict = Literal["OK", "WARN", "FAIL"]
ORDER: tuple[Verdict, ...] = ("OK", "WARN", "FAIL")
SAME_HAND_MM, SAME_HAND_DEG = 2.0, 0.3
"""A camera on the hand is compared only where the hand is this close to where it was for the reference."""


@dataclass(frozen=True)
class DriftLimits:
    """(WARN above, FAIL above) of each measure."""

    alignment_px: tuple[float, float] = (2.0, 5.0)
    """Of a picture 640 pixels wide; in proportion for others."""
    exposure: tuple[float, float] = (1.15, 1.5)
    """Ratio of the larger to the smaller exposure time."""
    brightness: tuple[float, float] = (12.0, 30.0)
    """Difference of the mean level, of 255."""
    sharpness: tuple[float, float] = (1.5, 2.5)
    """Ratio of the larger to the smaller sharpness."""


@dataclass(frozen=True)
class Light:
    """How a camera's pictures look as they are recorded (cropped and resized)."""

    brightness: float
    """Mean level, of 255."""
    sharpness: float
    """Mean absolute Laplacian over the levels' standard deviation."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What a camera saw when it was calibrated."""

    image: np.ndarray  # uint8 RGB (h, w, 3)
    serial: str
    taken: str
    """ISO 8601 in UTC."""
    light: Light
    exposure_us: float | None = None
    T_base_hand: np.ndarray | None = None  # of a camera on the hand


@dataclass(frozen=True)
class Finding:
    """One measure."""

    name: str
    verdict: Verdict
    message: str
    value: float | None = None


@dataclass(frozen=True)
class DriftReport:
    """The verdict that a dataset stores."""

    camera: str
    serial: str
    verdict: Verdict
    checked: str
    """ISO 8601 in UTC."""
    reference_taken: str
    findings: tuple[Finding, ...]

    def record(self) -> dict[str, Any]:
        """Plain values for a dataset's metadata."""
        return dataclasses.asdict(self)

    def text(self) -> str:
        """One line a finding, the verdict first."""
        lines = [f"{self.verdict}  {self.camera}, against the picture of {self.reference_taken}"]
        return "\n".join(lines + [f"  {f.verdict:4}  {f.name}: {f.message}" for f in self.findings])


def light_of(images: Iterable[np.ndarray]) -> Light:
    """Brightness and sharpness over uint8 RGB pictures (h, w, 3) as they are recorded. Raises DataError without any."""
    means, sharpness = [], []
    for image in images:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        means.append(float(grey.mean()))
        sharpness.append(float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean() / max(float(grey.std()), 1.0)))
    if not means:
        raise DataError("no picture to measure brightness and sharpness of; give a dataset with frames of this camera")
    return Light(float(np.mean(means)), float(np.mean(sharpness)))


def recorded(image: np.ndarray, camera: CameraRig) -> np.ndarray:
    """The picture as the recorder stores it."""
    return crop_and_resize(image, camera.crop, (camera.size, camera.size))


def make_reference(
    image: np.ndarray,
    camera: CameraRig,
    *,
    now: datetime,
    training: Iterable[np.ndarray] | None = None,
    T_base_hand: np.ndarray | None = None,
    exposure_us: float | None = None,
) -> Reference:
    """The reference from a picture of now; `training` are recorded pictures whose light counts instead of its own."""
    light = light_of([recorded(image, camera)] if training is None else training)
    exposure = exposure_us if exposure_us is not None else camera.exposure_us
    return Reference(
        image, camera.serial, now.astimezone(UTC).isoformat(timespec="seconds"), light, exposure, T_base_hand
    )


def check_drift(
    live: np.ndarray,
    reference: Reference,
    camera: CameraRig,
    *,
    now: datetime,
    board: Board | None = None,
    exposure_us: float | None = None,
    T_base_hand: np.ndarray | None = None,
    limits: DriftLimits | None = None,
) -> tuple[DriftReport, Match | None]:
    """Compares a live uint8 RGB picture with the reference; the match tells where things moved, for the picture.

    Raises CalibrationError: swapped_cameras (another serial number), resolution, moved_hand.
    """
    limits = limits or DriftLimits()
    _check_comparable(live, reference, camera, T_base_hand)
    match = _match(live, reference.image, board)
    findings = [_alignment(match, limits, width=live.shape[1])]
    light = light_of([recorded(live, camera)])
    change = light.brightness - reference.light.brightness
    text = f"{light.brightness:.0f} of 255, {change:+.0f}"
    findings.append(_finding("brightness", abs(change), limits.brightness, text, "adjust lamps, blinds or exposure"))
    ratio = light.sharpness / max(reference.light.sharpness, 1e-6)
    text = f"{ratio:.0%} of what it was"
    worse = max(ratio, 1 / max(ratio, 1e-6))
    findings.append(_finding("sharpness", worse, limits.sharpness, text, "wipe the lens, check focus and light"))
    if exposure_us is not None and reference.exposure_us:
        ratio = exposure_us / reference.exposure_us
        text = f"{exposure_us:.0f} us, was {reference.exposure_us:.0f}"
        advice = "fix exposure_us in the rig file"
        findings.append(_finding("exposure", max(ratio, 1 / ratio), limits.exposure, text, advice))
    verdict = max(findings, key=lambda finding: ORDER.index(finding.verdict)).verdict
    checked = now.astimezone(UTC).isoformat(timespec="seconds")
    report = DriftReport(camera.name, camera.serial, verdict, checked, reference.taken, tuple(findings))
    return report, match


def require_checked(
    record: dict[str, Any] | None, *, now: datetime, max_age_s: float = 3600, override: str | None = None
) -> dict[str, Any]:
    """What a dataset stores about a camera's drift: the record, its age, and why it was overridden, if it was.

    Raises CalibrationError where the check is missing, too old or FAIL and `override` gives no reason.
    """
    if record is None:
        problem, age_s = "was never checked", None
    else:
        age_s = (now.astimezone(UTC) - datetime.fromisoformat(record["checked"])).total_seconds()
        problem = ""
        if record["verdict"] == "FAIL":
            problem = f"failed its drift check: {_worst(record)}"
        elif age_s > max_age_s:
            problem = f"was checked {age_s / 3600:.1f} h ago, limit {max_age_s / 3600:.1f} h"
    if problem and not override:
        name = record["camera"] if record else "a camera"
        raise CalibrationError(
            "drift", f"{name} {problem}; run `world4rl calibrate drift`, or record anyway with a reason"
        )
    return {"check": record, "age_s": age_s, "problem": problem or None, "override": override if problem else None}


def save_reference(folder: Path, name: str, reference: Reference) -> None:
    """`<name>.png` and `<name>.json` in `folder`."""
    ok, png = cv2.imencode(".png", cv2.cvtColor(reference.image, cv2.COLOR_RGB2BGR))
    if not ok:
        raise DataError("the picture cannot be stored as PNG")
    T = None if reference.T_base_hand is None else reference.T_base_hand.ravel().tolist()
    content = {
        "serial": reference.serial,
        "taken": reference.taken,
        "light": dataclasses.asdict(reference.light),
        "exposure_us": reference.exposure_us,
        "T_base_hand": T,
    }
    replace_file(folder / f"{name}.png", png.tobytes(), error=DataError, kept="the old reference is safe")
    text = json.dumps(content, indent=2) + "\n"
    replace_file(folder / f"{name}.json", text.encode(), error=DataError, kept="the old reference is safe")


def load_reference(folder: Path, name: str) -> Reference:
    """Raises DataError where there is none, or it is damaged."""
    path = folder / f"{name}.json"
    if not path.exists():
        raise DataError(f"{path} does not exist; take a reference picture: `world4rl calibrate reference`")
    try:
        stored = json.loads(path.read_text())
        T = None if stored["T_base_hand"] is None else np.array(stored["T_base_hand"], dtype=float).reshape(4, 4)
        light = Light(**stored["light"])
        image = read_image(path.with_suffix(".png"))
        return Reference(image, stored["serial"], stored["taken"], light, stored["exposure_us"], T)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); take the reference picture again") from error


def _check_comparable(
    live: np.ndarray, reference: Reference, camera: CameraRig, T_base_hand: np.ndarray | None
) -> None:
    if reference.serial != camera.serial:
        raise CalibrationError(
            "swapped_cameras",
            f"the reference is of camera {reference.serial}, the rig's {camera.name!r} is {camera.serial}; "
            "calibrate the new camera, then take its reference",
        )
    if live.shape != reference.image.shape:
        (height, width), (old_height, old_width) = live.shape[:2], reference.image.shape[:2]
        raise CalibrationError(
            "resolution",
            f"the live picture has {width}x{height} pixels, the reference {old_width}x{old_height}; "
            "set the camera to that size, or take a new reference",
        )
    if camera.mount != "hand" or reference.T_base_hand is None:
        return
    if T_base_hand is None:
        raise CalibrationError("moved_hand", f"{camera.name!r} is on the hand: its check needs the hand's pose")
    mm, deg = pose_distance(reference.T_base_hand, T_base_hand)
    if mm > SAME_HAND_MM or deg > SAME_HAND_DEG:
        raise CalibrationError(
            "moved_hand",
            f"the hand is {mm:.0f} mm and {deg:.1f} degrees from where the reference was taken; move the arm there "
            "first",
        )


def _match(live: np.ndarray, old: np.ndarray, board: Board | None) -> Match | None:
    if board is not None:
        try:
            return match_board(find_board(old, board), find_board(live, board))
        except CalibrationError:  # not in both pictures: the scene itself has to do
            pass
    return match_features(old, live)


def _alignment(match: Match | None, limits: DriftLimits, *, width: int) -> Finding:
    if match is None:
        text = "too little of the scene is where it was; is the lens covered, the light off, or the camera turned away?"
        return Finding("alignment", "FAIL", text)
    error = match.shift_px * 640 / width
    text = f"{match.shift_px:.1f} px, by {len(match.old)} points of the {match.source}"
    graded = _finding("alignment", error, limits.alignment_px, text, "put the camera back, or calibrate it again")
    return dataclasses.replace(graded, value=match.shift_px)


def _finding(name: str, value: float, limits: tuple[float, float], text: str, advice: str) -> Finding:
    """A measure with what to do about it where it is not OK."""
    verdict = _grade(value, limits)
    return Finding(name, verdict, text if verdict == "OK" else f"{text}; {advice}", value)


def _grade(value: float, limits: tuple[float, float]) -> Verdict:
    return ORDER[int(value > limits[0]) + int(value > limits[1])] if np.isfinite(value) else "FAIL"


def _worst(record: dict[str, Any]) -> str:
    return "; ".join(f"{f['name']}: {f['message']}" for f in record["findings"] if f["verdict"] == "FAIL")
