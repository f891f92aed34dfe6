"""`world4rl data view`: an episode as a contact sheet (PNG) and as a film (MP4)."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from world4rl_core.data.episode import Episode
from world4rl_core.data.frames import resize
from world4rl_core.data.reader import DatasetReader
from world4rl_core.data.video import encode_video
from world4rl_core.errors import DataError

SMALLEST_SIDE_PX = 96
LARGEST_SIDE_PX = 256
MOST_TILES = 24
SHEET_COLUMNS = 6
CAPTION_PX = 14
GREEN = (40, 200, 80)
GREY = (60, 60, 60)


def view(root: Path, *, episode: int = 0, out: Path = Path("view")) -> list[Path]:
    """Write `<dataset>-<episode>.png` and `.mp4` into `out` and return their paths.

    Cameras lie side by side, a green caption marks success. Raises DataError for an unknown episode, or when `out`
    cannot be written.
    """
    reader = DatasetReader(root)
    shown = reader.episode(episode)
    frames = _side_by_side(shown)
    stem = f"{reader.root.resolve().name}-{episode:06d}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        sheet, film = out / f"{stem}.png", out / f"{stem}.mp4"
        _contact_sheet(frames, shown).save(sheet)
        encode_video(film, _even(frames), fps=max(1, round(reader.fps)))
    except OSError as error:
        raise DataError(f"{out}: cannot write the view ({error.strerror or error}); choose another folder") from error
    return [sheet, film]


def _side_by_side(episode: Episode) -> np.ndarray:
    """All cameras at one height, uint8 (rows, h, w, 3); small frames are enlarged by whole pixels."""
    views = []
    largest = max(frames.shape[1] for frames in episode.images.values())
    height = max(SMALLEST_SIDE_PX // largest, 1) * largest if largest < SMALLEST_SIDE_PX else largest
    height = min(height, LARGEST_SIDE_PX)
    for camera in sorted(episode.images):
        frames = episode.images[camera]
        width = max(1, round(frames.shape[2] * height / frames.shape[1]))
        views.append(resize(frames, (height, width)))
    return np.concatenate(views, axis=2)


def _even(frames: np.ndarray) -> np.ndarray:
    """The same frames with an even height and width, as h264 wants them."""
    return np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")


def _contact_sheet(frames: np.ndarray, episode: Episode) -> Image.Image:
    rows = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MOST_TILES)).round().astype(np.int64))
    height, width = frames.shape[1:3]
    columns = min(SHEET_COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (columns * width, CAPTION_PX + lines * (height + CAPTION_PX)), GREY)
    draw = ImageDraw.Draw(sheet)
    draw.text((2, 1), f"{episode.task} | {episode.source} | {episode.outcome} | seed {episode.seed}", fill="white")
    for place, row in enumerate(rows):
        left, top = (place % columns) * width, CAPTION_PX + (place // columns) * (height + CAPTION_PX)
        succeeded = bool(episode.success[row])
        sheet.paste(Image.fromarray(frames[row]), (left, top + CAPTION_PX))
        draw.text((left + 2, top + 1), f"{row}{' success' if succeeded else ''}", fill=GREEN if succeeded else "white")
    return sheet
