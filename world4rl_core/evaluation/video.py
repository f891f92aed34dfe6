"""Film strips (PNG) and side-by-side films (MP4) of recorded and imagined episodes. Frames are uint8 RGB `t h w c`."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import av.error
import numpy as np
from einops import repeat
from jaxtyping import UInt8
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from world4rl_core.errors import DataError
from world4rl_core.nets.checkpoint import write_atomically

# The underscores keep sizes apart: one function may take films and return pictures of other sizes.
Film = UInt8[np.ndarray, "_time _height _width 3"]
Picture = UInt8[np.ndarray, "_height _width 3"]

INK, PAPER, GAP = (40, 40, 40), (255, 255, 255), 4
TILE = 96  # pixels that a frame's height is enlarged to, at least
MARGIN, LINE = 92, 22


def difference(real: Film, imagined: Film, *, gain: float = 2.0) -> Film:
    """|real - imagined|, its largest channel, `gain` times brighter, as grey frames."""
    apart = np.abs(real.astype(np.int16) - imagined.astype(np.int16)).max(axis=-1) * gain
    return repeat(np.clip(apart, 0, 255).astype(np.uint8), "t h w -> t h w c", c=3)


def comparison_strip(real: Film, imagined: Film, *, fps: float, title: str = "", columns: int = 10) -> Picture:
    """Real over imagined over their difference, at `columns` times spread over the episode, first and last included."""
    if real.shape != imagined.shape:
        raise DataError(f"a strip needs films of one shape, got real {real.shape} and imagined {imagined.shape}")
    steps = sorted({int(step) for step in np.linspace(0, len(real) - 1, num=columns).round()})
    rows = {"real": real, "imagined": imagined, "difference": difference(real, imagined)}
    return film_strip(rows, steps=steps, fps=fps, title=title)


def film_strip(rows: Mapping[str, Film], *, steps: Sequence[int], fps: float, title: str = "") -> Picture:
    """One row of frames per name, one column per step, with row names, times (step and seconds) and a title."""
    films = {name: enlarge(film[list(steps)]) for name, film in rows.items()}
    height, width = next(iter(films.values())).shape[1:3]
    head = LINE * (2 if title else 1)
    canvas = Pillow.new("RGB", (MARGIN + len(steps) * (width + GAP), head + len(films) * (height + GAP)), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=13)
    if title:
        draw.text((GAP, LINE / 2), title, INK, font, anchor="lm")
    for column, step in enumerate(steps):
        middle = MARGIN + column * (width + GAP) + width / 2
        draw.text((middle, head - LINE / 2), f"{step} · {step / fps:.1f} s", INK, font, anchor="mm")
    for row, (name, film) in enumerate(films.items()):
        top = head + row * (height + GAP)
        draw.text((MARGIN - 2 * GAP, top + height / 2), name, INK, font, anchor="rm")
        for column, frame in enumerate(film):
            canvas.paste(Pillow.fromarray(frame), (MARGIN + column * (width + GAP), top))
    return np.asarray(canvas)


def side_by_side(films: Mapping[str, Film]) -> Film:
    """Films next to each other under their names; a film that ends early keeps its last frame."""
    longest = max(len(film) for film in films.values())
    parts = []
    for name, film in films.items():
        film = enlarge(film)
        film = np.concatenate((film, np.repeat(film[-1:], longest - len(film), axis=0)))
        parts.append(np.concatenate((_banner(name, width=film.shape[2], frames=longest), film), axis=1))
    tallest = max(part.shape[1] for part in parts)
    spaced: list[np.ndarray] = []
    for part in parts:
        spaced += [np.full((longest, tallest, GAP, 3), 255, np.uint8)] if spaced else []
        spaced.append(np.pad(part, ((0, 0), (0, tallest - part.shape[1]), (0, 0), (0, 0))))
    return np.concatenate(spaced, axis=2)


def enlarge(film: Film) -> Film:
    """Whole-number enlargement without smoothing, so that a frame is at least TILE pixels high."""
    factor = max(1, -(-TILE // film.shape[1]))
    return repeat(film, "t h w c -> t (h a) (w b) c", a=factor, b=factor)


def png_bytes(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def write_png(path: Path, picture: Picture) -> Path:
    """Write the picture in one step: the file is whole or absent."""
    write_atomically(path, png_bytes(picture))
    return path


def write_mp4(path: Path, film: Film, *, fps: float) -> Path:
    """Write H.264 in 4:2:0, which every browser plays; odd edges gain one black pixel. The file is whole or absent."""
    if len(film) == 0 or fps <= 0:
        raise DataError(f"a film needs frames and a positive rate, got {len(film)} frames at {fps} fps")
    film = np.pad(film, ((0, 0), (0, film.shape[1] % 2), (0, film.shape[2] % 2), (0, 0)))
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=max(1, round(fps)), options={"crf": "18", "preset": "fast"})
        stream.height, stream.width = film.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in film:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    write_atomically(path, buffer.getvalue())
    return path


def read_mp4(path: Path) -> tuple[Film, float]:
    """All frames of a film and its rate in Hz. Raises DataError when it cannot be decoded."""
    try:
        with av.open(str(path)) as container:
            rate = container.streams.video[0].average_rate
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (OSError, IndexError, av.error.FFmpegError) as error:
        raise DataError(f"{path}: no film can be read there ({error}); record it again") from error
    if not frames or rate is None:
        raise DataError(f"{path}: the film has no frames; record it again")
    return np.stack(frames), float(rate)


def _banner(text: str, *, width: int, frames: int) -> Film:
    picture = Pillow.new("RGB", (width, LINE), PAPER)
    ImageDraw.Draw(picture).text((width / 2, LINE / 2), text, INK, ImageFont.load_default(size=13), anchor="mm")
    return np.repeat(np.asarray(picture)[None], frames, axis=0)
