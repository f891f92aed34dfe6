"""The command `world4rl`: one table of commands, and what every command has in common.

A command's module is imported only when that command runs: `world4rl --help` waits for neither torch nor a simulator.
"""

import copy
import dataclasses
import difflib
import errno
import functools
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from world4rl_core import __version__
from world4rl_core.errors import ConfigError, World4RLError

USAGE_ERROR = 2
INTERRUPTED = 130


@dataclasses.dataclass(frozen=True)
class Command:
    """One line of `world4rl --help`.

    `run` and `config` are 'module:attribute'. `config` names the frozen dataclass whose fields are the options; without
    one, the parameters of `run` are. A module with a dict `PRESETS` of configs beside `config` gains `--preset NAME`.
    """

    help: str
    example: str
    run: str
    config: str | None = None
    finds_problems: bool = False  # its answer is a list of problems: any means exit 1


def _loop(help: str, example: str, module: str) -> Command:
    """A step of the loop: `Config` and `run` of one module."""
    return Command(help, example, run=f"{module}:run", config=f"{module}:Config")


COMMANDS: dict[str, Command] = {
    "collect metaworld": _loop(
        "Record expert, policy or random episodes in Meta-World.",
        "--task faucet-open-v3 --source expert --episodes 3 --out datasets/expert",
        "world4rl_core.train.collect",
    ),
    "train bc": _loop(
        "Clone a Gaussian policy from demonstrations.",
        "--data datasets/expert --out runs/bc",
        "world4rl_core.train.bc",
    ),
    "train world-model": _loop(
        "Train the diffusion world model.",
        "--preset cpu --data datasets/expert datasets/policy datasets/random --out runs/world-model",
        "world4rl_core.train.world_model",
    ),
    "train reward": _loop(
        "Train the success classifier on real and imagined frames.",
        "--data datasets/expert datasets/policy --world-model runs/world-model --out runs/reward",
        "world4rl_core.train.reward",
    ),
    "trust": _loop(
        "Judge whether the world model may be refined in: go or no-go, with the evidence.",
        "--data datasets/policy --world-model runs/world-model --reward runs/reward --out runs/trust",
        "world4rl_core.evaluation.trust",
    ),
    "refine": _loop(
        "Improve a policy by PPO inside the frozen world model.",
        "--policy runs/bc --world-model runs/world-model --reward runs/reward --out runs/refined",
        "world4rl_core.train.refine",
    ),
    "evaluate metaworld": _loop(
        "Compare policies in the real simulator from the same initial states.",
        "--policy runs/bc --policy runs/refined --episodes 200 --out runs/evaluation",
        "world4rl_core.evaluation.real",
    ),
    "export": _loop(
        "Write a policy as ONNX and check that it answers as the original does.",
        "--policy runs/refined --out runs/policy.onnx",
        "world4rl_core.export.onnx",
    ),
    "demo": _loop(
        "Run the whole loop on one Meta-World task and write a report.",
        "--task faucet-open-v3 --seed 0 --out runs/demo",
        "world4rl_core.train.demo",
    ),
    "data info": Command(
        "Say what a dataset holds.",
        "datasets/expert",
        run="world4rl_core.data.info:info",
    ),
    "data check": Command(
        "Look for faults in a dataset; exit 1 when there are any.",
        "datasets/expert",
        run="world4rl_core.data.check:check",
        finds_problems=True,
    ),
    "data view": Command(
        "Draw an episode as a film strip.",
        "datasets/expert --episode 0 --out runs/view",
        run="world4rl_core.data.view:view",
    ),
}


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
        print(_overview(COMMANDS))
        return 0
    if arguments == ["--version"]:
        print(__version__)
        return 0
    name = find_command(arguments)
    if name is None:
        return _group_or_unknown(arguments)
    logging.basicConfig(level=logging.INFO if _is_first_process() else logging.WARNING, format="%(message)s")
    return _print_answer(parse(name, arguments[len(name.split()) :])(), COMMANDS[name])


def find_command(arguments: Sequence[str]) -> str | None:
    """The command these arguments begin with."""
    return next((name for name in COMMANDS if name.split() == arguments[: len(name.split())]), None)


def parse(name: str, options: Sequence[str]) -> Callable[[], Any]:
    """The call that these options of the command `name` ask for, ready to be made.

    Raises ConfigError for an unknown preset or a value that the command's config refuses; leaves by SystemExit after
    `--help` (0) and after options that do not parse (2), which it has explained.
    """
    import tyro  # here, because `world4rl --help` does without

    command = COMMANDS[name]
    run = _load(command.run)
    description = f"{command.help}\n\nexample: world4rl {name} {command.example}"
    read = functools.partial(tyro.cli, prog=f"world4rl {name}", console_outputs=_is_first_process())
    options = merge_repeats(options)
    if command.config is None:
        wanted = functools.wraps(run)(functools.partial(functools.partial, run))
        return read(wanted, args=options, description=description, config=(tyro.conf.PositionalRequiredArgs,))
    presets: dict[str, Any] = getattr(importlib.import_module(command.config.split(":")[0]), "PRESETS", {})
    if presets:
        description += f"\n\n--preset {'|'.join(presets)} sets the defaults below; options override it"
        options, preset = _take_preset(options, presets)
        read = functools.partial(read, default=preset) if preset is not None else read
    return functools.partial(run, read(_load(command.config), args=options, description=description))


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
        return 0
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
    group = {name: command for name, command in COMMANDS.items() if name.split()[0] == arguments[0]}
    words = [word for word in arguments[:2] if not word.startswith("-")] or arguments[:1]
    if group and len(words) == 1:
        print(_overview(group))
        return 0 if {"-h", "--help"} & set(arguments) else USAGE_ERROR
    near = difflib.get_close_matches(" ".join(words), group or COMMANDS, n=1, cutoff=0.4)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return _complain(f"unknown command '{' '.join(words)}'{hint}\ncommands: {', '.join(COMMANDS)}", USAGE_ERROR)


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
