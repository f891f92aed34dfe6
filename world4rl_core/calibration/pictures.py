"""What calibration found, as pictures: corners, coverage, residuals, drift. All are uint8 RGB (h, w, 3)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from world4rl_core.calibration.board import Board, Detection, map_plane
from world4rl_core.calibration.coverage import WANTED, coverage, placement
from world4rl_core.calibration.drift import DriftReport, Reference
from world4rl_core.calibration.matching import Match
from world4rl_core.calibration.opencv import cv2

GREEN, AMBER, RED = (30, 160, 70), (225, 150, 20), (205, 45, 45)
BLUE, GREY, WHITE, BLACK = (40, 110, 220), (120, 120, 120), (255, 255, 255), (25, 25, 25)
COLOUR = {"OK": GREEN, "WARN": AMBER, "FAIL": RED}
BANNER_PX = 34
LINE_PX = 20
ARROW_SCALE = 5
MOST_ARROWS = 80


def corners_picture(image: np.ndarray, detection: Detection, *, caption: str = "") -> np.ndarray:
    """The picture with the corners that were found."""
    drawn = Image.fromarray(image)
    pen = ImageDraw.Draw(drawn)
    for x, y in detection.corners_px:
        pen.ellipse([x - 4, y - 4, x + 4, y + 4], outline=GREEN, width=2)
    return _with_banner(np.asarray(drawn), caption or f"{len(detection.ids)} corners", GREEN)


def coverage_picture(detections: Sequence[Detection], board: Board) -> np.ndarray:
    """Where the views showed the board, the four bars of coverage, and the next view to take."""
    width, height = detections[0].width, detections[0].height
    canvas = Image.new("RGB", (width, height + 5 * LINE_PX + 10), WHITE)
    pen = ImageDraw.Draw(canvas, "RGBA")
    pen.rectangle([0, 0, width - 1, height - 1], outline=GREY)
    for detection in detections:
        flat = board.points_m[detection.ids][:, :2]
        H, _ = cv2.findHomography(flat, detection.corners_px)
        outline = map_plane(H, board.outline_m[:, :2])
        shade = int(255 * placement(detection, board).skew)
        pen.polygon([tuple(p) for p in outline], fill=(40, 110, 220, 28), outline=(shade, 80, 255 - shade, 255))
    covered = coverage(detections, board)
    for row, key in enumerate(WANTED):
        y = height + 6 + row * LINE_PX
        share = getattr(covered, key)
        pen.text((8, y), key, fill=BLACK, font=_font(14))
        pen.rectangle([60, y + 3, width - 70, y + 15], outline=GREY)
        pen.rectangle([60, y + 3, 60 + share * (width - 130), y + 15], fill=GREEN if share >= 1 else AMBER)
        pen.text((width - 60, y), f"{share:.0%}", fill=BLACK, font=_font(14))
    text = f"{len(detections)} views: {covered.advice}"
    pen.text((8, height + 6 + 4 * LINE_PX), text, fill=GREEN if covered.is_enough else RED, font=_font(14))
    return np.asarray(canvas)


def residuals_picture(detections: Sequence[Detection], predicted_px: Sequence[np.ndarray], *, title: str) -> np.ndarray:
    """Every corner of every view with the way to where the solution puts it, enlarged ten times."""
    width, height = detections[0].width, detections[0].height
    canvas = Image.new("RGB", (width, height), WHITE)
    pen = ImageDraw.Draw(canvas)
    pen.rectangle([0, 0, width - 1, height - 1], outline=GREY)
    for detection, predicted in zip(detections, predicted_px, strict=True):
        for seen, wanted in zip(detection.corners_px, predicted, strict=True):
            size = float(np.linalg.norm(wanted - seen))
            colour = GREEN if size < 1 else AMBER if size < 3 else RED
            pen.line([tuple(seen), tuple(seen + 10 * (wanted - seen))], fill=colour, width=1)
            pen.ellipse([*(seen - 1), *(seen + 1)], fill=GREY)
    return _with_banner(np.asarray(canvas), title + " (lines are enlarged 10 times)", BLUE)


def drift_picture(live: np.ndarray, reference: Reference, report: DriftReport, match: Match | None) -> np.ndarray:
    """Reference and live picture side by side, arrows where points moved, an overlay below, and the findings."""
    overlay = _overlay(reference.image, live)
    left = _with_banner(reference.image, f"reference {reference.taken[:16]}", GREY)
    right = _with_banner(_arrows(live, match), f"live {report.checked[:16]}: {report.verdict}", COLOUR[report.verdict])
    below = _with_banner(overlay, "overlay: cyan then, red now", GREY)
    top = np.concatenate([left, right], axis=1)
    bottom = np.concatenate([below, _findings(report, below.shape[0], below.shape[1])], axis=1)
    return np.concatenate([top, bottom], axis=0)


def save_picture(path: Path, image: np.ndarray) -> Path:
    """Writes a PNG; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def _overlay(old: np.ndarray, live: np.ndarray) -> np.ndarray:
    first, second = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (old, live))
    return np.stack([second, first, first], axis=-1)


def _arrows(live: np.ndarray, match: Match | None) -> np.ndarray:
    drawn = Image.fromarray(live)
    if match is None:
        return np.asarray(drawn)
    pen = ImageDraw.Draw(drawn)
    for index in np.linspace(0, len(match.old) - 1, min(MOST_ARROWS, len(match.old))).astype(int):
        start, way = match.live[index], match.live[index] - match.old[index]
        size = float(np.linalg.norm(way)) * 640 / live.shape[1]
        colour = GREEN if size < 2 else AMBER if size < 5 else RED
        pen.ellipse([*(start - 2), *(start + 2)], outline=colour)
        pen.line([tuple(start - ARROW_SCALE * way), tuple(start)], fill=colour, width=1)
    return np.asarray(drawn)


def _findings(report: DriftReport, height: int, width: int) -> np.ndarray:
    canvas = Image.new("RGB", (width, height), WHITE)
    pen = ImageDraw.Draw(canvas)
    font, y = _font(max(13, width // 40)), 10
    pen.text(
        (10, y), f"{report.verdict}  {report.camera} ({report.serial})", fill=COLOUR[report.verdict], font=_font(22)
    )
    y += 40
    for finding in report.findings:
        pen.text((10, y), f"{finding.verdict}  {finding.name}", fill=COLOUR[finding.verdict], font=font)
        y += LINE_PX
        for line in _wrapped(finding.message, pen, font, width - 30):
            pen.text((24, y), line, fill=BLACK, font=font)
            y += LINE_PX
        y += 6
    pen.text(
        (10, height - 24), f"lines in the live picture are enlarged {ARROW_SCALE} times", fill=GREY, font=_font(13)
    )
    return np.asarray(canvas)


def _wrapped(text: str, pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, font=font) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _with_banner(image: np.ndarray, text: str, colour: tuple[int, int, int]) -> np.ndarray:
    canvas = Image.new("RGB", (image.shape[1], image.shape[0] + BANNER_PX), colour)
    canvas.paste(Image.fromarray(image), (0, BANNER_PX))
    ImageDraw.Draw(canvas).text((10, 8), text, fill=WHITE, font=_font(16))
    return np.asarray(canvas)


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
