"""A tiny dataset and tiny trained models that the tests of training share."""

from pathlib import Path

import pytest
from tiny_runs import bc_config, reward_config, world_model_config

from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.train import bc, reward, world_model


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synthetic_dataset(tmp_path_factory.mktemp("data") / "synthetic", episodes=24, size=16)


@pytest.fixture(scope="session")
def clone(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bc.run(bc_config(dataset, tmp_path_factory.mktemp("runs") / "clone"))


@pytest.fixture(scope="session")
def model(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world_model.run(world_model_config(dataset, tmp_path_factory.mktemp("runs") / "world-model"))


@pytest.fixture(scope="session")
def judge(dataset: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reward.run(reward_config(dataset, tmp_path_factory.mktemp("runs") / "reward", world_model=model))
