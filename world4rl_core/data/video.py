"""One mp4 per camera and episode, through PyAV; reading also takes an mp4 of lerobot's that holds many episodes."""

from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from world4rl_core.errors import DataError

CODEC = "libx264"
OPTIONS = {"g": "2", "crf": "18", "preset": "veryfast"}  # a key frame every second frame: seeking stays cheap
SEEK_MARGIN_S = 1e-4


def encode_video(path: Path, frames: np.ndarray, *, fps: int) -> None:
    """Write uint8 RGB (rows, h, w, 3) as h264 and decode it again to count its frames.

    Raises DataError when the file does not hold every frame, OSError when the disk does not take it.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODEC, rate=fps, options=OPTIONS)
        if not isinstance(stream, VideoStream):
            raise DataError(f"{path}: PyAV has no video encoder {CODEC}; reinstall `av`")
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    decoded = count_frames(path)
    if decoded != len(frames):
        raise DataError(f"{path}: {decoded} frames decode, {len(frames)} were recorded; the episode is not kept")


def count_frames(path: Path) -> int:
    """Number of frames that decode, not what the header claims."""
    with _opened(path) as container:
        return sum(1 for _ in container.decode(video=0))


def decode_video(path: Path, *, start_s: float, rows: int, fps: float) -> np.ndarray:
    """The `rows` frames from `start_s` on, uint8 RGB (rows, h, w, 3).

    Raises DataError when the file is missing, damaged or holds no frame for one of the rows.
    """
    frames: np.ndarray | None = None
    filled = np.zeros(rows, dtype=bool)
    for time_s, frame in _frames_from(path, start_s):
        row = round((time_s - start_s) * fps)
        if row >= rows:
            break
        if row < 0 or abs((time_s - start_s) * fps - row) > 0.25:
            continue
        if frames is None:
            frames = np.empty((rows, frame.height, frame.width, 3), dtype=np.uint8)
        frames[row] = frame.to_ndarray(format="rgb24")
        filled[row] = True
    if frames is None or not filled.all():
        missing = int(np.argmin(filled))
        raise DataError(
            f"{path}: no frame at {start_s + missing / fps:.3f} s (row {missing} of {rows}); restore the file"
        )
    return frames


def _frames_from(path: Path, start_s: float) -> Iterator[tuple[float, VideoFrame]]:
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        base = stream.time_base
        if base is None:
            raise DataError(f"{path}: the video stream has no time base; re-encode the file")
        container.seek(max(0, int((start_s - SEEK_MARGIN_S) / base)), stream=stream, backward=True)
        try:
            for frame in container.decode(stream):
                if frame.pts is not None:
                    yield float(frame.pts * base), frame
        except av.error.FFmpegError as error:
            raise DataError(f"{path}: damaged video ({error}); restore the file") from error


def _opened(path: Path) -> InputContainer:
    try:
        container = av.open(str(path))
    except (OSError, av.error.FFmpegError) as error:
        raise DataError(f"{path}: cannot open the video ({error}); restore the file") from error
    if not container.streams.video:
        container.close()
        raise DataError(f"{path}: holds no video stream; restore the file")
    return container
