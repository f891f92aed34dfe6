"""When refinement stops by itself: nothing left to gain in imagination, or a gain that looks like reward hacking."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StoppingConfig:
    """Judged on the evaluations without noise; the first one is the cloned policy's."""

    solved: float = 0.99
    """Imagined success from which on more practice can only make the policy drift."""
    uncertainty_rise: float = 0.5
    """Share by which uncertainty must exceed the cloned policy's, while imagined success exceeds it too."""
    success_rise: float = 0.05
    """Gain in imagined success over the cloned policy that counts as a rise."""
    patience: int = 2
    """Evaluations in a row that must show the same reason."""


class Stopping:
    """Watches the evaluations of one refinement; `reason` is why it must stop, or empty."""

    def __init__(self, config: StoppingConfig) -> None:
        self.config = config
        self._first: tuple[float, float] | None = None
        self._hacking = 0
        self._solved = 0
        self.reason = ""

    def check(self, figures: dict[str, float]) -> str:
        """The reason to stop, or nothing; figures without an evaluation change nothing."""
        if "imagined_success" in figures:
            self.reason = self._judge(figures)
        return self.reason

    def _judge(self, figures: dict[str, float]) -> str:
        success, uncertainty = figures["imagined_success"], figures["uncertainty"]
        self._solved = self._solved + 1 if success >= self.config.solved else 0
        if self._first is None:
            self._first = (success, uncertainty)
            return "the cloned policy has nothing left to gain in imagination" if self._solved else ""
        risen = success > self._first[0] + self.config.success_rise
        doubtful = uncertainty > self._first[1] * (1.0 + self.config.uncertainty_rise)
        self._hacking = self._hacking + 1 if risen and doubtful and not math.isnan(uncertainty) else 0
        if self._hacking >= self.config.patience:
            return (
                f"imagined success rose from {self._first[0]:.2f} to {success:.2f} while uncertainty rose from "
                f"{self._first[1]:.4f} to {uncertainty:.4f}: the policy may be exploiting the world model"
            )
        return f"imagined success has stayed at {success:.2f}" if self._solved >= self.config.patience else ""

    def state(self) -> dict[str, Any]:
        first = list(self._first) if self._first is not None else None
        return {"first": first, "hacking": self._hacking, "solved": self._solved, "reason": self.reason}

    def load(self, state: dict[str, Any]) -> None:
        """Continues from `state`."""
        self._first = (state["first"][0], state["first"][1]) if state["first"] else None
        self._hacking, self._solved, self.reason = state["hacking"], state["solved"], state["reason"]
