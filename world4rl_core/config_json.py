"""Frozen dataclasses to JSON and back, strictly."""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from world4rl_core.errors import CheckpointError

C = TypeVar("C")
SCALARS: dict[Any, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str,), Path: (str,)}
"""What JSON may hold for a field of that type."""


def to_json(value: Any) -> Any:
    """Dataclasses become objects, tuples lists, paths strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    return value


def from_json(kind: type[C], data: Any, *, where: str = "config") -> C:
    """An instance of the dataclass `kind`.

    Raises CheckpointError for a key that it does not have, one that it needs, and a value of another type.
    """
    if not isinstance(data, dict):
        raise CheckpointError(f"{where}: expected an object for {kind.__name__}, got {type(data).__name__}")
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)  # type: ignore[arg-type]
    unknown = sorted(set(data) - {field.name for field in fields})
    if unknown:
        raise CheckpointError(
            f"{where}: unknown key {unknown[0]!r} for {kind.__name__}; it was written by another version"
        )
    missing = [
        field.name
        for field in fields
        if field.name not in data and field.default is field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise CheckpointError(f"{where}: {missing[0]!r} of {kind.__name__} is missing; the file is damaged")
    return kind(**{key: _convert(hints[key], item, f"{where}.{key}") for key, item in data.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_json(hint, value, where=where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list):
        inner = arguments[0] if arguments else Any
        return tuple(_convert(inner, item, where) for item in value)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _convert(next(option for option in arguments if option is not type(None)), value, where)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint in SCALARS and (isinstance(value, bool) != (hint is bool) or not isinstance(value, SCALARS[hint])):
        raise CheckpointError(f"{where}: wanted {getattr(hint, '__name__', hint)}, got {value!r}")
    return value
