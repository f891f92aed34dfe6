"""The bundles that one policy node runs: checked against the rig before anything moves, one chosen an episode."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from world4rl_core.errors import BundleError, RobotError
from world4rl_core.rig import Rig
from world4rl_core.runtime.action_queue import QueueConfig
from world4rl_core.runtime.bundle import AGAIN, MODEL, refuse_other_rig
from world4rl_core.runtime.inference import BundlePolicy, InferenceFault, SessionConfig
from world4rl_core.runtime.observation import Observation
from world4rl_core.runtime.policy_loop import LoopConfig, PolicyLoop, PolicyStep

REMEMBERED = 1000
"""Decisions whose times are kept for the percentiles."""


def named_bundles(text: str) -> dict[str, Path]:
    """`runs/bundle`, or `cloned=runs/a,refined=runs/b`: folders by name, in the order given. Raises BundleError."""
    found: dict[str, Path] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, assigns, folder = word.partition("=")
        name, folder = (name, folder) if assigns else (Path(word).name, word)
        if not name or not folder or name in found:
            raise BundleError(f"bundles '{text}': wanted a folder, or name=folder,name=folder with names that differ")
        found[name] = Path(folder)
    if not found:
        raise BundleError("no bundle is named; give a folder that `world4rl export --rig RIG` wrote")
    return found


@dataclass(frozen=True)
class Deployed:
    """One bundle, ready to run."""

    policy: BundlePolicy
    loop: PolicyLoop

    @property
    def sha256(self) -> str:
        return self.policy.manifest.files[MODEL]


class DeployedPolicies:
    """One policy acts at a time, and never a part of two in one episode."""

    def __init__(self, bundles: Mapping[str, Deployed]) -> None:
        self._bundles = dict(bundles)
        self.chosen = next(iter(self._bundles))
        self.is_running = False
        self.ended = ""
        """How the last episode ended by the policy's own doing: timeout, or aborted:<why>."""
        self.held: tuple[str, ...] = ()
        """Why the policy holds the arm at this moment."""
        self.event = ""
        """The last of this episode: a late inference, an action at its limit."""
        self.episodes = self.steps = 0
        self._step: PolicyStep | None = None
        self._times_s: dict[str, deque[float]] = {}

    @classmethod
    def open(
        cls, bundles: Mapping[str, Path], rig: Rig, *, session: SessionConfig, time_limit_s: float
    ) -> "DeployedPolicies":
        """Raises BundleError for a bundle that is damaged, changed, not of this rig, or on another provider."""
        limits = LoopConfig(queue=QueueConfig(period_s=1 / rig.action.rate_hz), time_limit_s=time_limit_s)
        opened = {}
        for name, folder in bundles.items():
            policy = BundlePolicy.open(folder, session)
            refuse_other_rig(policy.manifest, rig)
            try:
                policy.warm_up()
            except InferenceFault as fault:
                raise BundleError(f"{folder}: {fault}; check the training, then {AGAIN}") from fault
            opened[name] = Deployed(policy, PolicyLoop(policy.act, policy.action_dim, limits))
        return cls(opened)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._bundles)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Every camera that some bundle looks at."""
        cameras = [camera.name for one in self._bundles.values() for camera in one.policy.manifest.facts.cameras]
        return tuple(dict.fromkeys(cameras))

    @property
    def provider(self) -> str:
        return self._bundles[self.chosen].policy.provider

    def choose(self, name: str) -> None:
        """Raises RobotError for an unknown bundle, or while an episode runs."""
        if name not in self._bundles:
            raise RobotError(f"unknown bundle '{name}'; known: {', '.join(self._bundles)}")
        if self.is_running and name != self.chosen:
            raise RobotError(f"{self.chosen} is acting; stop the episode before another bundle is chosen")
        self.chosen = name

    def begin(self, now_s: float, *, gripper: float) -> None:
        """Starts an episode with an empty action queue; `gripper` is its state now."""
        self._bundles[self.chosen].loop.begin(now_s, gripper=gripper)
        self.is_running, self.ended, self.held, self.event = True, "", (), ""
        self.episodes, self.steps, self._step = self.episodes + 1, 0, None

    def unfit(self, seen: Observation, *, now_s: float) -> tuple[str, ...]:
        """Why the chosen policy may not act on this; empty when it may."""
        return self._bundles[self.chosen].loop.unfit(self._own(seen).stamps_s, now_s=now_s)

    def step(self, seen: Observation, *, now_s: float) -> PolicyStep:
        """What to command for one period. An end by the policy's own doing also ends the episode here."""
        own = self._own(seen)
        step = self._bundles[self.chosen].loop.step(own.images, own.stamps_s, now_s=now_s)
        self._step, self.held, self.steps = step, step.reasons, self.steps + 1
        self.event = step.events[-1] if step.events else self.event
        if step.ended is not None:
            self.is_running, self.ended = False, step.ended
        if step.inference_s is not None:
            self._note("inference", step.inference_s)
            self._note("observation_to_command", now_s + step.inference_s - min(own.stamps_s.values()))
        return step

    def note_period(self, seconds: float) -> None:
        """How long after the one before this decision was made."""
        self._note("period", seconds)
        self._note("period_jitter", abs(seconds - self._bundles[self.chosen].loop.period_s))

    def end(self) -> None:
        """Somebody else ended the episode."""
        self.is_running, self.held = False, ()

    def status(self) -> dict[str, Any]:
        """What `policy/status` says, ready for JSON; times in ms over the last decisions."""
        step = self._step
        times = {f"{name}_ms": _percentiles(values) for name, values in self._times_s.items()}
        return {
            "state": "running" if self.is_running else "idle",
            "bundle": self.chosen,
            "sha256": self._bundles[self.chosen].sha256,
            "episode": self.episodes,
            "step": self.steps,
            "ended": self.ended,
            "fault": self.ended.partition(":")[2] if self.ended.startswith("aborted:") else "",
            "held": list(self.held),
            "event": self.event,
            "action": [] if step is None else [round(float(value), 4) for value in step.action],
            "provider": self.provider,
        } | times

    def _own(self, seen: Observation) -> Observation:
        """The cameras of the chosen bundle, and the arm."""
        names = {camera.name for camera in self._bundles[self.chosen].policy.manifest.facts.cameras}
        images = {name: image for name, image in seen.images.items() if name in names}
        others = seen.images.keys() - names
        return Observation(images, {name: at_s for name, at_s in seen.stamps_s.items() if name not in others})

    def _note(self, name: str, seconds: float) -> None:
        self._times_s.setdefault(name, deque(maxlen=REMEMBERED)).append(seconds)


def _percentiles(values: deque[float]) -> list[float]:
    """Median and 99th percentile in ms."""
    return [round(1e3 * float(value), 2) for value in np.quantile(list(values), [0.5, 0.99])]
