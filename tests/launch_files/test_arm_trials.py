"""The stages of the twin's demo that ask the robot's package, by its command, for episodes and for trials."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
from world4rl.bringup import read_arguments
from world4rl.launches import LAUNCHES
from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.errors import RobotError
from world4rl_core.train.arm_episodes import ArmEpisodes
from world4rl_core.train.arm_trials import Trials


def robot_dataset(root: Path, *, episodes: int, aborted: int = 0) -> None:
    with DatasetWriter.create(root, fps=10, robot_type="fr3") as writer:
        for seed in range(episodes + aborted):
            episode = synthetic_episode(seed=seed)
            writer.add(replace(episode, outcome="aborted:reflex") if seed < aborted else episode)


def trials(folder: Path) -> Trials:
    bundles = {"cloned": folder / "a", "refined": folder / "b"}
    return Trials(bundles, "press_button", "twin", folder / "session", horizon_s=2.5, seed=3, each=20)


def test_the_command_is_one_that_the_launch_list_understands(tmp_path):
    launch, *words = trials(tmp_path).command()
    values = read_arguments(LAUNCHES[launch].arguments, words)
    assert (values["backend"], values["trials"], values["seed"]) == ("sim", "20", "3")
    assert float(values["time_limit_s"]) == pytest.approx(3.75)
    assert values["bundles"] == f"cloned={tmp_path / 'a'},refined={tmp_path / 'b'}"


def arm_episodes(folder: Path) -> ArmEpisodes:
    return ArmEpisodes(folder / "arm", task="press_button", rig="twin", episodes=3, seed=2)


def test_only_the_missing_episodes_are_recorded_and_never_from_the_same_scene_twice(tmp_path):
    launch, *words = arm_episodes(tmp_path).command()
    first = read_arguments(LAUNCHES[launch].arguments, words)
    assert (first["operator"], first["episodes"], first["seed"]) == ("scripted", "3", "2000")

    robot_dataset(tmp_path / "arm", episodes=2, aborted=3)
    rest = read_arguments(LAUNCHES[launch].arguments, arm_episodes(tmp_path).command()[1:])
    assert (rest["episodes"], rest["seed"]) == ("1", "2005")


def test_a_complete_dataset_starts_no_node(tmp_path):
    robot_dataset(tmp_path / "arm", episodes=3)
    assert arm_episodes(tmp_path).run() == tmp_path / "arm"
    assert not (tmp_path / "arm.log").exists()


@pytest.mark.slow
def test_nodes_that_end_badly_are_named_with_their_log_and_the_session_is_untouched(tmp_path):
    with pytest.raises(RobotError, match=r"exit code 1; .*session.log says why"):
        trials(tmp_path).run()
    assert "manifest.json" in (tmp_path / "session.log").read_text()
    assert not (tmp_path / "session").exists()
