"""How true calibration is: `python -m benchmarks.calibration` prints one JSON line.

In random cells, drawn by MuJoCo with a known truth: intrinsics from 24 pictures of a board or a few more, then the
camera's pose from 30 samples at hand poses planned from a guess that is 2 cm and 5 degrees off. Noisy: blurred, grainy
pictures and hand poses that are 1 to 2 mm and 0.2 degrees wrong; the estimated intrinsics are used. Clean: no
noise and the true intrinsics. The baseline is Tsai's method alone (OpenCV's default) on the same data.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from scipy.stats import spearmanr

from world4rl_core.calibration.board import Detection, find_board
from world4rl_core.calibration.camera_pose import PoseResult, calibrate_pose
from world4rl_core.calibration.intrinsics import estimate_intrinsics
from world4rl_core.calibration.practice import (
    Cell,
    board_in_front,
    hand_pictures,
    hand_poses,
    random_cell,
)
from world4rl_core.calibration.reprojection import View
from world4rl_core.calibration.simulated import Noise, SimulatedCamera, add_noise, disturb
from world4rl_core.errors import CalibrationError
from world4rl_core.geometry import pose_distance
from world4rl_core.hand_eye import Mode
from world4rl_core.optics import Intrinsics

ROBOT_RAD = np.radians(0.2)
LEVELS = (0.5, 1.0, 2.0, 4.0)
"""Multiples of the robot's stated noise over which held-out and true error are correlated."""
GOALS = {"intrinsics_percent": 0.5, "noisy": (2.0, 0.3), "clean": (0.5, 0.05)}


@dataclass(frozen=True)
class Config:
    """Options of `python -m benchmarks.calibration`."""

    truths: int = 20
    """Random cells for each arrangement."""
    samples: int = 30
    views: int = 24
    """Pictures for the intrinsics."""
    seed: int = 0
    modes: tuple[Mode, ...] = ("eye_in_hand", "eye_to_hand")
    cells: Path | None = None
    """File of finished cells, one JSON line each: what is there is not measured again, what is new is added."""


def main(config: Config) -> dict[str, Any]:
    """Calibrate in every cell; returns what is printed."""
    started = time.perf_counter()
    table: dict[str, Any] = {"benchmark": "calibration", "truths": config.truths, "samples": config.samples}
    for mode in config.modes:
        table[mode] = summary([_cell(mode, config, number) for number in range(config.truths)])
    table["goals"] = GOALS
    table["minutes"] = round((time.perf_counter() - started) / 60, 1)  # without the cells of the file
    return table


def _cell(mode: Mode, config: Config, number: int) -> dict[str, Any]:
    """One cell, from the file of cells or measured now."""
    key = {"mode": mode, "cell": number, "of": [config.samples, config.views, config.seed]}
    if config.cells is not None and config.cells.exists():
        for line in config.cells.read_text().splitlines():
            row = json.loads(line)
            if key.items() <= row.items():
                return row
    row = key | measure(mode, config, number)
    if config.cells is not None:
        with config.cells.open("a") as file:
            file.write(json.dumps(row) + "\n")
    return row


def measure(mode: Mode, config: Config, number: int) -> dict[str, Any]:
    """All errors in one cell."""
    rng = np.random.default_rng([config.seed, number, len(mode)])  # both arrangements draw the same cameras
    cell = random_cell(mode, rng)
    noise = Noise(blur_px=float(rng.uniform(0.3, 0.7)), grain=3.0)
    with SimulatedCamera(cell.board, cell.intrinsics) as camera:
        intrinsics, focal_percent, centre_px = _intrinsics(cell, camera, noise, config.views, rng)
        taken = list(hand_pictures(cell, camera, hand_poses(cell, config.samples, rng)))
    clean = _views(cell, [(T, image) for T, image in taken])
    noisy = _views(cell, [(T, add_noise(image, noise, seed=k)) for k, (T, image) in enumerate(taken)])
    length_m = rng.uniform(0.001, 0.002, len(noisy))
    row: dict[str, Any] = {"intrinsics_percent": focal_percent, "centre_px": centre_px, "samples": len(noisy)}
    row["clean"] = _errors(cell, calibrate_pose(clean, cell.board, cell.intrinsics, mode=mode))
    row["clean_own_intrinsics"] = _errors(cell, calibrate_pose(clean, cell.board, intrinsics, mode=mode))
    row["levels"] = []
    for level in LEVELS:
        views = _disturbed(noisy, level * length_m, level * ROBOT_RAD, rng)
        try:
            errors = _errors(cell, calibrate_pose(views, cell.board, intrinsics, mode=mode))
        except CalibrationError as refusal:
            if level <= 1:
                raise
            row["levels"].append({"level": level, "refused": refusal.reason})
            continue
        row["levels"].append({"level": level, **errors})
    row["noisy"] = row["levels"][LEVELS.index(1.0)]
    return row


