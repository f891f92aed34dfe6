"""Numbers that no training can use are refused when its config is made. Each raises ConfigError naming the option."""

from typing import Any

from world4rl_core.errors import ConfigError


def at_least(config: Any, low: int, *names: str) -> None:
    """None is not checked: there the default is chosen later."""
    for name, value in _given(config, names):
        if not value >= low:
            raise ConfigError(f"{_option(name)} must be at least {low}, got {value}")


def positive(config: Any, *names: str) -> None:
    """Above 0 and finite."""
    for name, value in _given(config, names):
        if not 0.0 < value < float("inf"):
            raise ConfigError(f"{_option(name)} must be positive, got {value}")


def share(config: Any, *names: str, whole: bool = False) -> None:
    """At least 0 and below 1, or with `whole` up to 1."""
    for name, value in _given(config, names):
        if not (0.0 <= value < 1.0 or (whole and value == 1.0)):
            raise ConfigError(f"{_option(name)} is a share and must lie in [0, 1{']' if whole else ')'}, got {value}")


def _given(config: Any, names: tuple[str, ...]) -> list[tuple[str, Any]]:
    found = [(name, getattr(config, name)) for name in names]
    return [(name, value) for name, value in found if value is not None]


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
