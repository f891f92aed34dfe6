"""`world4rl collect metaworld`: nothing is left of a refused request, and an interrupted one continues."""

import dataclasses
from pathlib import Path

import pytest

from world4rl_core.data.reader import DatasetReader
from world4rl_core.errors import CheckpointError, ConfigError
from world4rl_core.train import collect


def config(out: Path) -> collect.Config:
    return collect.Config(
        task="handle-press-v3", source="random", out=out, episodes=2, workers=1, horizon=4, size=16
    )  # fmt: skip


def test_a_refused_collection_leaves_no_folder(tmp_path: Path) -> None:
    missing = dataclasses.replace(config(tmp_path / "a"), source="policy", policy=tmp_path / "nope")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        collect.run(missing)
    with pytest.raises(ConfigError, match="source 'policy' without a policy"):
        collect.run(dataclasses.replace(config(tmp_path / "a"), source="policy"))
    with pytest.raises(ConfigError, match="unknown camera .nowhere."):
        collect.run(dataclasses.replace(config(tmp_path / "a"), camera="nowhere"))
    assert list(tmp_path.iterdir()) == []
    assert DatasetReader(collect.run(config(tmp_path / "a"))).num_episodes == 2


def test_a_continued_collection_is_the_uninterrupted_one(tmp_path: Path) -> None:
    whole = collect.run(config(tmp_path / "whole"))
    parts = collect.run(dataclasses.replace(config(tmp_path / "parts"), episodes=1))
    collect.run(config(parts))
    one, other = DatasetReader(whole), DatasetReader(parts)
    assert one.num_episodes == other.num_episodes == 2
    assert one.content_hash() == other.content_hash()
    with pytest.raises(ConfigError, match="was collected with seed 0, now 5; choose another --out"):
        collect.run(dataclasses.replace(config(parts), seed=5))
