"""The command `world4rl`: what every command of the table in commands.py has in common.

A command's module is imported only when that command runs: `world4rl --help` waits for neither torch nor a simulator.
"""

import copy
import dataclasses
import difflib
import errno
import functools
import importlib
import inspect
import logging
import os
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any

from world4rl_core import __version__
from world4rl_core.commands import ROBOT_PACKAGE, ROBOT_VERBS, Command, commands
from world4rl_core.errors import ConfigError, World4RLError

USAGE_ERROR = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused or failed, 2 not understood, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
        return code
    except World4RLError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return _complain("interrupted; run the same command to continue", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has left, as in `world4rl data check … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if (cause := _cause_outside(error)) is None:
            raise
        return _complain(cause)


def _dispatch(arguments: list[str]) -> int:
    if arguments in ([], ["-h"], ["--help"]):
        print(_overview(commands()))
        return 0
    if arguments == ["--version"]:
        print(__version__)
        return 0
    name = find_command(arguments)
    if name is None:
        return _group_or_unknown(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("world4rl_core").setLevel(logging.INFO if _is_first_process() else logging.WARNING)
    return _print_answer(parse(name, arguments[len(name.split()) :])(), commands()[name])


def find_command(arguments: Sequence[str]) -> str | None:
    """The command these arguments begin with."""
    return next((name for name in commands() if name.split() == arguments[: len(name.split())]), None)


def parse(name: str, options: Sequence[str]) -> Callable[[], Any]:
    """The call that these options of the command `name` ask for, ready to be made.

    Raises ConfigError for an unknown preset or a value that the command's config refuses; leaves by SystemExit after
    `--help` (0) and after options that do not parse (2), which it has explained.
    """
    import tyro  # here, because `world4rl --help` does without

    command = commands()[name]
    run = _load(command.run)
    options = merge_repeats(options)
    settings: dict[str, Any] = {
        "prog": f"world4rl {name}",
        "description": f"{command.help}\n\nexample: world4rl {name} {command.example}",
        "console_outputs": _is_first_process(),
    }
    if command.config is None:
        wanted = functools.wraps(run)(functools.partial(functools.partial, run))
        return _read(wanted, options, config=(tyro.conf.PositionalRequiredArgs,), **settings)
    presets: dict[str, Any] = getattr(importlib.import_module(command.config.split(":")[0]), "PRESETS", {})
    if presets:
        settings["description"] += f"\n\n--preset {'|'.join(presets)} sets the defaults below; options override it"
        options, preset = _take_preset(options, presets)
        settings |= {"default": preset} if preset is not None else {}
    return functools.partial(run, _read(_load(command.config), options, **settings))


def _read(wanted: Callable[..., Any], options: list[str], **settings: Any) -> Any:
    """What tyro makes of the options; where one is unknown, it names its neighbours and we name them all."""
    import tyro

    try:
        return tyro.cli(wanted, args=options, **settings)
    except SystemExit as stop:
        known = option_names(wanted)
        given = {word.replace("_", "-") for word in options if word.startswith("--")}
        given = {word.replace("--no-", "--").replace(".no-", ".") for word in given}
        if stop.code and given - set(known) and settings["console_outputs"]:
            _complain(f"the options of `{settings['prog']}` are: {', '.join(known)}")
        raise


def option_names(wanted: Any, prefix: str = "--") -> list[str]:
    """The options of a function or a config class; those of a nested config as `--outer.inner`."""
    if not dataclasses.is_dataclass(wanted):
        parameters = inspect.signature(wanted).parameters.values()
        names = [one.name for one in parameters if one.default is not one.empty]
        return [prefix + name.replace("_", "-") for name in names]
    types = typing.get_type_hints(wanted)
    names = []
    for field in dataclasses.fields(wanted):
        name = prefix + field.name.replace("_", "-")
        kinds = (types[field.name], *typing.get_args(types[field.name]))  # a config may be optional
        nested = next((kind for kind in kinds if dataclasses.is_dataclass(kind)), None)
        names += option_names(nested, f"{name}.") if nested else [name]
    return names


def _load(target: str) -> Any:
    module, attribute = target.split(":")
    return getattr(importlib.import_module(module), attribute)


def _take_preset(options: list[str], presets: dict[str, Any]) -> tuple[list[str], Any]:
    """The options without `--preset NAME`, and that preset or None. Raises ConfigError for an unknown NAME."""
    if "--preset" not in options:
        return options, None
    at = options.index("--preset")
    name = options[at + 1] if at + 1 < len(options) else ""
    if name not in presets:
        raise ConfigError(f"unknown preset '{name}'; known presets: {', '.join(presets)}")
    return options[:at] + options[at + 2 :], _still_required(presets[name])


def _still_required(preset: Any) -> Any:
    """The preset as defaults; a field without a default in its class, such as the run folder, stays required."""
    import tyro

    defaults = copy.copy(preset)
    for field in dataclasses.fields(preset):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            object.__setattr__(defaults, field.name, tyro.MISSING)
    return defaults


def merge_repeats(options: Sequence[str]) -> list[str]:
    """`--policy A --policy B` as `--policy A B`; left as it is, the parser would silently keep only the last."""
    values: dict[str, list[str]] = {"": []}
    option = ""
    for word in options:
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            values.setdefault(option, []).extend([value] if equals else [])
        else:
            values[option].append(word)
    return [word for option, words in values.items() for word in ([option] if option else []) + words]


def _print_answer(answer: Any, command: Command) -> int:
    """Print text and paths as they are and a list one item a line; other answers are for Python callers only."""
    if isinstance(answer, str | os.PathLike):
        print(answer)
    if not isinstance(answer, list | tuple):
        return int(command.refusal is not None and str(answer).startswith(command.refusal))
    for item in answer:
        print(item)
    if command.finds_problems:
        print(f"{len(answer)} problem{'' if len(answer) == 1 else 's'} found")
    return 1 if command.finds_problems and answer else 0


def _overview(commands: dict[str, Command]) -> str:
    """The text of `world4rl --help`: every command with one line, then the loop as commands to copy."""
    width = max(map(len, commands))
    lines = ["Refine a robot policy with reinforcement learning inside a learned world model.", ""]
    lines += ["usage: world4rl <command> [options]     world4rl <command> --help", ""]
    lines += [f"  {name:{width}}  {command.help}" for name, command in commands.items()]
    lines += ["", "examples:"]
    lines += [f"  world4rl {name} {command.example}" for name, command in commands.items()]
    return "\n".join(lines)


def _group_or_unknown(arguments: list[str]) -> int:
    """Answer `world4rl train` with the commands of that group, and anything else with the nearest command."""
    known = commands()
    group = {name: command for name, command in known.items() if name.split()[0] == arguments[0]}
    words = [word for word in arguments[:2] if not word.startswith("-")] or arguments[:1]
    if group and len(words) == 1:
        print(_overview(group))
        return 0 if {"-h", "--help"} & set(arguments) else USAGE_ERROR
    if words[0] in ROBOT_VERBS:
        return _complain(f"'{words[0]}' belongs to {ROBOT_PACKAGE}", USAGE_ERROR)
    near = difflib.get_close_matches(" ".join(words), group or known, n=1, cutoff=0.4)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return _complain(f"unknown command '{' '.join(words)}'{hint}\ncommands: {', '.join(known)}", USAGE_ERROR)


def _is_first_process() -> bool:
    """True outside torchrun and for its rank 0: only this process logs its progress."""
    return os.environ.get("RANK", "0") == "0"


def _cause_outside(error: Exception) -> str | None:
    """What to tell a user whose machine refused something; None when the fault may be the program's.

    Recognises a full disk also where a library reports it by an error class of its own.
    """
    if getattr(error, "errno", None) == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error):
        return f"the disk is full ({error}); free some space, then run the same command to continue"
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}"
    return None


def _complain(message: str, code: int = 1) -> int:
    print(f"world4rl: {message}", file=sys.stderr)
    return code
