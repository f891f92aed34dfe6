"""The last stage of the twin's demo asks the robot's package for trials by its command."""

from pathlib import Path

import pytest

pytest.importorskip("rclpy")
from world4rl.bringup import read_arguments
from world4rl.launches import LAUNCHES
from world4rl_core.errors import RobotError
from world4rl_core.train.arm_trials import Trials


def trials(folder: Path) -> Trials:
    bundles = {"cloned": folder / "a", "refined": folder / "b"}
    return Trials(bundles, "press_button", "twin", folder / "session", horizon_s=2.5, seed=3, each=20)


def test_the_command_is_one_that_the_launch_list_understands(tmp_path):
    verb, launch, *words = trials(tmp_path).command()
    values = read_arguments(LAUNCHES[launch].arguments, words)
    assert verb == "up"
    assert (values["backend"], values["trials"], values["seed"]) == ("sim", "20", "3")
    assert float(values["time_limit_s"]) == pytest.approx(3.75)
    assert values["bundles"] == f"cloned={tmp_path / 'a'},refined={tmp_path / 'b'}"


@pytest.mark.slow
def test_nodes_that_end_badly_are_named_with_their_log_and_the_session_is_untouched(tmp_path):
    with pytest.raises(RobotError, match=r"exit code 1; .*session.log says why"):
        trials(tmp_path).run()
    assert "manifest.json" in (tmp_path / "session.log").read_text()
    assert not (tmp_path / "session").exists()
