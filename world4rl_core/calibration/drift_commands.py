"""`world4rl calibrate reference` and `world4rl calibrate drift`: the check before a session."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from world4rl_core.calibration.board import Board
from world4rl_core.calibration.drift import check_drift, load_reference, make_reference, save_reference
from world4rl_core.calibration.pictures import drift_picture, save_picture
from world4rl_core.calibration.samples import read_image
from world4rl_core.calibration.session import reference_folder
from world4rl_core.data.reader import DatasetReader
from world4rl_core.errors import CalibrationError, DataError
from world4rl_core.files import replace_file
from world4rl_core.rig import load_rig

MOST_EPISODES = 20


def reference(
    image: Path, rig: str, camera: str, *, data: Path | None = None, hand: Path | None = None, exposure_us: float = 0
) -> str:
    """Store a picture as what the camera should see; with `data`, its light is that of a dataset's frames.

    `hand` is a JSON file with T_base_hand as 16 numbers, for a camera on the hand.
    """
    one = load_rig(rig).camera(camera)
    stored = make_reference(
        read_image(image),
        one,
        now=datetime.now(UTC),
        training=None if data is None else _frames(data, camera),
        T_base_hand=_hand_pose(hand),
        exposure_us=exposure_us or None,
    )
    folder = reference_folder(rig)
    save_reference(folder, camera, stored)
    source = f"frames of {data}" if data else "this picture"
    return f"{folder / camera}.png; brightness {stored.light.brightness:.0f} of 255, by {source}"


def drift(
    image: Path,
    rig: str,
    camera: str,
    *,
    out: Path | None = None,
    hand: Path | None = None,
    exposure_us: float = 0,
) -> str:
    """Compare a live picture with the reference; writes a picture and a record for the dataset. FAIL exits 1."""
    one = load_rig(rig).camera(camera)
    stored = load_reference(reference_folder(rig), camera)
    live = read_image(image)
    report, match = check_drift(
        live,
        stored,
        one,
        now=datetime.now(UTC),
        board=Board(),
        exposure_us=exposure_us or None,
        T_base_hand=_hand_pose(hand),
    )
    folder = out or image.parent
    picture = save_picture(folder / f"drift_{camera}.png", drift_picture(live, stored, report, match))
    text = json.dumps(report.record(), indent=2) + "\n"
    for place in (folder, reference_folder(rig)):  # for the person, and for the next session's recorder
        replace_file(place / f"drift_{camera}.json", text.encode(), error=DataError, kept="nothing is lost")
    answer = f"{report.text()}\npicture: {picture}"
    if report.verdict == "FAIL":
        raise CalibrationError("drift", answer)
    return answer


def _frames(data: Path, camera: str) -> Iterator[np.ndarray]:
    """Every tenth frame of the first episodes."""
    reader = DatasetReader(data)
    for index in range(min(MOST_EPISODES, reader.num_episodes)):
        episode = reader.episode(index, cameras=[camera])
        yield from next(iter(episode.images.values()))[::10]


def _hand_pose(path: Path | None) -> np.ndarray | None:
    if path is None:
        return None
    try:
        return np.array(json.loads(path.read_text()), dtype=float).reshape(4, 4)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: wanted a JSON list of 16 numbers, T_base_hand row by row ({error})") from error
