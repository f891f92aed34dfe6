"""The command line, with commands of the tests' own: what every command has in common."""

import subprocess
import sys

import pytest

from world4rl_core import cli
from world4rl_core.cli import main, merge_repeats
from world4rl_core.commands import COMMANDS, Command

STUB = '''
import dataclasses
import errno
from pathlib import Path

from world4rl_core.errors import ConfigError, DataError


@dataclasses.dataclass(frozen=True)
class Model:
    layers: int = 2
    use_bias: bool = True


@dataclasses.dataclass(frozen=True)
class Config:
    out: Path
    """Run folder."""
    data: tuple[Path, ...] = ()
    """Datasets to read."""
    steps: int = 10
    """Optimiser steps."""
    width: int = 8
    """Channels."""
    model: Model = Model()

    def __post_init__(self):
        if self.width == 13:
            raise ConfigError("width must be even, got 13")


PRESETS = {"cpu": Config(Path(), steps=1), "paper": Config(Path(), steps=1000, width=64)}


def run(config):
    if config.steps < 0:
        raise DataError("datasets/expert: no episode; record some with `world4rl collect`")
    if config.steps == 1000000:
        raise KeyboardInterrupt
    if config.width == 1:
        config.out.mkdir()
    if config.width == 0:
        with Path("/dev/full").open("w") as file:
            file.write("checkpoint")
    if config.width < 0:
        raise ZeroDivisionError("a fault of the program")
    return f"steps={config.steps} width={config.width} data={','.join(map(str, config.data))}"


def check(root: Path, *, strict: bool = False) -> list[str]:
    """Look for faults."""
    return ["episode 3: NaN in the state"] if strict else []
'''


@pytest.fixture(autouse=True)
def stub_commands(tmp_path, monkeypatch):
    """`train stub` (a Config and presets) and `data stub` (a function) stand in the table."""
    (tmp_path / "stub_of_a_command.py").write_text(STUB)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = "stub_of_a_command"
    monkeypatch.setitem(
        COMMANDS, "train stub", Command("Train.", "--steps 3", run=f"{module}:run", config=f"{module}:Config")
    )
    monkeypatch.setitem(
        COMMANDS, "data stub", Command("Check.", "datasets/a", run=f"{module}:check", finds_problems=True)
    )
    yield
    sys.modules.pop(module, None)


def test_options_override_the_defaults(capsys):
    assert main(["train", "stub", "--out", "runs/a", "--steps", "3"]) == 0
    assert capsys.readouterr().out == "steps=3 width=8 data=\n"


def test_a_refusal_is_printed_and_exits_1(monkeypatch, capsys):
    command = Command("Judge.", "", run="stub_of_a_command:run", config="stub_of_a_command:Config", refusal="steps=3")
    monkeypatch.setitem(COMMANDS, "judge stub", command)
    assert main(["judge", "stub", "--out", "runs/a", "--steps", "3"]) == 1
    assert main(["judge", "stub", "--out", "runs/a", "--steps", "4"]) == 0
    assert "steps=3 width=8" in capsys.readouterr().out


def test_a_preset_sets_the_defaults_and_options_override_it(capsys):
    assert main(["train", "stub", "--out", "runs/a", "--preset", "paper", "--steps", "3"]) == 0
    assert main(["train", "stub", "--out", "runs/a", "--width=5", "--preset=cpu"]) == 0
    assert capsys.readouterr().out == "steps=3 width=64 data=\nsteps=1 width=5 data=\n"


def test_a_preset_leaves_required_options_required(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "stub", "--preset", "paper"])
    assert stop.value.code == 2
    assert "--out" in capsys.readouterr().err


def test_an_unknown_preset_names_the_known_ones(capsys):
    assert main(["train", "stub", "--out", "runs/a", "--preset", "gpu"]) == 1
    assert "unknown preset 'gpu'; known presets: cpu, paper" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--zzz", "3"], ["--stpes=3"], ["--model.widht", "3"]])
def test_an_unknown_option_names_the_known_ones(options, capsys):
    with pytest.raises(SystemExit):
        main(["train", "stub", "--out", "runs/a", *options])
    assert "are: --out, --data, --steps, --width, --model.layers, --model.use-bias" in capsys.readouterr().err


def test_an_unknown_option_of_a_function_names_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["data", "stub", "somewhere", "--zzz"])
    assert "the options of `world4rl data stub` are: --strict" in capsys.readouterr().err


