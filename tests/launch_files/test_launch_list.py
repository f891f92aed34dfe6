"""One list of nodes feeds `ros2 launch` and `world4rl up`: what it names, refuses, and how a command line looks."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
from world4rl.bringup import read_arguments
from world4rl.launches import LAUNCHES
from world4rl.up import command_line
from world4rl_core.errors import ConfigError, RigError

ROOT = Path(__file__).parents[2]


def processes(*words, launch="teleop_collect"):
    known = LAUNCHES[launch]
    return {process.name: process for process in known.processes(read_arguments(known.arguments, list(words)))}


def test_simulated_collection_starts_these_nodes():
    assert list(processes("backend:=sim")) == ["sim", "arm", "teleop", "recorder"]
    scripted = processes("backend:=sim", "operator:=scripted", "source:=random")
    assert list(scripted) == ["sim", "arm", "teleop", "operator", "explorer", "recorder"]
    assert scripted["teleop"].parameters["device"] == scripted["operator"].parameters["device"]


def test_the_real_rig_starts_one_node_per_camera():
    assert list(processes("backend:=real", "rig:=panda", launch="rig")) == ["arm", "camera_external", "camera_wrist"]
    assert "sim" not in processes("backend:=real", "rig:=panda")


def test_only_cameras_come_back_and_only_the_recorder_ends_the_work():
    """Fault 77."""
    found = processes("backend:=real", "rig:=panda", "source:=random")
    assert {name for name, process in found.items() if process.respawns} == {"camera_external", "camera_wrist"}
    assert {name for name, process in found.items() if process.ends_everything_well} == {"recorder"}


@pytest.mark.parametrize("backend", ["sim", "real"])
def test_every_node_runs_on_the_clock_of_its_backend(backend):
    found = processes(f"backend:={backend}", *(["rig:=panda"] if backend == "real" else []))
    assert {process.parameters.get("use_sim_time") for name, process in found.items() if name != "sim"} == {
        backend == "sim"
    }


def test_every_executable_is_a_node_of_the_package():
    for words in (("operator:=scripted", "source:=random"), ("backend:=real", "rig:=panda")):
        for process in processes(*words).values():
            module = importlib.util.find_spec(f"world4rl.nodes.{process.executable}")
            assert module is not None, process.executable
            assert 'if __name__ == "__main__":' in Path(module.origin).read_text()


def test_every_parameter_in_the_list_is_one_of_its_node():
    for words in (("operator:=scripted", "source:=random"), ("backend:=real", "rig:=panda")):
        for process in processes(*words).values():
            module = importlib.import_module(f"world4rl.nodes.{process.executable}")
            nodes = [one for one in vars(module).values() if getattr(one, "__module__", "") == module.__name__]
            config = next(one.Config for one in nodes if hasattr(one, "Config"))
            assert set(process.parameters) - {"use_sim_time"} <= set(config.__dataclass_fields__), process.name


def test_every_argument_has_a_description_and_a_valid_default():
    for launch in LAUNCHES.values():
        for argument in launch.arguments.values():
            assert len(argument.help) > 10
            assert not argument.choices or argument.default in argument.choices


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tsk:=press_button"], "unknown argument 'tsk'; known arguments: backend, rig, task"),
        (["task"], "wanted name:=value"),
        (["backend:=dream"], "backend:=dream: wanted one of real, sim"),
        (["source:=me"], "wanted one of human, policy, random"),
        (["operator:=me"], "wanted one of spacemouse, scripted"),
        (["task:=fly"], "unknown task 'fly'; simulated tasks: press_button, close_drawer"),
        (["episodes:=-1"], "episodes:=-1: wanted a whole number"),
        (["rate_hz:=fast"], "rate_hz:=fast: wanted a number"),
        (["backend:=real"], "backend:=real needs rig:=<name or path>; rigs here: panda, twin"),
        (["backend:=real", "rig:=panda", "operator:=scripted"], "operator:=scripted needs backend:=sim"),
    ],
)
def test_a_wrong_argument_names_the_valid_ones(words, message):
    with pytest.raises(ConfigError, match=message):
        processes(*words)


def test_an_unknown_rig_names_the_known_ones():
    with pytest.raises(RigError, match="known rigs: panda, twin"):
        processes("rig:=nope")


def test_numbers_and_texts_reach_the_node_with_their_types():
    found = processes("rate_hz:=20", "task:=press_button", "operator:=scripted")
    line = command_line(found["recorder"])
    assert "rate_hz:=20.0" in line  # an int would be refused by a float parameter
    assert "task:='press_button'" in line
    assert "use_sim_time:=true" in line


def test_raw_adds_a_bag_beside_the_dataset():
    bag = processes("raw:=true", "dataset:=somewhere")["bag"]
    assert command_line(bag)[:5] == ["ros2", "bag", "record", "-s", "mcap"]
    assert command_line(bag)[-1].endswith("somewhere-raw")


def test_launch_files_only_declare_and_start_the_list():
    for name in LAUNCHES:
        text = (ROOT / "launch" / f"{name}.launch.py").read_text()
        assert "declare(" in text and "start(" in text and "Node(" not in text


def test_launch_folder_is_not_a_package():
    assert not (ROOT / "launch" / "__init__.py").exists()  # it would hide ROS's own `launch`
