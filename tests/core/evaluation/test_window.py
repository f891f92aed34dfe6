"""A window that cannot be opened is told once, and the dream goes on without it."""

import numpy as np
import pytest

from world4rl_core.evaluation.window import Window

PICTURE = np.zeros((48, 48, 3), np.uint8)


@pytest.mark.parametrize("display", ["", ":9999"])
def test_without_a_display_that_answers_the_window_is_told_once_and_does_nothing(monkeypatch, display):
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    told: list[str] = []
    window = Window("a dream", told.append)
    assert [window.show(PICTURE) for _ in range(3)] == ["", "", ""]
    window.close()
    assert len(told) == 1 and "seen in its film" in told[0]
