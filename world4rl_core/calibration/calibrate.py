"""`world4rl calibrate …`: from folders of samples to the rig file, with a picture of everything."""

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from world4rl_core.calibration.board import Board
from world4rl_core.calibration.camera_pose import PoseResult, calibrate_pose
from world4rl_core.calibration.intrinsics import IntrinsicsResult, estimate_intrinsics
from world4rl_core.calibration.pictures import (
    corners_picture,
    coverage_picture,
    residuals_picture,
    save_picture,
)
from world4rl_core.calibration.printing import print_page
from world4rl_core.calibration.refinement import problem_of
from world4rl_core.calibration.reprojection import Solution, project
from world4rl_core.calibration.samples import SampleFolder, open_samples, read_image
from world4rl_core.calibration.saving import save_camera
from world4rl_core.errors import ConfigError, DataError
from world4rl_core.files import replace_file
from world4rl_core.hand_eye import MOUNTS
from world4rl_core.optics import CalibrationRecord, Intrinsics
from world4rl_core.rig import load_rig, rig_path


def board(
    out: Path = Path("board.pdf"),
    *,
    columns: int = Board.columns,
    rows: int = Board.rows,
    square_mm: float = 1000 * Board.square_m,
    marker_mm: float = 1000 * Board.marker_m,
    dictionary: str = Board.dictionary,
) -> Path:
    """Write a ChArUco board as a PDF page, A4, to be printed at 100 %."""
    return print_page(Board(columns, rows, square_mm / 1000, marker_mm / 1000, dictionary), out)


def intrinsics(samples: Path, *, rig: str | None = None) -> str:
    """Estimate a camera's intrinsics from a folder of samples; store them in the rig file where one is given."""
    folder = open_samples(samples)
    if folder.session.task != "intrinsics":
        raise DataError(f"{samples} holds samples for {folder.session.task}; use `world4rl calibrate hand-eye`")
    if folder.detections:
        save_picture(samples / "coverage.png", coverage_picture(folder.detections, folder.session.board))
    result = estimate_intrinsics(folder.detections, folder.session.board)
    found = result.intrinsics
    _write_result(samples, {"intrinsics": dataclasses.asdict(found), **_plain(result, but=("intrinsics", "coverage"))})
    lines = [
        f"focal length {found.fx:.1f}, {found.fy:.1f} px (+- {result.std_focal:.2%}); centre {found.cx:.1f}, "
        f"{found.cy:.1f}",
        f"reprojection error {result.rms_px:.2f} px, held out {result.held_out_px:.2f} px; {_views_line(result)}",
        f"pictures: {samples / 'coverage.png'}",
    ]
    if rig is not None:
        kept = save_camera(rig_path(rig), folder.session.camera, now=datetime.now(UTC), intrinsics=found)
        lines.append(_saved(rig, kept))
    return "\n".join(lines)


def hand_eye(samples: Path, *, rig: str | None = None, force: bool = False) -> str:
    """Compute a camera's pose from a folder of samples; store it in the rig file where one is given."""
    folder = open_samples(samples)
    session = folder.session
    if session.task == "intrinsics":
        raise DataError(f"{samples} holds samples for intrinsics; use `world4rl calibrate intrinsics`")
    optics = _optics(folder, rig)
    result = calibrate_pose(folder.views, session.board, optics, mode=session.task)
    _draw(folder, result, optics)
    _write_result(samples, _plain(result, but=("closed_forms",)))
    parent = "hand" if session.task == "eye_in_hand" else "base"
    x, y, z = 1000 * result.T_parent_cam[:3, 3]
    lines = [
        f"camera {session.camera} at x {x:.1f}, y {y:.1f}, z {z:.1f} mm in {parent}; "
        f"expected error {result.std_mm:.2f} mm, {result.std_deg:.3f} degrees",
        f"held out: {result.held_out_px:.2f} px, {result.held_out_mm:.2f} mm, {result.held_out_deg:.3f} degrees; "
        f"one robot pose is {result.robot_mm:.2f} mm and {result.robot_deg:.3f} degrees off",
        f"{_views_line(result)}; pictures: {samples / 'residuals.png'}, {samples / 'corners.png'}",
    ]
    if rig is not None:
        now = datetime.now(UTC)
        record = CalibrationRecord(
            now.isoformat(timespec="seconds"), len(result.used), result.held_out_px, result.std_mm, result.std_deg
        )
        kept = save_camera(
            rig_path(rig),
            session.camera,
            now=now,
            intrinsics=optics,
            T_parent_cam=result.T_parent_cam,
            record=record,
            is_forced=force,
        )
        lines.append(_saved(rig, kept))
    return "\n".join(lines)


def _optics(folder: SampleFolder, rig: str | None) -> Intrinsics:
    """The rig file's intrinsics where it has some for this camera, otherwise those of the session."""
    session = folder.session
    if rig is not None:
        camera = load_rig(rig).camera(session.camera)
        if MOUNTS[camera.mount] != session.task:
            raise ConfigError(
                f"the samples are for {session.task}, but {camera.name!r} is mounted on: {camera.mount}; "
                "correct `mount` in the rig file, or take samples for the right camera"
            )
        if camera.serial != session.serial:
            raise ConfigError(
                f"the samples are of camera {session.serial}, {camera.name!r} in the rig is {camera.serial}"
            )
        if camera.intrinsics is not None:
            return camera.intrinsics
    assert session.intrinsics is not None
    return session.intrinsics


def _draw(folder: SampleFolder, result: PoseResult, optics: Intrinsics) -> None:
    views = [folder.views[i] for i in result.used]
    problem = problem_of(views, folder.session.board, optics, mode=result.mode)
    poses = problem.T_cam_board(Solution(result.T_parent_cam, result.T_board[None]))
    points = folder.session.board.points_m
    predicted = [
        project(points[view.detection.ids] @ T[:3, :3].T + T[:3, 3], optics)
        for view, T in zip(views, poses, strict=True)
    ]
    title = f"{len(views)} samples, {result.rms_px:.1f} px"
    picture = residuals_picture([view.detection for view in views], predicted, title=title)
    save_picture(folder.folder / "residuals.png", picture)
    newest = sorted(folder.folder.glob("sample_*.png"))[-1]
    save_picture(folder.folder / "corners.png", corners_picture(read_image(newest), folder.detections[-1]))


def _plain(result: Any, *, but: tuple[str, ...]) -> dict[str, Any]:
    values = {field.name: getattr(result, field.name) for field in dataclasses.fields(result) if field.name not in but}
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in values.items()}


def _write_result(folder: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2) + "\n"
    replace_file(folder / "result.json", text.encode(), error=DataError, kept="the samples are safe")


def _views_line(result: IntrinsicsResult | PoseResult) -> str:
    left_out = f", left out as outliers: {', '.join(str(i + 1) for i in result.rejected)}" if result.rejected else ""
    return f"{len(result.used)} samples{left_out}"


def _saved(rig: str, kept: Path | None) -> str:
    return f"saved in {rig_path(rig)}; the file before is {kept}" if kept else f"{rig_path(rig)} already says so"