def summary(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians, maxima and correlations over the cells of one arrangement."""
    table: dict[str, Any] = {
        "intrinsics_percent": _spread([cell["intrinsics_percent"] for cell in cells]),
        "principal_point_px": _spread([cell["centre_px"] for cell in cells]),
        "samples": _spread([cell["samples"] for cell in cells]),
    }
    for kind in ("noisy", "clean", "clean_own_intrinsics"):
        keys = ("mm", "deg", "tsai_mm", "tsai_deg", "held_out_px", "std_mm", "std_deg")
        table[kind] = {key: _spread([cell[kind][key] for cell in cells]) for key in keys}
    levels = [level for cell in cells for level in cell["levels"] if "mm" in level]
    table["correlation"] = {
        f"{predictor}~{truth}": round(
            float(spearmanr([v[predictor] for v in levels], [v[truth] for v in levels])[0]), 3
        )
        for predictor in ("held_out_px", "held_out_mm", "std_mm")
        for truth in ("mm", "deg")
    }
    table["correlation"]["points"] = len(levels)
    refused = [level["level"] for cell in cells for level in cell["levels"] if "refused" in level]
    table["refused_at_noise_level"] = sorted(refused)
    alone = [cell["noisy"] for cell in cells]
    within = spearmanr([v["held_out_mm"] for v in alone], [v["mm"] for v in alone])[0] if len(alone) > 2 else np.nan
    table["correlation"]["held_out_mm~mm at the stated noise alone"] = round(float(within), 3)
    return table


def _intrinsics(
    cell: Cell, camera: SimulatedCamera, noise: Noise, count: int, rng: np.random.Generator
) -> tuple[Intrinsics, float, float]:
    """Estimated intrinsics, larger error of a focal length in percent, error of the principal point in pixels."""
    detections: list[Detection] = []
    truth, aside = cell.intrinsics, np.eye(4)
    aside[:3, 3] = [0.5, 0.0, 0.5]
    for k, T in enumerate(board_in_front(cell.board, truth, 4 * count, rng)):
        try:
            detections.append(find_board(camera.picture(aside, aside @ T, noise=noise, seed=k), cell.board))
            if len(detections) < count:
                continue
            found = estimate_intrinsics(detections, cell.board).intrinsics
        except CalibrationError:  # the picture or the set is refused: a person takes another picture
            continue
        focal = max(abs(found.fx / truth.fx - 1), abs(found.fy / truth.fy - 1))
        return found, 100 * focal, float(np.hypot(found.cx - truth.cx, found.cy - truth.cy))
    raise SystemExit(f"{4 * count} pictures did not give intrinsics")


def _views(cell: Cell, taken: list[tuple[np.ndarray, np.ndarray]]) -> list[View]:
    views = []
    for T, image in taken:
        try:
            views.append(View(find_board(image, cell.board), T))
        except CalibrationError:  # the guess was off, and the board partly outside
            continue
    return views


def _disturbed(views: list[View], length_m: np.ndarray, angle_rad: float, rng: np.random.Generator) -> list[View]:
    return [
        View(view.detection, disturb(view.T_base_hand, position_m=float(length), angle_rad=angle_rad, rng=rng))
        for view, length in zip(views, length_m, strict=True)
    ]


def _errors(cell: Cell, result: PoseResult) -> dict[str, float]:
    mm, deg = pose_distance(result.T_parent_cam, cell.T_parent_cam)
    tsai_mm, tsai_deg = pose_distance(result.closed_forms["tsai"], cell.T_parent_cam)
    return {
        "mm": mm,
        "deg": deg,
        "tsai_mm": tsai_mm,
        "tsai_deg": tsai_deg,
        "held_out_px": result.held_out_px,
        "held_out_mm": result.held_out_mm,
        "std_mm": result.std_mm,
        "std_deg": result.std_deg,
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(float(np.median(values)), 3), "max": round(float(np.max(values)), 3)}


if __name__ == "__main__":
    print(json.dumps(main(tyro.cli(Config, description=__doc__))))
