"""How much longer a list of stages takes."""

import pytest

from world4rl_core.train.pace import about, left_s

TYPICAL_S = {"record": 30.0, "train": 300.0, "judge": 60.0}


def test_before_anything_is_known_the_typical_durations_count() -> None:
    assert left_s(TYPICAL_S, {}, now="record") == 390.0


def test_a_machine_that_took_twice_as_long_goes_on_like_that() -> None:
    assert left_s(TYPICAL_S, {"record": 60.0}, now="train") == 720.0


def test_what_an_interrupted_stage_took_already_is_done() -> None:
    assert left_s(TYPICAL_S, {"record": 30.0, "train": 200.0}, now="train") == 160.0
    assert left_s(TYPICAL_S, {"record": 30.0, "train": 400.0}, now="train") == 60.0


def test_a_stage_of_seconds_tells_nothing_about_the_machine() -> None:
    assert left_s({"begin": 1.0, "train": 300.0}, {"begin": 10.0}, now="train") == 300.0


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "about 1 s"), (40.4, "about 40 s"), (500.0, "about 8 min")])
def test_durations_are_rough(seconds: float, text: str) -> None:
    assert about(seconds) == text
