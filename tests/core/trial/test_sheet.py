"""The sheet decides everything before the first trial."""

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sheets import sheet

from world4rl_core.errors import TrialError
from world4rl_core.runtime.trial import StartPose, read_sheet, sheet_bytes, start_problem


@given(st.integers(1, 4), st.integers(1, 30), st.integers(0, 2**31))
def test_every_bundle_is_tried_once_from_every_start_in_blocks(bundles: int, trials: int, seed: int) -> None:
    one = sheet(bundles, trials_each=trials, seed=seed)
    assert [trial.number for trial in one.order] == list(range(1, bundles * trials + 1))
    labels = [bundle.label for bundle in one.bundles]
    for block in range(trials):
        trials_of_block = one.order[block * bundles : (block + 1) * bundles]
        assert sorted(trial.label for trial in trials_of_block) == labels
        assert {trial.start for trial in trials_of_block} == {block}
        assert len({trial.seed for trial in trials_of_block}) == 1
    assert one.order == sheet(bundles, trials_each=trials, seed=seed).order


def test_no_bundle_has_the_better_place_over_many_seeds() -> None:
    first = Counter(sheet(2, trials_each=20, seed=seed).order[0].label for seed in range(200))
    assert 70 < first["A"] < 130


@given(st.integers(1, 3), st.integers(0, 99), st.booleans())
def test_a_sheet_survives_its_file(tmp_path_factory, bundles: int, seed: int, blinded: bool) -> None:
    one = sheet(bundles, seed=seed, is_blinded=blinded, start_pose=StartPose((0.4, 0.0, 0.3), (1.0, 0.0, 0.0, 0.0)))
    path = tmp_path_factory.mktemp("sheet") / "sheet.json"
    path.write_bytes(sheet_bytes(one))
    assert read_sheet(path) == one


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(time_limit_s=99.0), "was changed after the session began"),
        (lambda content: content["order"].reverse(), "was changed after the session began"),
        (lambda content: content.update(schema=2), "schema 2, this version reads 1"),
        (lambda content: content.pop("order"), "damaged"),
        (lambda content: content.update(colour="red"), "damaged.*unknown key 'colour'"),
    ],
)
def test_an_edited_sheet_is_refused(tmp_path, change, message: str) -> None:
    content = json.loads(sheet_bytes(sheet()))
    change(content)
    (tmp_path / "sheet.json").write_text(json.dumps(content))
    with pytest.raises(TrialError, match=message):
        read_sheet(tmp_path / "sheet.json")


def test_no_file_and_half_a_file_are_told_apart(tmp_path) -> None:
    with pytest.raises(TrialError, match="no trial session there"):
        read_sheet(tmp_path / "sheet.json")
    (tmp_path / "sheet.json").write_bytes(sheet_bytes(sheet())[:90])
    with pytest.raises(TrialError, match="damaged"):
        read_sheet(tmp_path / "sheet.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials_each": 0}, "must be positive"),
        ({"time_limit_s": 0.0}, "must be positive"),
        ({"success": "  "}, "definition of success"),
        ({"sequential_alpha": 0.6}, "between 0 and 0.5"),
    ],
)
def test_a_sheet_without_sense_is_refused(options, message: str) -> None:
    with pytest.raises(TrialError, match=message):
        dataclasses.replace(sheet(), **options)


def test_two_names_for_one_policy_are_refused() -> None:
    one = sheet()
    twice = (one.bundles[0], dataclasses.replace(one.bundles[1], sha256=one.bundles[0].sha256))
    with pytest.raises(TrialError, match="same sha256"):
        dataclasses.replace(one, bundles=twice)


def test_a_blinded_operator_sees_the_number_only() -> None:
    open_sheet, blinded = sheet(), sheet(is_blinded=True)
    trial = open_sheet.order[0]
    assert trial.label in open_sheet.announce(trial)
    told = blinded.announce(trial)
    assert told == "trial 1 of 6, start scene 1"


def test_the_start_pose_is_held_in_metres_and_radians() -> None:
    one = sheet(start_pose=StartPose((0.4, 0.0, 0.3), (1.0, 0.0, 0.0, 0.0), tolerance_m=0.01, tolerance_rad=0.05))
    down = np.array([1.0, 0.0, 0.0, 0.0])
    assert start_problem(one, np.array([0.405, 0.0, 0.3]), down) is None
    assert start_problem(one, np.array([0.4, 0.0, 0.3]), -down) is None  # the same rotation
    assert "20.0 mm" in (start_problem(one, np.array([0.42, 0.0, 0.3]), down) or "")
    turned = np.array([np.cos(0.1), np.sin(0.1), 0.0, 0.0])
    assert "11.5°" in (start_problem(one, np.array([0.4, 0.0, 0.3]), turned) or "")
    assert start_problem(sheet(), np.zeros(3), down) is None
