"""Numbered episodes played in processes of their own, delivered in order."""

import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar, runtime_checkable

from world4rl_core.errors import ConfigError, SimulatorError
from world4rl_core.sim.gl import BACKEND_VARIABLE, choose_backend

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

# Each worker is one thread: more threads than cores are slower, and results would depend on their number.
SINGLE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS")}


@runtime_checkable
class Player(Protocol[T_co]):
    """What one process holds: an environment and whoever acts in it."""

    def play(self, episode: int) -> T_co:
        """Plays the episode of this number; the result depends on nothing else."""
        ...

    def close(self) -> None:
        """Frees what the player holds."""
        ...


def play_in_order(make_player: Callable[[], Player[T]], episodes: range, *, workers: int) -> Iterator[T]:
    """Yields `make_player().play(k)` for each k of `episodes`, in order, from `workers` processes (1: from this one).

    With more than one worker `make_player` must be picklable, and a script needs its `if __name__ == "__main__"`.
    Closing the iterator ends the processes. Raises ConfigError for workers < 1, SimulatorError when a process dies, and
    what a player raises.
    """
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}")
    if workers == 1 or len(episodes) <= 1:
        return _play_here(make_player, episodes)
    return _play_in_processes(make_player, episodes, min(workers, len(episodes)))


def _play_here(make_player: Callable[[], Player[T]], episodes: range) -> Iterator[T]:
    player = make_player()
    try:
        for episode in episodes:
            with _single_thread_torch():
                result = player.play(episode)
            yield result
    finally:
        player.close()


def _play_in_processes(make_player: Callable[[], Player[T]], episodes: range, workers: int) -> Iterator[T]:
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(make_player,)
    )
    numbers = iter(episodes)
    pending: deque[Future[Any]] = deque()
    delivered = 0
    try:
        while True:
            # Twice as many as workers: nobody waits, and memory stays bounded when the consumer is slow.
            for episode in itertools.islice(numbers, 2 * workers - len(pending)):
                with _environment(_child_environment()):
                    pending.append(pool.submit(_play_one, episode))
            if not pending:
                return
            result = pending.popleft().result()
            delivered += 1
            yield result
    except BrokenProcessPool as error:
        raise SimulatorError(
            f"a simulator process died at episode {episodes[delivered]} ({delivered} of {len(episodes)} done): "
            "out of memory, killed, or started from a script without `if __name__ == '__main__'`; "
            "run again with fewer workers"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_make_player: Callable[[], Player[Any]] | None = None
_player: Player[Any] | None = None


def _start_worker(make_player: Callable[[], Player[Any]]) -> None:
    """Runs first in each worker; the player is made by the first episode, so that its errors reach the caller."""
    global _make_player
    _make_player = make_player
    # The caller alone answers Ctrl-C, and ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with, args=(parent.sentinel,), daemon=True).start()


def _exit_with(sentinel: int) -> None:
    """A killed caller leaves no process behind."""
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _play_one(episode: int) -> Any:
    global _player
    if _player is None:
        assert _make_player is not None
        _player = _make_player()
    with _single_thread_torch():
        return _player.play(episode)


def _child_environment() -> dict[str, str]:
    backend = choose_backend()
    return SINGLE_THREAD | ({BACKEND_VARIABLE: backend} if backend else {})


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Sets environment variables for the processes started inside: libraries read them when they load."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _single_thread_torch() -> Iterator[None]:
    """Torch, if a policy uses it, computes the same to the last bit whoever plays."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
