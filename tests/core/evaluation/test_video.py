"""Film strips and films."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from world4rl_core.errors import DataError
from world4rl_core.evaluation import video


def moving_square(*, steps: int = 12, size: int = 16, speed: int = 1) -> np.ndarray:
    film = np.full((steps, size, size, 3), 60, dtype=np.uint8)
    for step in range(steps):
        left = min(step * speed, size - 4)
        film[step, 6:10, left : left + 4] = (230, 90, 40)
    return film


def test_difference_is_black_where_frames_agree_and_bright_where_they_do_not() -> None:
    real, imagined = moving_square(), moving_square(speed=0)
    apart = video.difference(real, imagined)
    assert apart[0].max() == 0
    assert apart[6].max() == 255
    assert apart[6, 0].max() == 0


def test_strip_shows_first_and_last_step_and_grows_with_its_columns() -> None:
    real = moving_square()
    strip = video.comparison_strip(real, moving_square(speed=0), fps=10, title="episode 3 (policy)", columns=5)
    tile = video.enlarge(real[:1]).shape[1]
    assert strip.shape == (2 * video.LINE + 3 * (tile + video.GAP), video.MARGIN + 5 * (tile + video.GAP), 3)
    first = strip[2 * video.LINE :][:tile, video.MARGIN :][:, :tile]
    np.testing.assert_array_equal(first, video.enlarge(real[:1])[0])


def test_a_short_film_is_shown_whole() -> None:
    real = moving_square(steps=3)
    strip = video.comparison_strip(real, real, fps=10, columns=10)
    assert strip.shape[1] == video.MARGIN + 3 * (96 + video.GAP)


def test_strips_of_unequal_films_are_refused() -> None:
    with pytest.raises(DataError, match="films of one shape"):
        video.comparison_strip(moving_square(steps=4), moving_square(steps=5), fps=10)


def test_png_round_trips(tmp_path: Path) -> None:
    picture = video.comparison_strip(moving_square(), moving_square(), fps=10)
    path = video.write_png(tmp_path / "strips" / "one.png", picture)
    np.testing.assert_array_equal(np.asarray(Pillow.open(io.BytesIO(path.read_bytes()))), picture)
    assert [file.name for file in path.parent.iterdir()] == ["one.png"]


def test_mp4_plays_back_with_every_frame(tmp_path: Path) -> None:
    film = video.side_by_side({"cloned": moving_square(steps=7), "refined": moving_square(steps=12)})[:, 1:]
    path = video.write_mp4(tmp_path / "film.mp4", film, fps=10)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 10
    assert len(frames) == 12
    height, width = film.shape[1:3]
    error = np.abs(frames[-1][:height, :width].astype(int) - film[-1].astype(int)).mean()
    assert error < 4


def test_an_empty_film_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs frames"):
        video.write_mp4(tmp_path / "film.mp4", moving_square(steps=0), fps=10)
    assert not (tmp_path / "film.mp4").exists()
