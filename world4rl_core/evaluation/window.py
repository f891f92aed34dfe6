"""A window in a process of its own: OpenCV's hangs in one that has PyAV's libraries loaded, as ours has."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
from jaxtyping import UInt8

HEIGHT = 480
"""Least height, in pixels."""
ANSWER_S = 20.0


class Window:
    """Shows a picture and returns the key pressed in it; says once, and does nothing more, where none can be opened."""

    def __init__(self, title: str, tell: Callable[[str], object]) -> None:
        self._tell, self._pipe = tell, None
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            self._give_up()
            return
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(title, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def show(self, image: UInt8[np.ndarray, "height width 3"]) -> str:
        if self._pipe is None:
            return ""
        try:
            self._pipe.send(image)
            if self._pipe.poll(ANSWER_S):
                return self._pipe.recv()
        except (EOFError, OSError):  # it has ended: no display answers, or OpenCV has no windows
            pass
        self.close()
        self._give_up()
        return ""

    def close(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
            self._process.terminate()
            self._pipe = None

    def _give_up(self) -> None:
        self._tell("no window can be opened here: the dream is seen in its film, afterwards")


def serve(title: str, pipe: Connection) -> None:
    """The other process: a picture comes in, the key that was pressed goes out."""
    import cv2

    while True:
        try:
            image = pipe.recv()
        except EOFError:
            return
        scale = max(1, round(HEIGHT / image.shape[0]))
        larger = np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)
        cv2.imshow(title, np.ascontiguousarray(larger[..., ::-1]))
        key = cv2.waitKey(1)
        pipe.send(chr(key) if 0 <= key < 128 else "")
