"""One recorded episode in memory: N actions between N + 1 observations."""

from dataclasses import dataclass, field

import numpy as np

from world4rl_core.errors import DataError

SOURCES = ("expert", "policy", "random", "human")
OUTCOMES = ("success", "failure", "timeout", "unknown")
ABORTED = "aborted:"
ACTION_TOLERANCE = 1e-6
COLUMN_DTYPES = ("float32", "float64", "int64", "bool")
RESERVED = ("observation.", "action", "next.", "timestamp", "frame_index", "episode_index", "index", "task_index")


@dataclass(frozen=True, eq=False)
class Episode:
    """Row t holds observation t, the action taken at it and, under `next_*`, what that action led to.

    The last row has no following frame: its actions are zeros and its `next_*` repeat the row before.
    Raises DataError when lengths, dtypes or ranges disagree, naming the field and the row.
    """

    images: dict[str, np.ndarray]  # camera -> uint8 RGB (rows, h, w, 3)
    state: np.ndarray  # float32 (rows, k); k may be 0
    action: np.ndarray  # float32 (rows, d) in [-1, 1]: what was applied
    requested: np.ndarray  # float32 (rows, d) in [-1, 1]: what the source asked for before noise or safety filter
    next_reward: np.ndarray  # float32 (rows,)
    next_success: np.ndarray  # bool (rows,)
    terminated: bool
    truncated: bool
    task: str
    source: str  # one of SOURCES
    seed: int
    outcome: str  # one of OUTCOMES, or "aborted:<why>"
    note: str = ""
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    """Further numbers of each row, (rows,) of one of COLUMN_DTYPES: a robot's time stamps and flags. All finite."""

    def __post_init__(self) -> None:
        _check_images(self)
        _check_vectors(self)
        _check_actions(self)
        _check_last_row(self)
        _check_labels(self)
        _check_columns(self)

    @property
    def rows(self) -> int:
        """Number of observations, one more than the number of actions."""
        return len(self.state)

    @property
    def num_actions(self) -> int:
        return self.rows - 1

    @property
    def success(self) -> np.ndarray:
        """Success label of each frame, bool (rows,): what led to frame t succeeded; frame 0 never did."""
        return np.concatenate([np.zeros(1, dtype=bool), self.next_success[:-1]])

    @property
    def succeeded(self) -> bool:
        """Whether any action of the episode reached success."""
        return bool(self.next_success[:-1].any())


def _check_images(episode: Episode) -> None:
    if not episode.images:
        raise DataError("an episode needs the images of at least one camera, got none")
    for camera, frames in episode.images.items():
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise DataError(
                f"camera '{camera}': frames must be uint8 (rows, h, w, 3), got {frames.dtype} {frames.shape}; "
                "convert to 8-bit RGB first"
            )
        if len(frames) != episode.rows:
            raise DataError(f"camera '{camera}' has {len(frames)} frames, the state has {episode.rows} rows")


def _check_vectors(episode: Episode) -> None:
    if episode.rows < 2:
        raise DataError(f"an episode needs at least 2 rows (one action), got {episode.rows}")
    wanted = {
        "state": (np.float32, 2),
        "action": (np.float32, 2),
        "requested": (np.float32, 2),
        "next_reward": (np.float32, 1),
        "next_success": (np.bool_, 1),
    }
    for name, (dtype, ndim) in wanted.items():
        values = getattr(episode, name)
        if values.dtype != dtype or values.ndim != ndim or len(values) != episode.rows:
            raise DataError(
                f"{name} must be {np.dtype(dtype)} with {episode.rows} rows and {ndim} dimension(s), "
                f"got {values.dtype} {values.shape}"
            )
        if dtype is np.float32 and not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0][0])
            raise DataError(f"{name} is not a finite number (NaN or infinite) at row {row}; fix or drop the episode")


def _check_actions(episode: Episode) -> None:
    if episode.action.shape != episode.requested.shape or episode.action.shape[1] < 1:
        raise DataError(
            f"action and requested must have the same shape (rows, d >= 1), "
            f"got {episode.action.shape} and {episode.requested.shape}"
        )
    for name in ("action", "requested"):
        values = np.abs(getattr(episode, name))
        if values.max() > 1 + ACTION_TOLERANCE:
            row, dim = (int(i) for i in np.argwhere(values > 1 + ACTION_TOLERANCE)[0])
            raise DataError(
                f"{name} is {getattr(episode, name)[row, dim]:.4g} at row {row}, dimension {dim}; "
                "wanted [-1, 1]: scale or clip it before recording"
            )


def _check_last_row(episode: Episode) -> None:
    if episode.action[-1].any() or episode.requested[-1].any():
        raise DataError("the last row has no following frame, so its action and requested must be zeros")
    for name in ("next_reward", "next_success"):
        values = getattr(episode, name)
        if values[-1] != values[-2]:
            raise DataError(f"the last row of {name} must repeat the row before it ({values[-2]}), got {values[-1]}")


def _check_labels(episode: Episode) -> None:
    if episode.terminated and episode.truncated:
        raise DataError("an episode is terminated or truncated, not both")
    if episode.source not in SOURCES:
        raise DataError(f"unknown source '{episode.source}'; known sources: {', '.join(SOURCES)}")
    aborted = episode.outcome.startswith(ABORTED) and len(episode.outcome) > len(ABORTED)
    if not aborted and episode.outcome not in OUTCOMES:
        raise DataError(f"unknown outcome '{episode.outcome}'; known outcomes: {', '.join(OUTCOMES)}, aborted:<why>")
    if episode.outcome == "success" and not episode.succeeded:
        raise DataError("outcome is 'success', but next_success is False in every row")
    if not episode.task:
        raise DataError("an episode needs a task in words, got an empty string")


def _check_columns(episode: Episode) -> None:
    for name, values in episode.columns.items():
        if not name or "/" in name or name.startswith(RESERVED):
            raise DataError(f"a column cannot be called '{name}': without '/', and not beginning with {RESERVED}")
        if str(values.dtype) not in COLUMN_DTYPES or values.shape != (episode.rows,):
            raise DataError(
                f"column '{name}' must be ({episode.rows},) of {', '.join(COLUMN_DTYPES)}, "
                f"got {values.dtype} {values.shape}"
            )
        if not np.isfinite(values).all():
            row = int((~np.isfinite(values)).argmax())
            raise DataError(f"column '{name}' is not a finite number at row {row}; record -1 where there is no value")
