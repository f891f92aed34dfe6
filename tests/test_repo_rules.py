"""What no linter checks: sizes, links, commands in the documentation, pins, and what must not be in the repository."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from world4rl_core import cli
from world4rl_core.commands import COMMANDS

ROOT = Path(__file__).parent.parent
FOLDERS = (
    "world4rl_core",
    "ros2_ws",
    "launch",
    "calibration",
    "tests",
    "benchmarks",
    "scripts",
    "docs",
    "constraints",
    "results",
    ".ci",
)
TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".sh", ".json", ".svg", ".html", ".jinja", ""}
FILES = sorted(
    path
    for start in (ROOT / folder for folder in FOLDERS)
    for path in start.rglob("*")
    if path.is_file() and path.suffix in TEXT and "__pycache__" not in path.parts
) + sorted(path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXT and path.name != ".git")
PYTHON = [path for path in FILES if path.suffix == ".py"]
MARKDOWN = [path for path in FILES if path.suffix == ".md"]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def shell_lines(path: Path) -> list[str]:
    """The commands of the fenced blocks of a Markdown file, continued lines joined, comments removed."""
    blocks = re.findall(r"^```(?:bash|sh|console)\n(.*?)^```", path.read_text(), flags=re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip()]


def commands_to_parse() -> list[str]:
    documented = [line for path in MARKDOWN for line in shell_lines(path) if line.startswith("world4rl ")]
    examples = [f"world4rl {name} {command.example}" for name, command in COMMANDS.items()]
    return list(dict.fromkeys(documented + examples))


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_a_python_file_has_at_most_300_lines(path):
    assert len(path.read_text().splitlines()) <= 300


def test_every_folder_of_the_package_is_a_package():
    folders = {path.parent for path in PYTHON if path.is_relative_to(ROOT / "world4rl_core")}
    assert [name_of(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("path", MARKDOWN, ids=name_of)
def test_links_lead_to_files_of_the_repository(path):
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("line", commands_to_parse(), ids=lambda line: " ".join(line.split()[1:3]))
def test_documented_commands_parse(line):
    arguments = shlex.split(line)[1:]
    name = cli.find_command(arguments)
    assert name is not None, f"no such command; known: {', '.join(COMMANDS)}"
    assert callable(cli.parse(name, arguments[len(name.split()) :]))


@pytest.mark.parametrize("path", MARKDOWN, ids=name_of)
def test_documented_make_targets_exist(path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), flags=re.M)) <= targets


def test_every_command_is_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    groups = {name.split()[0] for name in COMMANDS}
    assert [group for group in groups if f"`world4rl {group}" not in readme] == []


@pytest.mark.parametrize("path", [path for path in MARKDOWN if path.parent.name == "decisions"], ids=name_of)
def test_a_decision_is_short_and_says_what_would_change_our_mind(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 15
    assert re.match(rf"# {int(path.name[:4])}\. ", text)
    for part in ("**Context.**", "**Choice.**", "**What would change our mind.**"):
        assert part in text


def test_every_direct_dependency_is_pinned_for_the_cpu():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    lines = (ROOT / "constraints" / "cpu.txt").read_text().splitlines()
    pins = dict(line.lower().replace("_", "-").split("==") for line in lines if "==" in line)
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[requirement.name.lower().replace("_", "-")]), requirement


def test_no_file_names_a_place_outside_the_repository():
    """Paths of one machine and hosts of package registries belong to whoever installs, not to the project."""
    hosts = ("pypi.org", "pythonhosted.org", "download.pytorch.org/whl", "registry.npmjs.org", "deb.debian.org")
    forbidden = re.compile("|".join([r"(?<![\w.])/(?:work|root|opt|home/\w+)/", *map(re.escape, hosts)]))
    found = [
        f"{name_of(path)}: {match.group()}"
        for path in FILES
        if path != Path(__file__)
        for match in forbidden.finditer(path.read_text(errors="replace"))
    ]
    assert found == []


def test_continuous_integration_and_hooks_call_make():
    assert "make" in (ROOT / ".ci" / "run").read_text()
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    targets = re.findall(r"entry: make ([a-z-]+)", hooks)
    assert targets
    assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.M) for target in targets)


def test_no_two_test_files_share_a_name():
    names = [path.name for path in PYTHON if path.name.startswith("test_")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize(("task", "bench"), [("open_drawer", "twin"), ("door-lock-v3", "metaworld")])
def test_make_demo_takes_a_task_of_either_bench(task, bench):
    told = subprocess.run(
        ["make", "-n", "demo", f"TASK={task}", "SEED=2"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert f"demo {bench} --task {task} --seed 2 --rounds 1 --out runs/demo/{task}-2" in told
