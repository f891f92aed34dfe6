"""The exported policy answers as the original does."""

import numpy as np
import onnxruntime
import pytest
import torch

from world4rl_core.config_json import to_json
from world4rl_core.errors import CheckpointError
from world4rl_core.export import onnx
from world4rl_core.nets.checkpoint import save_state
from world4rl_core.policy.actor_critic import EncoderConfig, GaussianPolicy, PolicyConfig


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory: pytest.TempPathFactory):
    torch.manual_seed(0)
    shape = PolicyConfig(height=16, width=16, encoder=EncoderConfig((8, 8), 16))
    path = tmp_path_factory.mktemp("policy") / "model.safetensors"
    save_state(path, {"kind": "policy", "config": to_json(shape), "weights": GaussianPolicy(shape).state_dict()})
    return path


def test_any_batch_of_images_gives_clipped_actions(policy_file, tmp_path) -> None:
    out = onnx.run(onnx.Config(policy=policy_file, out=tmp_path / "policy.onnx", checks=20))
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    for batch in (1, 5):
        images = np.random.default_rng(batch).integers(0, 256, (batch, 16, 16, 3), dtype=np.uint8)
        (actions,) = session.run(None, {"image": images})
        assert np.asarray(actions).shape == (batch, 4)
        assert np.abs(np.asarray(actions)).max() <= 1.0


def test_a_difference_beyond_the_tolerance_writes_nothing(policy_file, tmp_path) -> None:
    with pytest.raises(CheckpointError, match="not exported"):
        onnx.run(onnx.Config(policy=policy_file, out=tmp_path / "policy.onnx", checks=5, tolerance=-1.0))
    assert list(tmp_path.iterdir()) == []
