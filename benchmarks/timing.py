"""Side by side timing: the variants take turns, so that a noisy machine slows them alike."""

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch


def take_turns(
    variants: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warmup: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of one call of each variant over `rounds` rounds in which each is called once.

    `clock=time.process_time` counts the processor's seconds, which other programs on the machine do not lengthen.
    """
    for _ in range(warmup):
        for call in variants.values():
            call()
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, call in variants.items():
            synchronise()
            began = clock()
            call()
            synchronise()
            seconds[name].append(clock() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def synchronise() -> None:
    """Waits for a GPU to finish what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def report(figures: Mapping[str, Any]) -> None:
    """Prints one JSON line with the figures and the machine."""
    machine = {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
    }
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in figures.items()}
    print(json.dumps({**rounded, "machine": machine}))
