"""A session of samples in one folder: on disk before they count, resumed after an interruption, the last one undone.

`session.json` says what is calibrated; a sample is `sample_0007.png` with `sample_0007.json`, and exists once both do.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from world4rl_core.calibration.board import Board, Detection, board_pose, find_board
from world4rl_core.calibration.causes import LEAST_SAMPLES, advise
from world4rl_core.calibration.coverage import coverage
from world4rl_core.calibration.intrinsics import LEAST_VIEWS
from world4rl_core.calibration.opencv import cv2
from world4rl_core.calibration.reprojection import View
from world4rl_core.errors import CalibrationError, DataError
from world4rl_core.files import replace_file
from world4rl_core.geometry import pose_distance
from world4rl_core.optics import Intrinsics
from world4rl_core.rig import CameraRig

Task = Literal["intrinsics", "eye_in_hand", "eye_to_hand"]
FORMAT = "world4rl calibration samples 1"
SAME_MM, SAME_DEG = 10.0, 2.0
"""A sample closer to an earlier one than both tells nothing new."""
MOVING_MM, MOVING_DEG = 0.5, 0.1
"""Further motion of the hand during the exposure spoils a sample."""


@dataclass(frozen=True)
class Session:
    """What a folder of samples is for."""

    task: Task
    camera: str
    serial: str
    width: int
    height: int
    board: Board = field(default_factory=Board)
    intrinsics: Intrinsics | None = None
    """Needed for the hand-eye tasks, where they tell a good sample from a bad one at once."""

    def __post_init__(self) -> None:
        if self.intrinsics is None and self.task != "intrinsics":
            raise DataError(f"{self.task} of camera {self.camera!r} needs its intrinsics; calibrate these first")


@dataclass(frozen=True)
class Progress:
    """What to tell the person after a sample."""

    count: int
    advice: str
    is_enough: bool


class SampleFolder:
    """Samples of one camera. Creates the folder, or goes on with the samples it finds there.

    Raises DataError where the folder is of another session or damaged.
    """

    def __init__(self, folder: Path, session: Session) -> None:
        self.folder = folder
        self.session = session
        path = folder / "session.json"
        if path.exists():
            found = read_session(folder)
            if found != session:
                raise DataError(f"{folder} holds samples of {_differences(found, session)}; give another folder")
        else:
            _write_json(path, {"format": FORMAT, **dataclasses.asdict(session)})
        self._samples = _read_samples(folder, session)

    @property
    def views(self) -> list[View]:
        """Detections with hand poses; only of hand-eye sessions."""
        return [View(detection, T) for _, detection, T in self._samples if T is not None]

    @property
    def detections(self) -> list[Detection]:
        return [detection for _, detection, _ in self._samples]

    def take(
        self,
        image: np.ndarray,
        *,
        time_s: float,
        serial: str,
        T_base_hand: np.ndarray | None = None,
        T_base_hand_after: np.ndarray | None = None,
    ) -> Progress:
        """Checks a uint8 RGB picture (h, w, 3) and stores it; the hand's pose is read before and after the exposure.

        Raises CalibrationError and stores nothing: swapped_cameras, resolution, wrong_board, mirrored, hidden,
        no_board, blurred, moving, too_similar.
        """
        self._check_source(image, serial)
        detection = find_board(image, self.session.board)
        if self.session.task != "intrinsics":
            if T_base_hand is None:
                raise DataError(f"a sample for {self.session.task} needs the hand's pose")
            if self.session.intrinsics is not None:
                board_pose(detection, self.session.board, self.session.intrinsics)
            self._check_pose(T_base_hand, T_base_hand_after)
        name = f"sample_{1 + max((number for number, _, _ in self._samples), default=0):04d}"
        ok, png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if not ok:
            raise DataError("the picture cannot be stored as PNG")
        replace_file(self.folder / f"{name}.png", png.tobytes(), error=DataError, kept="the samples so far are safe")
        pose = None if T_base_hand is None else T_base_hand.ravel().tolist()
        _write_json(self.folder / f"{name}.json", {"time_s": time_s, "serial": serial, "T_base_hand": pose})
        self._samples.append((int(name[-4:]), detection, T_base_hand))
        return self.progress()

    def undo(self) -> Progress:
        """Takes the last sample back. Raises DataError where there is none."""
        if not self._samples:
            raise DataError(f"{self.folder} has no sample to undo")
        number, _, _ = self._samples.pop()
        (self.folder / f"sample_{number:04d}.json").unlink()  # first: from here on it does not exist
        (self.folder / f"sample_{number:04d}.png").unlink()
        return self.progress()

    def progress(self) -> Progress:
        """How many samples there are and what to show next."""
        count = len(self._samples)
        if self.session.task == "intrinsics":
            covered = coverage(self.detections, self.session.board)
            is_enough = covered.is_enough and count >= LEAST_VIEWS
            more = (
                f"{LEAST_VIEWS - count} more views, of any kind"
                if covered.is_enough and not is_enough
                else covered.advice
            )
            return Progress(count, more, is_enough)
        advice = advise(self.views)
        return Progress(count, advice, count >= 2 * LEAST_SAMPLES or (count >= LEAST_SAMPLES and "go on" in advice))

    def _check_source(self, image: np.ndarray, serial: str) -> None:
        session = self.session
        if serial != session.serial:
            raise CalibrationError(
                "swapped_cameras",
                f"the picture comes from camera {serial}, {session.camera!r} is {session.serial}; were two cameras "
                "swapped? "
                "The rig file names them by serial number",
            )
        height, width = image.shape[:2]
        if (width, height) != (session.width, session.height):
            raise CalibrationError(
                "resolution",
                f"the picture has {width}x{height} pixels, the session {session.width}x{session.height}; "
                "set the camera to the session's size",
            )

    def _check_pose(self, T: np.ndarray, after: np.ndarray | None) -> None:
        if after is not None:
            moved_mm, turned_deg = pose_distance(T, after)
            if moved_mm > MOVING_MM or turned_deg > MOVING_DEG:
                raise CalibrationError(
                    "moving",
                    f"the hand moved by {moved_mm:.1f} mm and {turned_deg:.2f} degrees during the exposure; "
                    "wait until it stands still",
                )
        for number, _, earlier in self._samples:
            moved_mm, turned_deg = pose_distance(T, earlier if earlier is not None else np.eye(4))
            if moved_mm < SAME_MM and turned_deg < SAME_DEG:
                raise CalibrationError(
                    "too_similar",
                    f"{moved_mm:.0f} mm and {turned_deg:.1f} degrees from sample {number}, wanted {SAME_MM:.0f} mm or "
                    f"{SAME_DEG:.0f} degrees; next: {advise(self.views)}",
                )


def read_session(folder: Path) -> Session:
    """What the samples of a folder are for. Raises DataError."""
    path = folder / "session.json"
    try:
        stored = json.loads(path.read_text())
        if stored.pop("format", None) != FORMAT:
            raise DataError(f"{path} is not of format {FORMAT!r}; give a folder that `world4rl calibrate` made")
        board = Board(**stored.pop("board"))
        intrinsics = stored.pop("intrinsics")
        if intrinsics is not None:
            intrinsics = Intrinsics(**(intrinsics | {"distortion": tuple(intrinsics["distortion"])}))
        return Session(**stored, board=board, intrinsics=intrinsics)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; give a folder with calibration samples") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is damaged ({error}); start a new folder") from error


def hand_eye_session(folder: Path, camera: CameraRig, board: Board, task: Task, *, reported: Intrinsics) -> Session:
    """A session for this camera of a rig, with the rig's intrinsics, or those that the camera itself `reported`.

    One that is in the folder already goes on with its own, so that all samples were judged alike.
    """
    lens = camera.intrinsics or reported
    if (folder / "session.json").exists():
        lens = read_session(folder).intrinsics or lens
    return Session(task, camera.name, camera.serial, camera.width, camera.height, board, lens)


def open_samples(folder: Path) -> SampleFolder:
    """The samples of a folder that exists. Raises DataError."""
    return SampleFolder(folder, read_session(folder))


def read_image(path: Path) -> np.ndarray:
    """uint8 RGB (h, w, 3) of a picture file. Raises DataError."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if image is None:
        raise DataError(f"{path} is no picture that can be read")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _read_samples(folder: Path, session: Session) -> list[tuple[int, Detection, np.ndarray | None]]:
    samples = []
    for path in sorted(folder.glob("sample_*.json")):
        try:
            stored: dict[str, Any] = json.loads(path.read_text())
            pose = stored["T_base_hand"]
            T = None if pose is None else np.array(pose, dtype=float).reshape(4, 4)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged ({error}); remove it and its picture") from error
        image = read_image(path.with_suffix(".png"))
        if image.shape[:2] != (session.height, session.width):
            raise CalibrationError(
                "resolution",
                f"{path.stem} has {image.shape[1]}x{image.shape[0]} pixels, the session "
                f"{session.width}x{session.height}",
            )
        try:
            samples.append((int(path.stem.split("_")[1]), find_board(image, session.board), T))
        except CalibrationError as error:
            raise CalibrationError(error.reason, f"{path.stem}: {error}") from error
    return samples


def _differences(found: Session, wanted: Session) -> str:
    keys = [f.name for f in dataclasses.fields(Session) if getattr(found, f.name) != getattr(wanted, f.name)]
    return ", ".join(f"{key} {getattr(found, key)!r} (wanted {getattr(wanted, key)!r})" for key in keys)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2) + "\n"
    replace_file(path, text.encode(), error=DataError, kept="the samples so far are safe")
