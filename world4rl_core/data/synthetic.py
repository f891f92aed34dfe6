"""Small made-up episodes for tests and benchmarks: a square that moves as the action says, towards a goal."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from world4rl_core.data.episode import Episode
from world4rl_core.data.writer import DatasetWriter

TASK = "push the square to the right edge"
STEP = 0.25  # of the way across the frame for an action of 1
GOAL = 0.85


def synthetic_episode(
    *,
    seed: int,
    steps: int = 12,
    size: int = 16,
    action_dim: int = 4,
    cameras: Sequence[str] = ("front",),
    source: str | None = None,
    task: str = TASK,
) -> Episode:
    """`steps` actions between `steps` + 1 frames of `size` x `size`; the first two action dimensions move the square.

    Even seeds steer to the goal at the right edge (source expert), odd ones wander (source random). Success is being
    there.
    """
    rng = np.random.default_rng(seed)
    steers = seed % 2 == 0
    action = np.zeros((steps + 1, action_dim), dtype=np.float32)
    action[:-1] = rng.uniform(-1, 1, (steps, action_dim))
    if steers:
        action[:-1, 0] = rng.uniform(0.5, 1, steps)
    moves = np.zeros((steps + 1, 2), dtype=np.float32)
    moves[:, : min(2, action_dim)] = action[:, :2]
    position = np.empty((steps + 1, 2), dtype=np.float32)
    position[0] = rng.uniform(0.1, 0.4, 2)
    for t in range(steps):
        position[t + 1] = np.clip(position[t] + STEP * moves[t], 0, 1)
    success = position[1:, 0] >= GOAL
    next_success = np.concatenate([success, success[-1:]])
    requested = action.copy()
    requested[:-1] = np.clip(action[:-1] + rng.normal(0, 0.05, (steps, action_dim)), -1, 1)
    succeeded = bool(success.any())
    return Episode(
        images={camera: _draw(position, size, shade=60 * i) for i, camera in enumerate(cameras)},
        state=position.copy(),
        action=action,
        requested=requested,
        next_reward=next_success.astype(np.float32),
        next_success=next_success,
        terminated=bool(success[-1]),
        truncated=not success[-1],
        task=task,
        source=source or ("expert" if steers else "random"),
        seed=seed,
        outcome="success" if succeeded else "timeout",
    )


def _draw(position: np.ndarray, size: int, *, shade: int) -> np.ndarray:
    """A bright square on a gradient, uint8 (rows, size, size, 3)."""
    side = max(2, size // 4)
    ramp = np.linspace(20, 90, size).astype(np.uint8)
    frames = np.empty((len(position), size, size, 3), dtype=np.uint8)
    frames[..., 0], frames[..., 1], frames[..., 2] = ramp, ramp[:, None], 40 + shade
    for frame, (x, y) in zip(frames, position, strict=True):
        left, top = (int(round(float(p) * (size - side))) for p in (x, y))
        frame[top : top + side, left : left + side] = (230, 180, 60)
    return frames


def write_synthetic_dataset(
    root: Path,
    episodes: int = 4,
    *,
    seed: int = 0,
    fps: int = 10,
    steps: int = 12,
    size: int = 16,
    action_dim: int = 4,
    cameras: Sequence[str] = ("front",),
) -> Path:
    """Record `episodes` synthetic episodes with seeds seed, seed + 1, ... under `root`; returns `root`."""
    with DatasetWriter.create(Path(root), fps=fps, robot_type="synthetic") as writer:
        for offset in range(episodes):
            episode = synthetic_episode(
                seed=seed + offset, steps=steps, size=size, action_dim=action_dim, cameras=cameras
            )
            writer.add(episode)
    return Path(root)
