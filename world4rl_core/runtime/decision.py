"""What the arm node is told in each control period."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Decision:
    """What to do with the arm in this control period."""

    twist: np.ndarray  # (6,) in base, to send with the rig's hold_s while `may_stream`
    requested: np.ndarray  # (6,) in base, what the chosen source asked for; zeros when nobody is
    requested_time_s: float
    """Its stamp; -1 when nobody asks."""
    source: str  # human | policy | none
    may_stream: bool
    """Armed or held, and not on the way home: send `twist`."""
    must_stop: bool
    """Call the driver's `stop` now. True once for each end of a motion, and all along while a motion home ends."""
    must_recreate: bool
    """Close the driver, make a new one (see reconnect.py), then call `reconnected`."""
    gripper: float | None
    """A new request for the gripper, +1 open or -1 closed; None when there is none."""
    reasons: tuple[str, ...]
    is_intervention: bool

    @property
    def is_clipped(self) -> bool:
        return bool(self.reasons)
