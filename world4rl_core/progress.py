"""Progress bars that suit a terminal and a log file alike."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

LOG_S = 15.0
"""Between two lines where nobody watches."""


def bar(iterable: Iterable[Any] | None = None, **options: Any) -> "tqdm[Any]":
    """A tqdm bar with rate and time left, redrawn at most every LOG_S seconds outside a terminal."""
    interval_s = 0.2 if sys.stderr.isatty() else LOG_S
    return tqdm(iterable, mininterval=interval_s, maxinterval=max(10.0, interval_s), dynamic_ncols=True, **options)
