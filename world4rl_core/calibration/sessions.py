"""`world4rl calibrate practice`: a cell that does not exist, with samples to learn the commands on, and its truth."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from world4rl_core.calibration.intrinsics import estimate_intrinsics
from world4rl_core.calibration.practice import LIMITS, Cell, board_in_front, hand_pictures, hand_poses, random_cell
from world4rl_core.calibration.samples import SampleFolder, Session
from world4rl_core.calibration.simulated import Noise, SimulatedCamera, add_noise, disturb
from world4rl_core.errors import CalibrationError, DataError

SERIAL = "practice-0001"
NOISE = Noise(blur_px=0.5, grain=3.0)


def practice(
    out: Path,
    *,
    mount: Literal["hand", "fixed"] = "hand",
    seed: int = 0,
    samples: int = 20,
    robot_mm: float = 1.5,
    robot_deg: float = 0.2,
) -> str:
    """Draw a calibration session in MuJoCo: pictures for intrinsics and hand-eye, a rig file, and the truth."""
    if (out / "rig.yaml").exists():
        raise DataError(f"{out} holds a practice session already; give another folder")
    rng = np.random.default_rng(seed)
    cell = random_cell("eye_in_hand" if mount == "hand" else "eye_to_hand", rng)
    optics = Session("intrinsics", "camera", SERIAL, 640, 480, cell.board)
    pose = Session(cell.mode, "camera", SERIAL, 640, 480, cell.board, cell.intrinsics)
    with SimulatedCamera(cell.board, cell.intrinsics) as camera:
        _take_views(SampleFolder(out / "intrinsics", optics), cell, camera, rng)
        folder = SampleFolder(out / "hand-eye", pose)
        for T, image in hand_pictures(cell, camera, hand_poses(cell, samples + 5, rng)):
            read = disturb(T, position_m=robot_mm / 1000, angle_rad=np.radians(robot_deg), rng=rng)
            seed = int(rng.integers(2**31))
            try:
                folder.take(add_noise(image, NOISE, seed=seed), time_s=0.0, serial=SERIAL, T_base_hand=read)
            except CalibrationError:  # the planned pose lost the board: a person takes the next one
                continue
            if len(folder.views) == samples:
                break
    (out / "rig.yaml").write_text(_rig(mount))
    truth: dict[str, Any] = {"T_parent_cam": cell.T_parent_cam.tolist(), "intrinsics": vars(cell.intrinsics)}
    (out / "truth.json").write_text(json.dumps(truth, indent=2) + "\n")
    rig = out / "rig.yaml"
    return (
        f"now: world4rl calibrate intrinsics {out / 'intrinsics'} --rig {rig}\n"
        f"then: world4rl calibrate hand-eye {out / 'hand-eye'} --rig {rig}\n"
        f"and compare with {out / 'truth.json'}"
    )


def _take_views(folder: SampleFolder, cell: Cell, camera: SimulatedCamera, rng: np.random.Generator) -> None:
    aside = np.eye(4)
    aside[:3, 3] = [0.5, 0.0, 0.5]
    for T in board_in_front(cell.board, cell.intrinsics, 80, rng):
        image = camera.picture(aside, aside @ T, noise=NOISE, seed=int(rng.integers(2**31)))
        try:
            progress = folder.take(image, time_s=0.0, serial=SERIAL)
            if progress.count >= 20:
                estimate_intrinsics(folder.detections, cell.board)
                return
        except CalibrationError:  # the picture or the set is refused: a person takes another picture
            continue


def _rig(mount: str) -> str:
    """A rig file for the practice cell."""
    limits = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(LIMITS).items()}
    robot = {"model": "panda", "host": "127.0.0.1", "realtime": False}
    camera = {"name": "camera", "serial": SERIAL, "mount": mount, "width": 640, "height": 480}
    text = yaml.safe_dump(
        {"name": "practice", "robot": robot, "limits": limits}, sort_keys=False, default_flow_style=None
    )
    return (
        "# A practice cell: it exists only in MuJoCo.\n" + text + yaml.safe_dump({"cameras": [camera]}, sort_keys=False)
    )
