"""Run by torchrun in a test: trains a world model as `world4rl train world-model` does, and logs each step's loss."""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.segments import SegmentSampler
from world4rl_core.nets.image import to_frames
from world4rl_core.train.distributed import join
from world4rl_core.train.world_model import Config, Trainer
from world4rl_core.world_model.loss import LossConfig
from world4rl_core.world_model.model import WorldModel, preset

STEPS, BATCH = 6, 8


def losses(dataset: Path) -> list[float]:
    """The loss of each step at a global batch of BATCH segments, whatever the number of processes."""
    world = join("cpu")
    cache = FrameCache.build((dataset,), cameras=None, size=None)
    height, width = cache.frames.shape[1:3]
    torch.manual_seed(0)
    model = WorldModel(preset("cpu", action_dim=cache.action_dim, height=height, width=width))
    trainer = Trainer(
        model, Config(data=(dataset,), out=dataset, steps=STEPS, warmup=1, loss=LossConfig(unroll=2)), world
    )
    sampler = SegmentSampler(cache, np.arange(cache.num_episodes), history=4, horizon=2, seed=0)
    found = []
    for step in range(STEPS):
        segment = sampler.sample(world.share(BATCH), step=step, rank=world.rank, world_size=world.size)
        found.append(trainer.step(to_frames(segment.frames), segment.actions, step=step)["loss"])
    return found


if __name__ == "__main__":
    found = losses(Path(sys.argv[1]))
    if dist.get_rank() == 0:
        sys.stdout.write(" ".join(["losses", *map(str, found)]) + "\n")
