"""A torch module as ONNX bytes, and how far its answers are from the original's."""

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from world4rl_core.errors import CheckpointError

OPSET = 18
Images = dict[str, np.ndarray]


def to_onnx(
    module: nn.Module, example: Sequence[Tensor], *, inputs: Sequence[str], output: str, metadata: Mapping[str, str]
) -> bytes:
    """The module as an ONNX model of fixed shapes, with `metadata` inside. Raises CheckpointError where that fails."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)  # it warns of every library that is not installed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module, tuple(example), input_names=list(inputs), output_names=[output], opset_version=OPSET,
                dynamo=True, verbose=False,
            )  # fmt: skip
    finally:
        exporter.setLevel(level)
    if program is None:
        raise CheckpointError("torch could not express the policy as ONNX")
    model = program.model_proto
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")  # torch's stack traces, with the folders of whoever exported
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()


def parity_error(payload: bytes, inputs: Iterable[Images], original: Callable[[Images], np.ndarray]) -> float:
    """Largest absolute difference between ONNX (CPU) and `original` over `inputs`; infinite when one is not finite."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(payload, options, providers=["CPUExecutionProvider"])
    largest = 0.0
    for images in inputs:
        (got,) = session.run(None, images)
        difference = float(np.abs(np.asarray(got) - original(images)).max())
        largest = max(largest, difference if np.isfinite(difference) else np.inf)
    return largest
