"""What a policy node decides in each period (faults 57, 58, 61, 62, 63): what to command, and when to stop.

Contract for the node, which stays thin over this:

- configure: `policy = BundlePolicy.open(...)`, `refuse_other_rig(policy.manifest, rig)`, `policy.warm_up()`,
  `loop = PolicyLoop(policy.act, policy.action_dim, config)`;
- start of an episode (recorder started, arm armed, input neutral): `loop.begin(now_s, gripper=...)`;
- every period: the newest raw picture of each camera and the newest arm state, with their stamps, go to `loop.step`;
  `twist_of_action(step.action, rig)` goes to `policy/twist`, `step.action[-1]` to `policy/gripper`. Dry run: everything
  but these two publications;
- `step.reaction == "R2"`: zero twist, one throttled warning with `step.reasons`; `step.ended`: stop publishing, end the
  recording with that label. A person who takes over by SpaceMouse does so in the arbiter: the loop keeps running, and
  what the policy would have done is recorded beside what was applied.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from world4rl_core.errors import ConfigError
from world4rl_core.runtime.action_queue import ActionQueue, QueueConfig
from world4rl_core.runtime.inference import InferenceFault

SATURATED = 0.999


@dataclass(frozen=True)
class LoopConfig:
    """Limits of one episode of a policy."""

    queue: QueueConfig = field(default_factory=QueueConfig)
    max_observation_age_s: float = 0.15
    """Oldest picture or arm state that may be acted on."""
    max_skew_s: float = 0.05
    """Largest difference between the stamps of one observation."""
    longest_hold_s: float = 1.0
    """An observation that is unfit for so long ends the episode: until then the policy goes on by itself."""
    future_s: float = 0.02
    """How far a stamp may lie ahead of our clock."""
    time_limit_s: float = 30.0
    saturation_steps: int = 20
    """Steps in a row with a full motion command after which a warning is due."""

    def __post_init__(self) -> None:
        if min(self.max_observation_age_s, self.max_skew_s, self.time_limit_s) <= 0 or self.saturation_steps < 1:
            raise ConfigError(f"the limits of a policy loop must be positive, got {self}")


@dataclass(frozen=True, eq=False)
class PolicyStep:
    """The answer of one period."""

    action: np.ndarray  # (d,) in [-1, 1]
    reaction: Literal["none", "R2"]
    reasons: tuple[str, ...] = ()
    """Why the arm is held."""
    events: tuple[str, ...] = ()
    """What is worth a line in the log."""
    ended: str | None = None
    """Label of the episode once it is over: `timeout` or `aborted:<why>`."""
    inference_s: float | None = None
    """Seconds the policy took; None when it was not asked."""


class PolicyLoop:
    """One policy, one episode at a time. `act` maps pictures by camera to an action; `timer` measures it."""

    def __init__(
        self,
        act: Callable[[Mapping[str, np.ndarray]], np.ndarray],
        dim: int,
        config: LoopConfig = LoopConfig(),
        *,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._act, self._config, self._timer = act, config, timer
        self._queue = ActionQueue(dim, config.queue)
        self._episode, self._begun_s, self._ended, self._saturated = 0, 0.0, "not begun", 0
        self._fit_s = 0.0

    @property
    def period_s(self) -> float:
        """Wanted time between two decisions."""
        return self._config.queue.period_s

    def begin(self, now_s: float, *, gripper: float = 1.0) -> None:
        """Starts an episode with an empty queue; the gripper's state is +1 open or -1 closed."""
        self._episode = self._queue.reset(gripper=gripper)
        self._begun_s, self._ended, self._saturated = now_s, "", 0
        self._fit_s = now_s

    def step(self, images: Mapping[str, np.ndarray], stamps_s: Mapping[str, float], *, now_s: float) -> PolicyStep:
        """What to command now. `stamps_s`: when each picture and the arm state were taken, on the clock of `now_s`."""
        if self._ended:
            return self._held(f"the episode is over ({self._ended})", ended=self._ended)
        if now_s - self._begun_s >= self._config.time_limit_s:
            self._ended = "timeout"
            return self._held(f"time limit of {self._config.time_limit_s:g} s", ended="timeout")
        unfit = self.unfit(stamps_s, now_s=now_s)
        if unfit:
            self._queue.drop()
            if now_s - self._fit_s >= self._config.longest_hold_s:
                self._ended = f"aborted:{unfit[0]}"
            return self._held(*unfit, ended=self._ended or None)
        self._fit_s = now_s
        started = self._timer()
        try:
            action = self._act(images)
        except InferenceFault as fault:
            self._ended = f"aborted:{fault}"
            return self._held(str(fault), ended=self._ended)
        inference_s = self._timer() - started
        late = inference_s > self.period_s
        if not late:
            self._queue.put(action, episode=self._episode, observed_s=min(stamps_s.values()))
        taken = self._queue.take(now_s + inference_s)
        events = self._saturation(taken.action)
        if late:
            events += (f"inference took {1e3 * inference_s:.0f} ms, the period is {1e3 * self.period_s:.0f} ms",)
        if taken.is_too_slow:
            self._queue.drop()
            reason = f"no action in time for {taken.misses} periods"
            return PolicyStep(taken.action, "R2", (reason,), events, inference_s=inference_s)
        return PolicyStep(taken.action, "none", events=events, inference_s=inference_s)

    def unfit(self, stamps_s: Mapping[str, float], *, now_s: float) -> tuple[str, ...]:
        """Why an observation may not be acted on (fault 61); empty when it may."""
        if not stamps_s:
            return ("there is no observation",)
        reasons = []
        for name, stamp_s in stamps_s.items():
            age_s = now_s - stamp_s
            if not -self._config.future_s <= age_s <= self._config.max_observation_age_s:
                limit_ms = 1e3 * self._config.max_observation_age_s
                reasons.append(f"{name} is {1e3 * age_s:.0f} ms old, limit {limit_ms:.0f} ms; is its node running?")
        skew_s = max(stamps_s.values()) - min(stamps_s.values())
        if skew_s > self._config.max_skew_s:
            ends = f"{min(stamps_s, key=lambda name: stamps_s[name])} and {max(stamps_s, key=lambda n: stamps_s[n])}"
            reasons.append(f"{ends} are {1e3 * skew_s:.0f} ms apart, limit {1e3 * self._config.max_skew_s:.0f} ms")
        return tuple(reasons)

    def _held(self, *reasons: str, ended: str | None = None) -> PolicyStep:
        self._saturated = 0
        return PolicyStep(self._queue.still(), "R2", reasons, ended=ended)

    def _saturation(self, action: np.ndarray) -> tuple[str, ...]:
        """A warning when the motion has been at its limit for too long (fault 62), once a stretch."""
        self._saturated = self._saturated + 1 if np.abs(action[:-1]).max(initial=0.0) >= SATURATED else 0
        if self._saturated == self._config.saturation_steps:
            return (f"the action is at its limit for {self._saturated} steps",)
        return ()