def test_a_wrong_value_does_not_list_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["train", "stub", "--out", "runs/a", "--model.no-use-bias", "--steps", "many"])
    err = capsys.readouterr().err
    assert "--steps" in err
    assert "--width" not in err


def test_an_unknown_option_names_the_nearest_one(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "stub", "--out", "runs/a", "--stpes", "3"])
    assert stop.value.code == 2
    assert "--steps" in capsys.readouterr().err


def test_a_repeated_option_collects_its_values(capsys):
    assert main(["train", "stub", "--out", "runs/a", "--data", "a", "--steps", "3", "--data", "b"]) == 0
    assert "data=a,b" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "merged"),
    [
        ("root --a 1 --b -2", "root --a 1 --b -2"),
        ("--a 1 --b --a=2", "--a 1 2 --b"),
        ("--flag --flag", "--flag"),
        ("", ""),
    ],
)
def test_merging_keeps_everything_that_was_given(given, merged):
    assert merge_repeats(given.split()) == merged.split()


def test_a_scalar_given_twice_is_refused():
    with pytest.raises(SystemExit) as stop:
        main(["train", "stub", "--out", "runs/a", "--steps", "3", "--steps", "4"])
    assert stop.value.code == 2


def test_a_users_mistake_is_one_line_without_a_traceback(capsys):
    assert main(["train", "stub", "--out", "runs/a", "--steps", "-1"]) == 1
    err = capsys.readouterr().err
    assert err == "world4rl: datasets/expert: no episode; record some with `world4rl collect`\n"


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        main(["train", "stub", "--out", "runs/a", "--width", "-1"])


def test_an_interrupt_says_how_to_go_on(capsys):
    assert main(["train", "stub", "--out", "runs/a", "--steps", "1000000"]) == 130
    assert "interrupted; run the same command to continue" in capsys.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is Linux's")
def test_a_full_disk_is_said_plainly(capsys):
    assert main(["train", "stub", "--out", "runs/a", "--width", "0"]) == 1
    assert "the disk is full" in capsys.readouterr().err


def test_a_path_that_cannot_be_used_is_named(capsys):
    assert main(["train", "stub", "--out", "/proc/version/run", "--width", "1"]) == 1
    assert capsys.readouterr().err == "world4rl: cannot use /proc/version/run: Not a directory\n"


def test_a_value_that_the_config_refuses_is_one_line(capsys):
    assert main(["train", "stub", "--out", "runs/a", "--width", "13"]) == 1
    assert capsys.readouterr().err == "world4rl: width must be even, got 13\n"


def test_problems_found_are_printed_and_fail(capsys):
    assert main(["data", "stub", "somewhere", "--strict"]) == 1
    assert capsys.readouterr().out == "episode 3: NaN in the state\n1 problem found\n"


def test_no_problems_found_succeeds(capsys):
    assert main(["data", "stub", "somewhere"]) == 0
    assert capsys.readouterr().out == "0 problems found\n"


@pytest.mark.parametrize(
    "arguments", [["trian", "bc"], ["train", "clone"], ["exprot"], ["--preset", "cpu"], ["--verbose"]]
)
def test_an_unknown_command_names_the_known_ones(arguments, capsys):
    assert main(arguments) == 2
    assert "train world-model" in capsys.readouterr().err


def test_a_slip_of_the_pen_gets_a_suggestion(capsys):
    main(["train", "wolrd-model"])
    assert "did you mean 'train world-model'?" in capsys.readouterr().err


def test_a_group_lists_its_commands(capsys):
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    assert "train reward" in out
    assert "data info" not in out


def test_help_of_a_command_shows_its_example_and_its_presets(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "stub", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "world4rl train stub --steps 3" in out
    assert "--preset cpu|paper" in out
    assert "Optimiser steps." in out


def test_other_processes_of_a_distributed_run_stay_silent(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit):
        main(["train", "stub", "--out", "runs/a", "--stpes", "3"])
    assert capsys.readouterr().err == ""


def test_help_lists_every_command_without_loading_anything_heavy():
    code = (
        "import sys; from world4rl_core.cli import main; main(['--help']);"
        "sys.exit(', '.join({'torch', 'numpy', 'tyro'} & set(sys.modules)) or 0)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    for name in ("collect metaworld", "train bc", "refine", "demo metaworld", "data view"):
        assert name in answer.stdout


def test_the_module_is_the_command():
    answer = subprocess.run([sys.executable, "-m", "world4rl_core", "--version"], capture_output=True, text=True)
    assert answer.returncode == 0
    assert answer.stdout.strip() == cli.__version__
