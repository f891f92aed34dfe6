"""Parts that do not see the same pictures, or act in other dimensions, are not put together."""

from pathlib import Path

import pytest
from tiny_runs import bc_config, reward_config, world_model_config

from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.errors import CheckpointError
from world4rl_core.imagination.env import ImaginationConfig
from world4rl_core.nets.checkpoint import load_model_state
from world4rl_core.train import bc, refine, reward, world_model
from world4rl_core.train.fit import Part, refuse_mismatch


@pytest.fixture(scope="module")
def two_views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "two"
    return write_synthetic_dataset(folder, episodes=8, size=16, cameras=("front", "side"))


def test_a_policy_that_saw_another_camera_than_the_world_model_is_refused(two_views: Path, tmp_path: Path) -> None:
    clone = bc.run(bc_config(two_views, tmp_path / "bc", steps=1, cameras=("side",)))
    seen = {"steps": 1, "held_out": 0.6, "cameras": ("front",)}
    model = world_model.run(world_model_config(two_views, tmp_path / "wm", **seen))
    judge = reward.run(reward_config(two_views, tmp_path / "reward", world_model=model, **seen))
    options = refine.Config(
        policy=clone, world_model=model, reward=judge, data=(two_views,), out=tmp_path / "refined", cameras=("front",),
        imagination=ImaginationConfig(envs=2, horizon=2), iterations=1, override_trust="a test",
    )  # fmt: skip
    with pytest.raises(CheckpointError, match="cameras differ: data front, policy side, world model front"):
        refine.run(options)
    assert not options.out.exists()


def test_a_refined_policy_carries_the_cameras_of_its_clone(
    dataset: Path, clone: Path, model: Path, judge: Path, tmp_path
):
    options = refine.Config(
        policy=clone, world_model=model, reward=judge, data=(dataset,), out=tmp_path / "refined", iterations=1,
        rollout_steps=2, imagination=ImaginationConfig(envs=2, horizon=2), override_trust="a test",
    )  # fmt: skip
    refined = refine.run(options)
    assert [load_model_state(run, "policy")["provenance"]["cameras"] for run in (clone, refined)] == [["front"]] * 2


def test_a_classifier_for_another_world_model_is_refused_before_training(model: Path, tmp_path: Path) -> None:
    for changes, message in (
        ({"size": 24}, "frame sizes differ: data 24x24, world model 16x16; train all on the same --size"),
        ({"action_dim": 3}, "action dimensions differ: data 3, world model 4; "),
    ):
        data = write_synthetic_dataset(tmp_path / str(changes), episodes=4, **changes)
        with pytest.raises(CheckpointError, match=message):
            reward.run(reward_config(data, tmp_path / "reward", world_model=model))
    assert not (tmp_path / "reward").exists()


def test_what_an_old_checkpoint_does_not_tell_is_not_held_against_it() -> None:
    refuse_mismatch(Part("data", (8, 8), 4, ("front",)), Part("policy", (8, 8), 4), Part("classifier"))
