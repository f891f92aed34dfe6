"""Dreams: recorded actions and typed keys through a world model that knows the task."""

import io
import os
import pty
import termios
from pathlib import Path

import numpy as np
import pytest
from synthetic_oracle import Oracle, record

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import ConfigError
from world4rl_core.evaluation.dream import Config, actions_of, by_keys
from world4rl_core.evaluation.dream_live import Keyboard, live, terminal_keys
from world4rl_core.imagination.replay import replay


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    return record(tmp_path_factory.mktemp("datasets") / "policy")


def test_each_key_is_one_action_and_the_gripper_keeps_its_state() -> None:
    actions = actions_of("wdqc.o", action_dim=7, speed=0.5)
    assert actions[:, :3].tolist() == [[0.5, 0, 0], [0, -0.5, 0], [0, 0, 0.5], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert not actions[:, 3:6].any()
    assert actions[:, 6].tolist() == [1, 1, 1, -1, -1, 1]


@pytest.mark.parametrize("keys", ["wx", ""])
def test_other_keys_are_refused_with_the_known_ones(keys: str) -> None:
    with pytest.raises(ConfigError, match="w/s x, a/d y, q/e z"):
        actions_of(keys, action_dim=7, speed=0.5)


def test_driving_with_the_recorded_actions_is_the_replay(cache: FrameCache) -> None:
    rows = cache.rows(3)
    driven = by_keys(Oracle(), cache, 3, cache.actions[rows][:-1], seed=5)
    replayed = replay(Oracle(), cache, np.array([3]), seed=5)
    assert len(driven) > 2 and (driven[0] == cache.frames[rows.start]).all()
    assert np.array_equal(driven, replayed.frames[0, : len(driven)])


def test_other_actions_lead_elsewhere(cache: FrameCache) -> None:
    actions = np.zeros((6, cache.action_dim), np.float32)
    still = by_keys(Oracle(), cache, 3, actions, seed=5)
    moved = by_keys(Oracle(), cache, 3, actions + 1, seed=5)
    assert not np.array_equal(still[-1], moved[-1])


def test_a_live_dream_is_the_one_that_its_actions_make_and_ends_when_the_hand_says_so(cache: FrameCache) -> None:
    shown: list[np.ndarray] = []

    def show(image: np.ndarray) -> str:
        shown.append(image)
        return ""

    keys = iter(["w", "", "wa", "c", "x", "w"])
    hand = Keyboard(action_dim=cache.action_dim, speed=0.5, pressed=lambda: next(keys))
    film = live(Oracle(), cache, 3, hand, show, steps=20, seed=5, period_s=0.001)
    typed = by_keys(Oracle(), cache, 3, actions_of("w.ac", action_dim=cache.action_dim, speed=0.5), seed=5)
    assert np.array_equal(film, typed)
    assert np.array_equal(np.stack(shown), film)


def test_a_live_dream_ends_by_itself_and_takes_the_keys_of_its_window(cache: FrameCache) -> None:
    hand = Keyboard(action_dim=cache.action_dim, speed=0.5, pressed=lambda: "")
    film = live(Oracle(), cache, 3, hand, lambda _: "w", steps=4, seed=5, period_s=0.001)
    typed = by_keys(Oracle(), cache, 3, actions_of("wwww", action_dim=cache.action_dim, speed=0.5), seed=5)
    assert np.array_equal(film, typed)


def test_keys_cannot_be_pressed_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("wwaa"))
    with pytest.raises(ConfigError, match="needs a terminal .* --keys wwaaqq"), terminal_keys():
        pass


def test_the_terminal_gives_what_was_pressed_and_is_as_it_was_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    person, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    with open(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with terminal_keys() as pressed:
            assert pressed() == ""
            os.write(person, b"wa")
            assert pressed() == "wa" and pressed() == ""
        assert termios.tcgetattr(terminal) == before
    os.close(person)


def test_two_drivers_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="both drive the dream"):
        Config(world_model=Path(), out=Path(), keys="ww", live="keyboard")
