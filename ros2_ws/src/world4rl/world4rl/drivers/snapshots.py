"""The newest state of the simulation in shared memory: written by the physics process, read by others at any time."""

from multiprocessing import shared_memory
from typing import Any

import numpy as np

from world4rl_core.sim.twin.cameras import Snapshot

ATTEMPTS = 1000


class _Block:
    """Sequence counter, time, qpos, mocap_pos, mocap_quat: float64, one after the other."""

    def __init__(self, memory: shared_memory.SharedMemory, nq: int, n_mocap: int) -> None:
        self.memory = memory
        self.counter = np.ndarray(1, np.int64, memory.buf)
        self.values = np.ndarray(1 + nq + 7 * n_mocap, np.float64, memory.buf, offset=8)
        self.parts = np.split(self.values, np.cumsum([1, nq, 3 * n_mocap]))

    def close(self) -> None:
        del self.counter, self.values, self.parts  # views keep the memory mapped
        self.memory.close()


class SnapshotWriter:
    """One writer; `address` tells a child process how to read. A counter that is odd or has changed: read again."""

    def __init__(self, data: Any) -> None:
        self._nq, self._n_mocap = len(data.qpos), len(data.mocap_pos)
        size = 8 * (2 + self._nq + 7 * self._n_mocap)
        self._memory = shared_memory.SharedMemory(create=True, size=size)
        self._block: _Block | None = _Block(self._memory, self._nq, self._n_mocap)
        self._block.counter[0] = 0
        self.write(Snapshot.take(data))

    @property
    def address(self) -> tuple[str, int, int]:
        return (self._memory.name, self._nq, self._n_mocap)

    def write(self, snapshot: Snapshot) -> None:
        assert self._block is not None
        time_s, qpos, mocap_pos, mocap_quat = self._block.parts
        self._block.counter[0] += 1
        time_s[0], qpos[:] = snapshot.time_s, snapshot.qpos
        mocap_pos[:], mocap_quat[:] = snapshot.mocap_pos.ravel(), snapshot.mocap_quat.ravel()
        self._block.counter[0] += 1

    def close(self) -> None:
        """Removes the memory; safe to call twice."""
        if self._block is not None:
            self._block.close()
            self._block = None
            self._memory.unlink()


class SnapshotReader:
    """Reads whole snapshots only. For child processes of the writer, which share its bookkeeping of shared memory."""

    def __init__(self, address: tuple[str, int, int]) -> None:
        name, nq, n_mocap = address
        self._block = _Block(shared_memory.SharedMemory(name=name), nq, n_mocap)

    @property
    def time_s(self) -> float:
        """Simulation time of the newest snapshot, without reading the rest."""
        return float(self._block.values[0])

    def read(self) -> Snapshot | None:
        """The newest snapshot; None when the writer died while it wrote."""
        for _ in range(ATTEMPTS):
            before = int(self._block.counter[0])
            values = self._block.values.copy()
            if before % 2 == 0 and before == int(self._block.counter[0]):
                sizes = [len(part) for part in self._block.parts]
                time_s, qpos, mocap_pos, mocap_quat = np.split(values, np.cumsum(sizes)[:-1])
                return Snapshot(float(time_s[0]), qpos, mocap_pos.reshape(-1, 3), mocap_quat.reshape(-1, 4))
        return None

    def close(self) -> None:
        self._block.close()
