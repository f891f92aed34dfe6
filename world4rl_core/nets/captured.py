"""A CUDA graph in place of the launches of many small kernels, one for each shape of input."""

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3
"""Calls before the recording, in which libraries choose their kernels."""

Function = Callable[..., Tensor]


class Captured:
    """Runs a function on a GPU as it ran the first time with such shapes, at the cost of one launch.

    The function maps tensors to one tensor, draws no random numbers, never looks at values on the CPU, and reads
    nothing else that changes but weights that change in place. What else it writes, gradients for instance, is written
    to the memory of its newest recording.
    """

    def __init__(self, *, most: int = 4) -> None:
        """`most` recordings are kept; the one that was not used for longest goes first."""
        self.most = most
        self._graphs: dict[tuple[object, ...], _Graph] = {}

    def __call__(self, function: Function, *inputs: Tensor) -> Tensor:
        """function(*inputs), in memory of its own."""
        key = tuple((tuple(x.shape), x.dtype, x.device) for x in inputs)
        with torch.cuda.device(inputs[0].device):
            graph = self._graphs.pop(key, None) or _Graph(function, inputs)
            self._graphs[key] = graph
            if len(self._graphs) > self.most:
                del self._graphs[next(iter(self._graphs))]
            return graph.replay(inputs)

    def forget(self) -> None:
        """For a function whose weights have moved to other memory."""
        self._graphs.clear()

    def __deepcopy__(self, memo: object) -> "Captured":
        return Captured(most=self.most)


class _Graph:
    """One recording, with the memory that it reads and writes."""

    def __init__(self, function: Function, inputs: tuple[Tensor, ...]) -> None:
        self.inputs = [x.clone() for x in inputs]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                function(*self.inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.output = function(*self.inputs)

    def replay(self, inputs: tuple[Tensor, ...]) -> Tensor:
        for mine, given in zip(self.inputs, inputs, strict=True):
            mine.copy_(given)
        self.graph.replay()
        return self.output.clone()
