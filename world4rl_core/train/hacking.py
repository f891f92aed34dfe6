"""Reward hacking shows as imagined success that rises together with the world model's uncertainty."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HackingConfig:
    """When refinement stops by itself."""

    uncertainty_rise: float = 0.5
    """Share by which uncertainty must exceed the cloned policy's, while imagined success exceeds it too."""
    success_rise: float = 0.05
    """Gain in imagined success over the cloned policy that counts as a rise."""
    patience: int = 2
    """Evaluations in a row that must show both."""


class HackingAlarm:
    """Watches the evaluations without noise; the first one is the cloned policy's."""

    def __init__(self, config: HackingConfig) -> None:
        self.config = config
        self._first: tuple[float, float] | None = None
        self._strikes = 0

    def check(self, figures: dict[str, float]) -> str:
        """The reason to stop, or nothing; figures without an evaluation change nothing."""
        if "imagined_success" not in figures or math.isnan(figures["uncertainty"]):
            return ""
        success, uncertainty = figures["imagined_success"], figures["uncertainty"]
        if self._first is None:
            self._first = (success, uncertainty)
            return ""
        risen = success > self._first[0] + self.config.success_rise
        doubtful = uncertainty > self._first[1] * (1.0 + self.config.uncertainty_rise)
        self._strikes = self._strikes + 1 if risen and doubtful else 0
        if self._strikes < self.config.patience:
            return ""
        return (
            f"imagined success rose from {self._first[0]:.2f} to {success:.2f} while uncertainty rose from "
            f"{self._first[1]:.4f} to {uncertainty:.4f}: the policy may be exploiting the world model"
        )

    def state(self) -> dict[str, Any]:
        return {"first": list(self._first) if self._first else None, "strikes": self._strikes}

    def load(self, state: dict[str, Any]) -> None:
        """Continues from `state`."""
        self._first = (state["first"][0], state["first"][1]) if state["first"] else None
        self._strikes = state["strikes"]
