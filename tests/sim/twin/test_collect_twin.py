"""`world4rl collect twin` and `evaluate twin`: continued, paired, and refused like Meta-World's."""

import dataclasses
from pathlib import Path

import pytest

from world4rl_core.data.reader import DatasetReader
from world4rl_core.errors import ConfigError
from world4rl_core.evaluation import twin
from world4rl_core.train import bc, collect_twin


def config(out: Path) -> collect_twin.Config:
    return collect_twin.Config(
        task="press_button", source="expert", out=out, episodes=2, workers=1, horizon=14, size=24, noise=(0.1,)
    )


def test_a_continued_collection_is_the_uninterrupted_one_whatever_the_workers(tmp_path: Path) -> None:
    whole = collect_twin.run(dataclasses.replace(config(tmp_path / "whole"), workers=2))
    parts = collect_twin.run(dataclasses.replace(config(tmp_path / "parts"), episodes=1))
    collect_twin.run(config(parts))
    one, other = DatasetReader(whole), DatasetReader(parts)
    assert one.content_hash() == other.content_hash()
    assert one.num_episodes == 2 and one.cameras == ["external", "wrist"]
    first = one.episode(0)
    assert first.images["wrist"].shape == (15, 24, 24, 3) and first.state.shape == (15, 15)
    assert first.succeeded and first.task == "press_button" and first.source == "expert"
    with pytest.raises(ConfigError, match="was collected with spread_m 0.03, now 0.0; choose another --out"):
        collect_twin.run(dataclasses.replace(config(parts), spread_m=0.0))


def test_a_refused_collection_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Valid tasks: press_button"):
        collect_twin.run(dataclasses.replace(config(tmp_path / "a"), task="push_button"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_cloned_policy_is_judged_on_the_pictures_it_learned_from(tmp_path: Path) -> None:
    data = collect_twin.run(dataclasses.replace(config(tmp_path / "data"), size=32))
    clone = bc.Config(
        data=(data,), out=tmp_path / "bc", cameras=("wrist", "external"), size=(16, 16), steps=2, held_out=0.0
    )
    bc.run(clone)
    asked = twin.Config(policy=(clone.out,), out=tmp_path / "judged", episodes=2, workers=1, films=1)
    simulator = twin.simulator_of(asked)
    assert (simulator.task, simulator.horizon, simulator.size) == ("press_button", 14, 32)
    assert simulator.seen_cameras == ("wrist", "external") and simulator.seen_size == (16, 16)
    assert "press_button: 2 initial states" in twin.run(asked)
    again = dataclasses.replace(config(tmp_path / "own"), source="policy", policy=clone.out, size=32)
    assert DatasetReader(collect_twin.run(again)).num_episodes == 2
    with pytest.raises(ConfigError, match="Valid tasks"):
        twin.simulator_of(dataclasses.replace(asked, task="faucet-open-v3"))
