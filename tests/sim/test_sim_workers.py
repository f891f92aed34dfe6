"""Processes that play numbered episodes: order, death, errors, the environment they start in."""

import os
from functools import partial

import pytest

from world4rl_core.errors import ConfigError, SimulatorError
from world4rl_core.sim.workers import play_in_order


class Echo:
    """Reports the episode and its process; dies or fails at one episode if told to."""

    def __init__(self, die_at: int = -1, fail_at: int = -1) -> None:
        self._die_at, self._fail_at = die_at, fail_at

    def play(self, episode: int) -> tuple[int, int, str | None]:
        if episode == self._die_at:
            os._exit(3)
        if episode == self._fail_at:
            raise SimulatorError("the hand fell off")
        return episode, os.getpid(), os.environ.get("OMP_NUM_THREADS")

    def close(self) -> None:
        pass


def test_results_come_in_order_from_single_threaded_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    results = list(play_in_order(Echo, range(3, 15), workers=2))
    assert [episode for episode, _, _ in results] == list(range(3, 15))
    assert os.getpid() not in {process for _, process, _ in results}
    assert {threads for _, _, threads in results} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_dead_process_is_a_clear_error() -> None:
    with pytest.raises(SimulatorError, match=r"a simulator process died at episode \d.*fewer workers"):
        list(play_in_order(partial(Echo, die_at=2), range(6), workers=2))


def test_players_own_error_reaches_the_caller() -> None:
    with pytest.raises(SimulatorError, match="the hand fell off"):
        list(play_in_order(partial(Echo, fail_at=1), range(6), workers=2))


def test_one_worker_is_this_process() -> None:
    assert {process for _, process, _ in play_in_order(Echo, range(3), workers=1)} == {os.getpid()}


def test_no_workers_is_refused() -> None:
    with pytest.raises(ConfigError, match="workers must be at least 1, got 0"):
        play_in_order(Echo, range(3), workers=0)
