"""The board as a page to print, with a ruler that shows whether the printer kept the scale."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from world4rl_core.calibration.board import Board
from world4rl_core.errors import ConfigError

PAGE_MM = (297.0, 210.0)
DPI = 300
RULER_MM = 100


def print_page(board: Board, out: Path) -> Path:
    """Writes an A4 page, landscape, as PDF or PNG. Raises ConfigError for a board that does not fit on it."""
    width_mm, height_mm = 1000 * board.width_m, 1000 * board.height_m
    if width_mm > PAGE_MM[0] - 10 or height_mm > PAGE_MM[1] - 8:
        raise ConfigError(
            f"a board of {width_mm:.0f} x {height_mm:.0f} mm does not fit on A4 ({PAGE_MM[0]:.0f} x {PAGE_MM[1]:.0f} "
            "mm with "
            "an edge of 5 mm); take fewer or smaller squares"
        )
    if out.suffix.lower() not in (".pdf", ".png"):
        raise ConfigError(f"{out}: a page is written as .pdf or .png")
    page = Image.new("L", (_px(PAGE_MM[0]), _px(PAGE_MM[1])), 255)
    square_px = _px(1000 * board.square_m)
    squares = Image.fromarray(board.picture(square_px)).resize(
        (_px(width_mm), _px(height_mm)), Image.Resampling.NEAREST
    )
    left, top = (page.width - squares.width) // 2, _px(1.5)
    page.paste(squares, (left, top))
    _caption(page, board, y=top + squares.height)
    out.parent.mkdir(parents=True, exist_ok=True)
    page.save(out, resolution=DPI)
    return out


def _caption(page: Image.Image, board: Board, *, y: int) -> None:
    pen = ImageDraw.Draw(page)
    left = _px(10)
    middle = y + _px(3.5)
    pen.line([(left, middle), (left + _px(RULER_MM), middle)], fill=0, width=4)
    for end in (left, left + _px(RULER_MM)):
        pen.line([(end, middle - _px(1.5)), (end, middle + _px(1.5))], fill=0, width=4)
    text = (
        f"{RULER_MM} mm: measure it. {board.columns} x {board.rows} squares of {1000 * board.square_m:g} mm, markers "
        f"{1000 * board.marker_m:g} mm, {board.dictionary}. Print at 100 %, glue it flat."
    )
    pen.text((left + _px(RULER_MM + 4), middle - _px(1.6)), text, fill=0, font=ImageFont.load_default(34))


def _px(mm: float) -> int:
    return round(mm / 25.4 * DPI)
