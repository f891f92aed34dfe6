"""ROS parameters from a frozen dataclass: one field is one parameter, with its help and its range."""

import dataclasses
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from world4rl_core.errors import ConfigError

ConfigT = TypeVar("ConfigT")


def param(default: Any, help: str, *, low: float | None = None, high: float | None = None, live: bool = False) -> Any:
    """A field of a node's Config. Its range includes both ends; only a `live` one can be set while the node runs."""
    return dataclasses.field(default=default, metadata={"help": help, "low": low, "high": high, "live": live})


def declare(node: Node, config_type: type[ConfigT]) -> ConfigT:
    """The Config as the node's parameters have it. Raises ConfigError for a wrong type or a value out of range."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config_type):  # type: ignore[arg-type]
        try:
            value = node.declare_parameter(field.name, field.default, _descriptor(field)).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            got = node.get_parameter_or(field.name).value
            raise ConfigError(f"parameter {field.name} (default {field.default!r}, now {got!r}): {error}") from error
        values[field.name] = tuple(value) if isinstance(field.default, tuple) else value
    return config_type(**values)


def _descriptor(field: "dataclasses.Field[Any]") -> ParameterDescriptor:
    meta = field.metadata
    described = ParameterDescriptor(description=meta["help"], read_only=not meta["live"])
    if meta["low"] is None:
        return described
    if isinstance(field.default, int):
        described.integer_range = [IntegerRange(from_value=int(meta["low"]), to_value=int(meta["high"]), step=0)]
    else:
        low, high = float(meta["low"]), float(meta["high"])
        described.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
    return described
