"""docker-compose.yml against the rules of the compose specification it uses, and the Dockerfiles against the README."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SERVICES = ("robot", "sim", "train")
TEXT, TEXTS, FLAG, MAPPING = (str,), (list, str), (bool,), (dict, list)
# The part of the specification's schema that is used: key of a service, and the YAML types it may have.
SERVICE_KEYS = {
    "build": (dict, str),
    "cap_add": (list,),
    "command": TEXTS,
    "deploy": (dict,),
    "device_cgroup_rules": (list,),
    "environment": MAPPING,
    "ipc": TEXT,
    "network_mode": TEXT,
    "stdin_open": FLAG,
    "tty": FLAG,
    "ulimits": (dict,),
    "volumes": (list,),
}
TOP_KEYS = {"name", "services"}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def dockerfile(name):
    return (ROOT / "docker" / f"{name}.Dockerfile").read_text()


def test_compose_has_the_three_services(compose):
    assert set(compose) <= TOP_KEYS
    assert tuple(compose["services"]) == SERVICES
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", compose["name"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_uses_keys_and_types_of_the_specification(compose, name):
    for key, value in compose["services"][name].items():
        assert isinstance(value, SERVICE_KEYS[key]), key


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_builds_its_own_dockerfile_and_mounts_the_repository(compose, name):
    service = compose["services"][name]
    assert service["build"] == {"context": ".", "dockerfile": f"docker/{name}.Dockerfile"}
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    assert ".:/workspace" in service["volumes"]
    assert "/workspace/.venv" in service["volumes"]  # or the mount would hide what the image installed


def test_values_have_the_forms_of_the_specification(compose):
    robot, _, train = compose["services"].values()
    for rule in robot["device_cgroup_rules"]:
        assert re.fullmatch(r"[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}", rule)
    assert all(isinstance(limit, int) for limit in robot["ulimits"].values())
    [gpu] = train["deploy"]["resources"]["reservations"]["devices"]
    assert gpu["driver"] == "nvidia" and "gpu" in gpu["capabilities"]  # `capabilities` is required
    for service in compose["services"].values():
        for volume in service["volumes"]:
            assert re.fullmatch(r"(\.|/[\w./-]*)(:/[\w./-]*)?", volume)
        assert all(isinstance(value, str | int | float) for value in service.get("environment", {}).values())


def test_the_robot_may_run_in_real_time_on_the_machines_own_network(compose):
    robot = compose["services"]["robot"]
    assert robot["network_mode"] == "host" and robot["cap_add"] == ["SYS_NICE"] and robot["ulimits"]["rtprio"] == 99


@pytest.mark.parametrize("name", SERVICES)
def test_a_dockerfile_runs_the_install_command_of_the_readme(name):
    readme = (ROOT / "README.md").read_text()
    assert "make setup" in dockerfile(name) and "make setup" in readme
    for line in ("../.venv/bin/python -m colcon build --symlink-install", "onnxruntime-gpu"):
        assert line not in dockerfile(name) or line in readme


@pytest.mark.parametrize("name", SERVICES)
def test_a_dockerfile_copies_the_whole_repository(name):
    """A context of the ROS package alone would build without launch files: they are links to the top folders."""
    lines = [line.split() for line in dockerfile(name).splitlines() if line]
    assert ["COPY", ".", "."] in lines
    assert {words[0] for words in lines if words[0].isupper()} <= {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "CMD"}
    assert len(lines) < 20
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert not {"launch", "calibration", "scripts", "constraints"} & set(ignored)


@pytest.mark.parametrize("name", SERVICES)
def test_the_default_command_of_an_image_exists(name):
    words = re.findall(r'"([^"]+)"', dockerfile(name).splitlines()[-1])
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), flags=re.M)
    else:
        from world4rl_core import cli

        assert cli.find_command(words[1:]) is not None
