"""The random policy of the data collection: smooth wandering, seeded, as actions in [-1, 1]."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ExplorerConfig:
    """An Ornstein-Uhlenbeck process for the six motion dimensions, a coin for the gripper."""

    mean_reversion: float = 0.15
    """Share of the distance to zero that a step undoes; 1 would be white noise."""
    spread: float = 0.5
    """Standard deviation of each motion dimension in the long run."""
    rotation_share: float = 0.5
    """Rotations wander by this share of the translations."""
    gripper_toggle: float = 0.05
    """Probability that a step changes the gripper's state."""


class Explorer:
    """`action()` once a control step; the same seed gives the same episode."""

    def __init__(self, seed: int, config: ExplorerConfig | None = None) -> None:
        self._config = config or ExplorerConfig()
        self._rng = np.random.default_rng(seed)
        self._state = np.zeros(6)
        self._gripper = 1.0

    def action(self) -> np.ndarray:
        """The next action, float32 (7,) in [-1, 1]."""
        config = self._config
        kept = 1 - config.mean_reversion
        kick = config.spread * np.sqrt(1 - kept**2)
        self._state = kept * self._state + kick * self._rng.standard_normal(6)
        if self._rng.random() < config.gripper_toggle:
            self._gripper = -self._gripper
        scale = np.repeat([1.0, config.rotation_share], 3)
        return np.clip(np.append(scale * self._state, self._gripper), -1, 1).astype(np.float32)
