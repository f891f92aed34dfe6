"""Who moves the arm: a person's touch takes over at once, and hands back after the hand was off for a while."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from world4rl_core.runtime.command_filter import Command
from world4rl_core.runtime.inbox import Inbox, is_neutral
from world4rl_core.runtime.latch import Reaction, Trip

ECHO_S = 0.5


class Source(Enum):
    HUMAN = "human"
    POLICY = "policy"
    NONE = "none"


@dataclass(frozen=True, eq=False)
class Choice:
    """The source that moves the arm now, its command, and what is wrong with the input."""

    source: Source
    command: Command | None
    trips: tuple[Trip, ...] = ()
    is_intervention: bool = False
    """A person holds the arm that a policy was moving, or would be moving."""


class Arbiter:
    """HIL-SERL's rule (Luo et al. 2024): a touch overrides, neutral for `neutral_s` hands back.

    A policy moves nothing before the person's input was heard and neutral for `neutral_s`; where there is no operator
    device at all (`needs_human=False`) it may, and a person who does turn up is obeyed all the same.
    """

    def __init__(self, *, neutral_s: float, needs_human: bool = True) -> None:
        self._neutral_s = neutral_s
        self._needs_human = needs_human
        self.source = Source.NONE
        self._touched_s: float | None = None
        self._is_intervening = False
        self._awaits_policy = False

    def release(self) -> None:
        """Nobody moves the arm; the next source has to earn it again. Call whenever the arm is disarmed or latched."""
        self.source = Source.NONE
        self._is_intervening = self._awaits_policy = False

    def touched(self, now_s: float) -> None:
        """The person pressed the gripper's button: as much a touch as a push."""
        self.source, self._touched_s = Source.HUMAN, now_s

    def step(
        self,
        human: Inbox,
        policy: Inbox,
        now_s: float,
        *,
        wall_s: float | None = None,
        publishers: tuple[int, int] = (1, 1),
    ) -> Choice:
        """`publishers`: how many nodes publish human and policy commands; of more than one, all are ignored."""
        crowded = [box.source for box, count in zip((human, policy), publishers, strict=True) if count > 1]
        if crowded:
            return self._nobody([f"{name}: more than one publisher, all are ignored" for name in crowded])
        is_heard = human.is_fresh(now_s, wall_s=wall_s)
        if not is_heard and (self._needs_human or human.newest is not None):
            return self._nobody(["human: the operator's device is silent"])
        policy_speaks = policy.is_fresh(now_s, wall_s=wall_s)
        self._take_over(human, now_s, is_heard=is_heard, policy_speaks=policy_speaks)
        if self._policy_failed(policy, policy_speaks):
            return self._nobody(["policy: fell silent while it was moving the arm"])
        self._hand_over(human, now_s, is_heard=is_heard, policy_speaks=policy_speaks)
        if self.source is Source.HUMAN:
            return Choice(self.source, human.newest, is_intervention=self._is_intervening)
        return Choice(self.source, policy.newest if self.source is Source.POLICY else None)

    def _nobody(self, reasons: list[str]) -> Choice:
        self.source, self._is_intervening = Source.NONE, False
        return Choice(Source.NONE, None, tuple(Trip(Reaction.HOLD, reason) for reason in reasons))

    def _take_over(self, human: Inbox, now_s: float, *, is_heard: bool, policy_speaks: bool) -> None:
        if self._touched_s is not None and not 0 <= now_s - self._touched_s < self._neutral_s:
            self._touched_s = None
        is_pushed = is_heard and human.newest is not None and not is_neutral(human.newest.twist)
        if is_pushed or (self._touched_s is not None and is_heard):
            self.source = Source.HUMAN
            self._is_intervening = self._is_intervening or policy_speaks

    def _policy_failed(self, policy: Inbox, policy_speaks: bool) -> bool:
        """A policy ends by sending a zero twist; one that falls silent while moving has failed until it is back."""
        if self.source is Source.POLICY and not policy_speaks:
            self._awaits_policy = policy.newest is not None and not is_neutral(policy.newest.twist)
            self.source = Source.NONE
        if policy_speaks:
            self._awaits_policy = False
        return self._awaits_policy

    def _hand_over(self, human: Inbox, now_s: float, *, is_heard: bool, policy_speaks: bool) -> None:
        is_off = not is_heard or (human.neutral_for_s(now_s) >= self._neutral_s and self._touched_s is None)
        if self.source is not Source.POLICY and is_off and policy_speaks:
            self.source, self._is_intervening = Source.POLICY, False
        elif self.source is Source.NONE and is_heard:
            self.source = Source.HUMAN


@dataclass
class GripperArbiter:
    """The gripper's state follows whoever moves the arm; a person's button counts when it changes, at any time."""

    state: float | None = None
    """What the gripper was last sent: +1 open, -1 closed, None nothing yet. `sent` sets it."""
    _human: float | None = None
    _policy: float | None = None
    _before: float | None = None  # what a policy's last request replaced
    _policy_sent_s: float = float("-inf")

    def human(self, state: float, now_s: float, *, is_armed: bool) -> float | None:
        """A person's latched state arrives; the new request when the button was pressed, else None.

        The person's node follows what the gripper was sent: a change to what it was just before a policy's request is
        taken for that echo, not for a press.
        """
        if not np.isfinite(state):
            return None
        wanted = 1.0 if state > 0 else -1.0
        is_echo = wanted == self._before and 0 <= now_s - self._policy_sent_s < ECHO_S
        is_pressed = self._human is not None and wanted != self._human and not is_echo
        self._human = wanted
        return wanted if is_pressed and is_armed and wanted != self.state else None

    def lose_human(self) -> None:
        """The person's device fell silent: what it says first when it is back is where it stands, not a press."""
        self._human = None

    def policy(self, state: float) -> None:
        """A policy's state arrives; it counts only while the policy moves the arm."""
        self._policy = float(np.sign(state)) or None if np.isfinite(state) else None

    def step(self, source: Source) -> float | None:
        """Once a control period while armed: a policy's request when it is news, else None."""
        if source is not Source.POLICY or self._policy is None:
            self._policy = None  # what was asked for while another moved the arm never counts later
            return None
        return None if self._policy == self.state else self._policy

    def sent(self, state: float, now_s: float, *, by_policy: bool) -> None:
        """The request goes to the gripper; one that was dropped on the way never changes the state."""
        if by_policy:
            self._before, self._policy_sent_s = self.state, now_s
        self.state = state
