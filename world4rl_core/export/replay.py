"""A bundle on the pictures of a recorded episode: what it would have done, beside what was done."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from world4rl_core.data.reader import DatasetReader
from world4rl_core.errors import BundleError, DataError
from world4rl_core.export.pictures import raw_of
from world4rl_core.runtime.bundle import BundleCamera
from world4rl_core.runtime.inference import BundlePolicy, InferenceFault, SessionConfig

Actions = Float32[np.ndarray, "_rows _dim"]


@dataclass(frozen=True, eq=False)
class Replay:
    """Actions of one episode, without its last row, which has none."""

    bundle: Path
    dataset: Path
    episode: int
    meaning: tuple[str, ...]
    answered: Actions
    """What the policy does on each recorded picture."""
    requested: Actions
    """What whoever recorded the episode asked for, before the safety filter."""

    @property
    def error(self) -> np.ndarray:
        """|answered - requested|, (rows, dim)."""
        return np.abs(self.answered - self.requested)

    @property
    def gripper_agreement(self) -> float:
        """Share of rows in which both want the gripper open, or both closed."""
        return float((np.sign(self.answered[:, -1]) == np.sign(self.requested[:, -1])).mean())

    def table(self) -> str:
        """One line a dimension: mean and largest absolute difference."""
        head = f"{self.bundle} on episode {self.episode} of {self.dataset}, {len(self.answered)} rows"
        width = max(map(len, self.meaning))
        lines = [
            f"  {name:<{width}}  differs by {error.mean():.3f}, at most {error.max():.3f} in row {error.argmax()}"
            for name, error in zip(self.meaning, self.error.T, strict=True)
        ]
        return "\n".join([head, *lines, f"  the gripper agrees in {self.gripper_agreement:.0%} of the rows"])


def replay(bundle: Path, dataset: str | Path, episode: int, *, session: SessionConfig) -> Replay:
    """Runs the bundle on each recorded picture, put back into a raw one.

    Raises BundleError, or DataError when the episode is not there or was recorded otherwise.
    """
    policy = BundlePolicy.open(bundle, session)
    facts, root = policy.manifest.facts, Path(dataset)
    reader = DatasetReader(root)
    if not 0 <= episode < reader.num_episodes:
        raise DataError(f"{root}: no episode {episode}; it has episodes 0 to {reader.num_episodes - 1}")
    recorded = reader.episode(episode, cameras=[camera.name for camera in facts.cameras])
    requested = recorded.requested[:-1]
    if requested.shape[1] != facts.action.dim:
        raise DataError(f"{root}: actions have {requested.shape[1]} dimensions, the policy's {facts.action.dim}")
    pictures = {camera.name: recorded.images[camera.name][:-1] for camera in facts.cameras}
    for camera in facts.cameras:
        _refuse_other_size(camera, pictures[camera.name], root)
    rows = ({camera.name: raw_of(camera, pictures[camera.name][row]) for camera in facts.cameras}
            for row in range(len(requested)))  # fmt: skip
    answered = np.stack([_act(policy, images) for images in rows])
    return Replay(bundle, root, episode, facts.action.meaning, answered, requested)


def _refuse_other_size(camera: BundleCamera, frames: np.ndarray, root: Path) -> None:
    if frames.shape[1:3] != tuple(camera.size):
        raise DataError(
            f"{root}: camera {camera.name} was recorded at {frames.shape[1:3]}, the bundle's rig records {camera.size}"
        )


def _act(policy: BundlePolicy, images: Mapping[str, np.ndarray]) -> np.ndarray:
    try:
        return policy.act(images)
    except InferenceFault as fault:
        raise BundleError(str(fault)) from fault
