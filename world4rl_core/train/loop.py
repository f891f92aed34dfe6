"""The whole loop as a list of stages, for any simulator: record, clone, imagine, judge, refine, compare."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from world4rl_core.errors import TrustError
from world4rl_core.evaluation import trust
from world4rl_core.evaluation.report import Folders, write_report
from world4rl_core.imagination.env import ImaginationConfig
from world4rl_core.nets.checkpoint import write_atomically
from world4rl_core.policy.update import PPOConfig
from world4rl_core.sim.collect import Source
from world4rl_core.train import bc, refine, reward, world_model
from world4rl_core.train.recipes import Recipe

logger = logging.getLogger(__name__)
REFUSED = "refused.json"
"""Why the gate refused to refine; what came before stays."""


@runtime_checkable
class Bench(Protocol):
    """Where episodes come from and policies are judged."""

    def record(
        self,
        source: Source,
        out: Path,
        *,
        episodes: int,
        noise: tuple[float, ...] = (0.0,),
        noise_memory: float = 0.0,
        policy: Path | None = None,
        only_successes: bool = False,
    ) -> object:
        """Records what the dataset `out` still misses."""
        ...

    def compare(self, policies: tuple[Path, ...], names: tuple[str, ...], out: Path) -> str:
        """The policies' success from the same initial states; the answer is a table."""
        ...


@dataclass(frozen=True)
class Stage:
    """One step of the loop; running it again continues it, or does nothing when it is done."""

    name: str
    run: Callable[[], object]
    is_answer: bool = False
    """What it returns belongs to the answer of the whole loop."""


@dataclass(frozen=True)
class Places:
    """Where everything of one run of the loop lies."""

    out: Path

    @property
    def datasets(self) -> tuple[Path, Path, Path]:
        return (self.out / "data" / "expert", self.out / "data" / "policy", self.out / "data" / "random")

    @property
    def clone(self) -> Path:
        return self.out / "clone"

    @property
    def world_model(self) -> Path:
        return self.out / "world-model"

    @property
    def reward(self) -> Path:
        return self.out / "reward"

    @property
    def trust(self) -> Path:
        return self.out / "trust"

    @property
    def refined(self) -> Path:
        return self.out / "refined"

    @property
    def evaluation(self) -> Path:
        return self.out / "evaluation"


def stages(
    bench: Bench, recipe: Recipe, out: Path, *, seed: int, override_trust: str = "", size: tuple[int, int] | None = None
) -> list[Stage]:
    """All stages of the loop, in order. `size` (h, w) resizes the recorded pictures for training."""
    at = Places(out)
    expert, policy, random = at.datasets
    clone = bc.Config(data=(expert,), out=at.clone, steps=recipe.clone_steps, held_out=0.0, size=size, seed=seed)
    imagine = world_model.Config(
        data=at.datasets, out=at.world_model, steps=recipe.world_model_steps, held_out=recipe.held_out, size=size,
        seed=seed,
    )  # fmt: skip
    judge = reward.Config(
        data=at.datasets, out=at.reward, world_model=at.world_model, steps=recipe.reward_steps,
        held_out=recipe.held_out, size=size, seed=seed,
    )  # fmt: skip
    check = trust.Config(data=at.datasets, world_model=at.world_model, reward=at.reward, out=at.trust)
    improve = refine.Config(
        policy=at.clone, world_model=at.world_model, reward=at.reward, data=at.datasets, out=at.refined,
        iterations=recipe.iterations, rollout_steps=min(25, recipe.horizon),
        imagination=ImaginationConfig(horizon=recipe.horizon), ppo=PPOConfig(std=recipe.std),
        override_trust=override_trust, size=size, seed=seed,
    )  # fmt: skip
    return [
        Stage(
            "record expert episodes",
            lambda: bench.record(
                "expert", expert, episodes=recipe.demonstrations, noise=(recipe.expert_noise,), only_successes=True
            ),
        ),
        Stage("clone a policy", lambda: bc.run(clone)),
        Stage(
            "record episodes of the cloned policy",
            lambda: bench.record(
                "policy",
                policy,
                episodes=recipe.policy_episodes,
                noise=recipe.policy_noise,
                noise_memory=recipe.policy_noise_memory,
                policy=at.clone,
            ),
        ),
        Stage("record random episodes", lambda: bench.record("random", random, episodes=recipe.random_episodes)),
        Stage("train the world model", lambda: world_model.run(imagine)),
        Stage("train the success classifier", lambda: reward.run(judge)),
        Stage("judge the world model", lambda: trust.run(check)),
        Stage("refine the policy in imagination", lambda: refine.run(improve)),
        Stage(
            "compare both policies in the simulator",
            lambda: bench.compare((at.clone, at.refined), ("cloned", "refined"), at.evaluation),
            is_answer=True,
        ),
    ]


def run_all(todo: Sequence[Stage], out: Path, *, title: str) -> str:
    """Runs the stages one after the other; the answer is what they found and where the report lies."""
    answers = []
    for number, stage in enumerate(todo, start=1):
        began = time.monotonic()
        logger.info("[%d/%d] %s", number, len(todo), stage.name)
        try:
            answer = stage.run()
            answers += [str(answer)] if stage.is_answer else []
        except TrustError as error:
            write_atomically(out / REFUSED, json.dumps({"refused": str(error)}, indent=1).encode())
            logger.info("report so far: %s", _report(out, title))
            raise
        logger.info("[%d/%d] %s: %.0f s", number, len(todo), stage.name, time.monotonic() - began)
    return "\n".join([*answers, f"report: {_report(out, title)}"])


def _report(out: Path, title: str) -> Path:
    at = Places(out)
    found = Folders(
        datasets=at.datasets, clone=at.clone, world_model=at.world_model, reward=at.reward, trust=at.trust,
        refined=at.refined, evaluation=at.evaluation,
    )  # fmt: skip
    return write_report(out / "report.html", found, title=title, now=datetime.now(UTC))
