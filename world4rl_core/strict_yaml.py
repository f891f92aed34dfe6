"""YAML files read into frozen dataclasses: no unknown, missing or converted key; errors name the line."""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

import yaml

from world4rl_core.errors import World4RLError

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


class BadKey(World4RLError):
    """Raised by a dataclass's `__post_init__` about one of its keys; the reader adds file and line."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key


class StrictReader:
    """Reads one file; `error` is what it raises, with a message that starts `path:line:`."""

    def __init__(self, path: Path, error: type[World4RLError]) -> None:
        self._path = path
        self._error = error

    def read(self, cls: type) -> Any:
        """An instance of the dataclass `cls`, its nested dataclasses and tuples included."""
        try:
            root = yaml.compose(self._path.read_text(), Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError) as problem:
            raise self._error(f"{self._path}: cannot be read ({problem}); check the path") from problem
        except yaml.YAMLError as problem:
            mark = getattr(problem, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            what = getattr(problem, "problem", None) or problem
            raise self._error(f"{self._path}{line}: not YAML ({what}); mind the indentation") from problem
        if root is None:
            raise self._error(f"{self._path}: the file is empty; copy another one and change it")
        return self._mapping(root, cls, "")

    def _fail(self, node: yaml.Node, message: str) -> typing.NoReturn:
        raise self._error(f"{self._path}:{node.start_mark.line + 1}: {message}")

    def _mapping(self, node: yaml.Node, cls: type, where: str) -> Any:
        section = where or "the file"
        if not isinstance(node, yaml.MappingNode):
            self._fail(node, f"{section}: got {_found(node)}, wanted keys and values")
        known = {field.name: field for field in dataclasses.fields(cls)}
        hints = typing.get_type_hints(cls)
        values: dict[str, Any] = {}
        nodes: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key not in known:
                self._fail(key_node, f"unknown key '{key}' in {section}; known keys: {', '.join(known)}")
            if key in nodes:
                self._fail(key_node, f"'{key}' is given twice in {section}; keep one")
            nodes[key] = key_node
            values[key] = self._value(value_node, hints[key], f"{where}.{key}" if where else key)
        for key, field in known.items():
            is_optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
            if key not in values and not is_optional:
                self._fail(node, f"'{key}' is missing in {section}; known keys: {', '.join(known)}")
        try:
            return cls(**values)
        except BadKey as problem:
            self._fail(nodes.get(problem.key, node), f"{where}.{problem}" if where else str(problem))

    def _value(self, node: yaml.Node, kind: Any, where: str) -> Any:
        origin = typing.get_origin(kind)
        if origin in (types.UnionType, typing.Union):
            if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
                return None
            kind = next(option for option in typing.get_args(kind) if option is not type(None))
            origin = typing.get_origin(kind)
        if origin is tuple:
            return self._sequence(node, typing.get_args(kind), where)
        if dataclasses.is_dataclass(kind):
            return self._mapping(node, typing.cast(type, kind), where)
        return self._scalar(node, kind, where)

    def _sequence(self, node: yaml.Node, kinds: tuple[Any, ...], where: str) -> tuple[Any, ...]:
        is_any_length = len(kinds) == 2 and kinds[1] is Ellipsis
        if not isinstance(node, yaml.SequenceNode):
            self._fail(node, f"{where}: got {_found(node)}, wanted a list")
        if not is_any_length and len(node.value) != len(kinds):
            self._fail(node, f"{where}: got {len(node.value)} values, wanted {len(kinds)}")
        wanted = [kinds[0]] * len(node.value) if is_any_length else list(kinds)
        pairs = enumerate(zip(node.value, wanted, strict=True))
        return tuple(self._value(item, kind, f"{where}[{i}]") for i, (item, kind) in pairs)

    def _scalar(self, node: yaml.Node, kind: type, where: str) -> Any:
        if isinstance(node, yaml.ScalarNode):
            try:
                value = yaml.SafeLoader("").construct_object(node)
            except (ValueError, yaml.YAMLError):
                value = node.value
            if kind is float and type(value) is int:
                return float(value)
            if type(value) is kind:
                return value
        self._fail(node, f"{where}: got {_found(node)}, wanted {WORDS[kind]}")


def _found(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "keys and values"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return f"{node.value!r}"
