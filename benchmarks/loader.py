"""Speed and memory of the data path: `python -m benchmarks.loader` prints one JSON line.

Records a synthetic dataset, then, in a process of its own, builds its frame cache, draws one epoch of segments and
trains the world model of the `cpu` preset on some more. `peak_rss_mib` is that process's peak; `over_dataset_mib` is
the peak less the size of the cache (limit: 2048); `ratio_to_trainer` tells how much faster segments are drawn than
trained on.
"""

import json
import multiprocessing
import multiprocessing.connection
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.segments import SegmentSampler
from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.nets.image import to_frames
from world4rl_core.train.distributed import join
from world4rl_core.train.world_model import PRESETS, Trainer
from world4rl_core.world_model.model import WorldModel, preset

MIB = 2**20
OVER_DATASET_LIMIT_MIB = 2048
WANTED_RATIO = 10


@dataclass(frozen=True)
class Config:
    """Options of `python -m benchmarks.loader`."""

    episodes: int = 2000
    steps: int = 50
    """Actions an episode."""
    size: int = 64
    """Height and width of a frame."""
    history: int = 4
    batch: int = 64
    trained_steps: int = 20


def main(config: Config) -> dict[str, object]:
    """Record, cache, sample; returns what is printed."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        _record(Path(folder) / "dataset", config)
        record_s = time.perf_counter() - started
        receiver, sender = multiprocessing.Pipe(duplex=False)
        loader = multiprocessing.get_context("spawn").Process(target=_load, args=(Path(folder), config, sender))
        loader.start()
        sender.close()
        try:
            measured = receiver.recv()
        except EOFError as error:
            raise SystemExit("the loader process failed; its message is above") from error
        loader.join()
    result = {"benchmark": "loader", "frame": f"{config.size}x{config.size}", "history": config.history}
    result |= {"episodes": config.episodes, "batch": config.batch}
    return result | {"recorded_episodes_per_s": round(config.episodes / record_s, 1)} | measured


def _record(root: Path, config: Config) -> None:
    with DatasetWriter.create(root, fps=10, robot_type="synthetic") as writer:
        for seed in range(config.episodes):
            writer.add(synthetic_episode(seed=seed, steps=config.steps, size=config.size))


def _load(folder: Path, config: Config, sender: multiprocessing.connection.Connection) -> None:
    """Build the cache, draw an epoch, train, then send the figures."""
    imported_mib = _peak_rss_mib()
    started = time.perf_counter()
    cache = FrameCache.build([folder / "dataset"], directory=folder / "cache")
    build_s = time.perf_counter() - started
    built_mib = _peak_rss_mib()
    dataset_mib = cache.frames.nbytes / MIB
    sampler = SegmentSampler(
        cache, np.arange(cache.num_episodes), history=config.history, horizon=PRESETS["cpu"].loss.unroll, seed=0
    )
    steps = max(1, sampler.num_anchors // config.batch)
    started = time.perf_counter()
    for step in range(steps):
        sampler.sample(config.batch, step=step)
    segments_per_s = steps * config.batch / (time.perf_counter() - started)
    trained_per_s = _train(sampler, cache, config)
    peak_mib = _peak_rss_mib()
    sender.send(
        {
            "segments_per_s": round(segments_per_s),
            "epoch_segments": steps * config.batch,
            "trained_segments_per_s": round(trained_per_s, 1),
            "ratio_to_trainer": round(segments_per_s / trained_per_s, 1),
            "ratio_ok": segments_per_s >= WANTED_RATIO * trained_per_s,
            "build_s": round(build_s, 1),
            "dataset_mib": round(dataset_mib),
            "imported_rss_mib": round(imported_mib),
            "built_rss_mib": round(built_mib),
            "peak_rss_mib": round(peak_mib),
            "over_dataset_mib": round(peak_mib - dataset_mib),
            "memory_ok": peak_mib <= dataset_mib + OVER_DATASET_LIMIT_MIB,
        }
    )
    sender.close()


def _train(sampler: SegmentSampler, cache: FrameCache, config: Config) -> float:
    """Segments trained on a second, drawing included."""
    shape = preset("cpu", action_dim=cache.action_dim, height=config.size, width=config.size)
    training = PRESETS["cpu"]
    trainer = Trainer(WorldModel(shape), training, join("cpu"))
    began_s = 0.0
    for step in range(config.trained_steps + 1):
        if step == 1:  # after a warm-up
            began_s = time.perf_counter()
        segment = sampler.sample(config.batch, step=step)
        trainer.step(to_frames(segment.frames), segment.actions, step=step)
    return config.trained_steps * config.batch / (time.perf_counter() - began_s)


def _peak_rss_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(main(tyro.cli(Config, description=__doc__))))
