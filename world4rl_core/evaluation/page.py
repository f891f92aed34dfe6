"""HTML pages that need nothing but themselves: templates, and pictures and films embedded as data."""

import base64
import json
import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from world4rl_core.config_json import to_json
from world4rl_core.evaluation.statistics import Interval
from world4rl_core.nets.checkpoint import write_atomically

KINDS = {".png": "image/png", ".mp4": "video/mp4"}


def render(template: str, **context: Any) -> str:
    """Fill `templates/<template>`; text is escaped, and a name the context lacks is an error."""
    environment = Environment(
        loader=PackageLoader("world4rl_core.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, interval=interval, number=number)
    return environment.get_template(template).render(**context)


def embed(content: bytes, *, kind: str = "image/png") -> str:
    """The bytes as a `data:` address, for `src` attributes."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def embed_file(path: Path) -> str:
    """A PNG or MP4 file as a `data:` address."""
    return embed(path.read_bytes(), kind=KINDS[path.suffix])


def write_json(path: Path, value: Any) -> Path:
    """Write dataclasses as JSON in one step; numbers that are not finite become null."""
    write_atomically(path, (json.dumps(_finite(to_json(value)), indent=1, allow_nan=False) + "\n").encode())
    return path


def percent(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1%}"


def interval(value: Interval) -> str:
    """`76.4% [70.8%, 81.2%]`."""
    return f"{percent(value.estimate)} [{percent(value.low)}, {percent(value.high)}]"


def number(value: float) -> str:
    """Three significant digits, without an exponent where a reader would not want one."""
    if not math.isfinite(value):
        return "unknown"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.2e}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
