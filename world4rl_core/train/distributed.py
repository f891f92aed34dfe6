"""One process or several under torchrun: who am I, and how do we average."""

import atexit
import gc
import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from world4rl_core.errors import ConfigError
from world4rl_core.nets.device import device_of


@dataclass(frozen=True)
class World:
    """This process among all."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """This process's part of a global batch. Raises ConfigError when it does not divide."""
        if batch % self.size:
            raise ConfigError(f"batch {batch} must be a multiple of the {self.size} processes")
        return batch // self.size

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module, averaging its gradients over the processes when there are several."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, broadcast_buffers=False)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the processes."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def barrier(self) -> None:
        if self.size > 1:
            dist.barrier()


def join(device: str = "auto") -> World:
    """This process's place as torchrun's environment variables tell; one process alone without them.

    From then on cuDNN adds up in one order, so that a run that was interrupted goes on bit for bit on a GPU too.
    """
    torch.backends.cudnn.deterministic = True
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    chosen = device_of(device, local=local)
    if size > 1 and not dist.is_initialized():
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
        atexit.register(_leave)
    return World(rank=rank, size=size, device=chosen)


def _leave() -> None:
    """Ends the group's threads while Python can still wait for them: one that outlives the interpreter aborts it.

    They live as long as a wrapped module does, hence the garbage first.
    """
    gc.collect()
    if dist.is_initialized():
        dist.destroy_process_group()
