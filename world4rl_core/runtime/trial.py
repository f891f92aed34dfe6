"""The sheet of a trial session: what is decided before the first trial, and the order of all trials."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from world4rl_core.config_json import from_json, to_json
from world4rl_core.errors import CheckpointError, TrialError
from world4rl_core.geometry import angle_between

SCHEMA = 1
LABELS = "ABCDEFGH"


@dataclass(frozen=True)
class SheetBundle:
    """One of the policies that are compared."""

    label: str
    """A, B, …; A is what the others are compared with."""
    name: str
    path: str
    sha256: str
    """Of its ONNX file: a session never judges two policies under one label."""


@dataclass(frozen=True)
class StartPose:
    """Where the end effector must be before a trial, in base, and how exactly."""

    position_m: tuple[float, float, float]
    quat_xyzw: tuple[float, float, float, float]
    tolerance_m: float = 0.01
    tolerance_rad: float = 0.05


@dataclass(frozen=True)
class PlannedTrial:
    """One line of the sheet."""

    number: int
    """From 1, in the order of execution; all that a blinded operator sees."""
    label: str
    start: int
    """The start scene, from 0; every bundle is tried once from each."""
    seed: int
    """Makes the start scene where a simulator resets it; the same for all bundles."""


@dataclass(frozen=True)
class Sheet:
    """What is fixed before the first trial; a changed sheet is another session."""

    task: str
    success: str
    """What counts as success, in words that two people would apply alike."""
    bundles: tuple[SheetBundle, ...]
    start_pose: StartPose | None = None
    """None where a simulator puts the arm at its start."""
    trials_each: int = 20
    seed: int = 0
    is_blinded: bool = False
    """Hide from the operator which bundle acts."""
    time_limit_s: float = 30.0
    intervention_fails: bool = True
    """A trial in which a person took over is no success of the policy."""
    sequential_alpha: float | None = None
    """Allow an early stop at this level of the anytime-valid test; None runs every trial."""
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        labels = tuple(bundle.label for bundle in self.bundles)
        if not self.task.strip() or not self.success.strip():
            raise TrialError("a trial sheet needs the task and a definition of success in words")
        if not 1 <= len(labels) <= len(LABELS) or labels != tuple(LABELS[: len(labels)]):
            raise TrialError(f"bundles are labelled {LABELS[0]}, {LABELS[1]}, … in order, got {', '.join(labels)}")
        for what in ("sha256", "name"):
            values = [getattr(bundle, what) for bundle in self.bundles]
            if len(set(values)) < len(values):
                raise TrialError(f"two bundles have the same {what}; compare different policies under different names")
        if self.trials_each < 1 or self.time_limit_s <= 0 or self.seed < 0:
            raise TrialError(
                f"trials_each and time_limit_s must be positive and seed >= 0, got {self.trials_each}, "
                f"{self.time_limit_s} and {self.seed}"
            )
        if self.sequential_alpha is not None and not 0 < self.sequential_alpha < 0.5:
            raise TrialError(f"sequential_alpha must lie between 0 and 0.5, got {self.sequential_alpha}")

    @property
    def order(self) -> tuple[PlannedTrial, ...]:
        """All trials: blocks of one start scene, in each of which every bundle is tried once, in a seeded order."""
        rng = np.random.default_rng(self.seed)
        seeds = rng.integers(2**31, size=self.trials_each).tolist()
        labels = [
            (self.bundles[bundle].label, start)
            for start in range(self.trials_each)
            for bundle in rng.permutation(len(self.bundles)).tolist()
        ]
        return tuple(
            PlannedTrial(number=number, label=label, start=start, seed=seeds[start])
            for number, (label, start) in enumerate(labels, start=1)
        )

    @property
    def hash(self) -> str:
        """Names the sheet and its order; every result carries it."""
        content = json.dumps([to_json(self), to_json(self.order)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def bundle(self, label: str) -> SheetBundle:
        return next(bundle for bundle in self.bundles if bundle.label == label)

    def planned(self, number: int) -> PlannedTrial:
        """Raises TrialError for a number that the sheet does not have."""
        if not 1 <= number <= len(self.order):
            raise TrialError(f"no trial {number}; the sheet has trials 1 to {len(self.order)}")
        return self.order[number - 1]

    def announce(self, trial: PlannedTrial) -> str:
        """What the operator is told: the bundle only where the session is not blinded."""
        head = f"trial {trial.number} of {len(self.order)}, start scene {trial.start + 1}"
        return head if self.is_blinded else f"{head}, bundle {trial.label} ({self.bundle(trial.label).name})"


def sheet_bytes(sheet: Sheet) -> bytes:
    """The sheet as a file, its order spelled out for people."""
    return (json.dumps(to_json(sheet) | {"hash": sheet.hash, "order": to_json(sheet.order)}, indent=1) + "\n").encode()


def read_sheet(path: Path) -> Sheet:
    """Raises TrialError for a file that is missing, damaged, of another schema or edited."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        if content.get("schema") != SCHEMA:
            raise TrialError(f"{path}: schema {content.get('schema')}, this version reads {SCHEMA}")
        told, order = content.pop("hash"), content.pop("order")
        sheet = from_json(Sheet, content, where=str(path))
    except FileNotFoundError as error:
        raise TrialError(f"{path.parent}: no trial session there ({path.name} is missing)") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, CheckpointError) as error:
        raise TrialError(
            f"{path}: damaged ({error}); restore it, the results beside it are worth nothing without"
        ) from error
    if told != sheet.hash or order != to_json(sheet.order):
        raise TrialError(f"{path}: was changed after the session began; restore it or start a new session")
    return sheet


def labelled(bundles: dict[str, tuple[str, str]]) -> tuple[SheetBundle, ...]:
    """Bundles in the order given, as A, B, …: {name: (path, sha256 of the ONNX file)}."""
    if not 1 <= len(bundles) <= len(LABELS):
        raise TrialError(f"a session compares 1 to {len(LABELS)} bundles, got {len(bundles)}")
    return tuple(
        SheetBundle(label, name, path, sha256)
        for label, (name, (path, sha256)) in zip(LABELS, bundles.items(), strict=False)
    )


def start_problem(sheet: Sheet, position_m: np.ndarray, quat_xyzw: np.ndarray) -> str | None:
    """Why a trial may not start from this pose of the end effector; None when it may."""
    wanted = sheet.start_pose
    if wanted is None:
        return None
    apart_m = float(np.linalg.norm(np.asarray(position_m) - wanted.position_m))
    apart_rad = angle_between(np.asarray(wanted.quat_xyzw), np.asarray(quat_xyzw))
    if apart_m <= wanted.tolerance_m and apart_rad <= wanted.tolerance_rad:
        return None
    return (
        f"the end effector is {1e3 * apart_m:.1f} mm and {np.rad2deg(apart_rad):.1f}° from the start pose, allowed "
        f"{1e3 * wanted.tolerance_m:.1f} mm and {np.rad2deg(wanted.tolerance_rad):.1f}°; move it home again"
    )
