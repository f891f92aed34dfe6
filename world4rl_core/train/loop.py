"""The whole loop as a list of stages, for any simulator: record, clone, imagine, judge, refine, compare."""

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from world4rl_core.errors import TrustError
from world4rl_core.evaluation import trust
from world4rl_core.evaluation.report import Folders, write_report
from world4rl_core.nets.checkpoint import write_atomically
from world4rl_core.sim.collect import Source
from world4rl_core.train import bc, pace, refine, reward, world_model
from world4rl_core.train.places import Places
from world4rl_core.train.recipes import Recipe
from world4rl_core.train.rounds import config_of, is_complete, later_round

logger = logging.getLogger(__name__)
Preset = Literal["cpu", "paper"]
REFUSED = "refused.json"
"""Why the gate refused to refine; what came before stays."""
TIMES = "times.json"
"""Seconds spent on each stage, those of interrupted runs included."""
ITERATE_EPISODES = 60
"""Initial states on which policies from the course of a refinement are played."""
ROUND_SEED = 1000
"""Between the seeds of two rounds' episodes, so that no round meets the scenes of another."""


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
        seed: int,
    ) -> object:
        """Records what the dataset `out` still misses."""
        ...

    def compare(self, policies: tuple[Path, ...], names: tuple[str, ...], out: Path, *, most: int | None = None) -> str:
        """The policies' success from the same initial states, at most so many; evaluation.json in `out` and a table."""
        ...


@dataclass(frozen=True)
class Stage:
    """One step of the loop; running it again continues it, or does nothing when it is done."""

    name: str
    run: Callable[[], object]
    typical_s: float = 5.0
    """What it takes on two quiet cores, for the time that is left."""
    is_answer: bool = False
    """What it returns belongs to the answer of the whole loop."""


def stages(
    bench: Bench,
    recipe: Recipe,
    at: Places,
    *,
    seed: int,
    preset: Preset = "cpu",
    override_trust: str = "",
    size: tuple[int, int] | None = None,
    cameras: tuple[str, ...] | None = None,
    record_arm: Stage | None = None,
) -> list[Stage]:
    """All stages of the loop, in order.

    preset: of the world model, the classifier and the refinement; `paper` wants a GPU.
    size: (h, w) to which the recorded pictures are resized for training.
    record_arm: records episodes on an arm into `Places.arm`. The world model learns from them and imagined episodes
    start in them; the classifier does not, because their operator says only at their end that they succeeded.
    """
    expert, policy, random = at.datasets
    data = (*at.datasets, at.arm) if record_arm is not None else at.datasets
    judged = ("expert", "policy", "random") if record_arm is not None else reward.PRESETS[preset].sources
    clone = bc.Config(
        data=(expert,), out=at.clone, steps=recipe.clone_steps, held_out=0.0, size=size, cameras=cameras, seed=seed
    )
    imagine = dataclasses.replace(
        world_model.PRESETS[preset], data=data, out=at.world_model, steps=recipe.world_model_steps,
        held_out=recipe.held_out, size=size, cameras=cameras, seed=seed,
    )  # fmt: skip
    judge = dataclasses.replace(
        reward.PRESETS[preset], data=data, out=at.reward, world_model=at.world_model, steps=recipe.reward_steps,
        sources=judged, held_out=recipe.held_out, size=size, cameras=cameras, seed=seed,
    )  # fmt: skip
    check = trust.Config(data=data, world_model=at.world_model, reward=at.reward, out=at.trust)
    usual = refine.PRESETS[preset]
    improve = dataclasses.replace(
        usual, policy=at.clone, world_model=at.world_model, reward=at.reward, data=data, out=at.refined,
        iterations=recipe.iterations, average=recipe.average, rollout_steps=min(usual.rollout_steps, recipe.horizon),
        imagination=dataclasses.replace(usual.imagination, envs=recipe.envs, horizon=recipe.horizon),
        ppo=dataclasses.replace(
            usual.ppo, std=recipe.std, minibatch=usual.ppo.minibatch * recipe.envs // usual.imagination.envs
        ),
        override_trust=override_trust, size=size, cameras=cameras,
        seed=seed,
    )  # fmt: skip
    return [
        Stage(
            "record expert episodes",
            lambda: bench.record(
                "expert",
                expert,
                episodes=recipe.demonstrations,
                noise=(recipe.expert_noise,),
                only_successes=True,
                seed=seed,
            ),
            typical_s=pace.EPISODE_S * recipe.demonstrations,
        ),
        Stage("clone a policy", lambda: bc.run(clone), typical_s=pace.CLONE_STEP_S * recipe.clone_steps),
        Stage(
            "record episodes of the cloned policy",
            lambda: bench.record(
                "policy",
                policy,
                episodes=recipe.policy_episodes,
                noise=recipe.policy_noise,
                noise_memory=recipe.policy_noise_memory,
                policy=at.clone,
                seed=seed,
            ),
            typical_s=pace.EPISODE_S * recipe.policy_episodes,
        ),
        Stage(
            "record random episodes",
            lambda: bench.record("random", random, episodes=recipe.random_episodes, seed=seed),
            typical_s=pace.EPISODE_S * recipe.random_episodes,
        ),
        *([record_arm] if record_arm is not None else []),
        Stage("train the world model", lambda: world_model.run(imagine), typical_s=pace.world_model_s(recipe)),
        Stage("train the success classifier", lambda: reward.run(judge), typical_s=pace.reward_s(recipe)),
        Stage("judge the world model", lambda: trust.run(check), typical_s=pace.TRUST_S),
        Stage("refine the policy in imagination", lambda: refine.run(improve), typical_s=pace.refine_s(recipe)),
        _comparison(bench, Places(at.out)),
        Stage(
            "hold imagined against real success on the way",
            lambda: _hold_iterates(bench, at, check),
            typical_s=pace.TRUST_S + pace.COMPARISON_S,
        ),
        *(
            stage
            for number in range(2, at.rounds + 1)
            for stage in _later_round(bench, recipe, at, number, seed=seed, override_trust=override_trust)
        ),
    ]


def on_the_way(iterates: Sequence[Path], *, most: int = 4) -> tuple[Path, ...]:
    """At most so many of them, evenly apart, the first and the last among them."""
    count = len(iterates)
    return tuple(iterates[round(place)] for place in np.linspace(0, count - 1, min(most, count)))


def _hold_iterates(bench: Bench, at: Places, check: trust.Config) -> None:
    """Plays policies from the course of the refinement, and adds what imagination said of each to the trust report."""
    policies = on_the_way(sorted((at.refined / "iterates").glob("*.safetensors")))
    if not policies:  # of an older run
        return
    bench.compare(policies, tuple(f"after {int(path.stem)}" for path in policies), at.on_the_way, most=ITERATE_EPISODES)
    trust.run(dataclasses.replace(check, checkpoints=at.on_the_way / "evaluation.json"))


def _comparison(bench: Bench, at: Places) -> Stage:
    """All policies up to the last round of `at`, from the same initial states."""
    policies = tuple(at.refined_in(number) for number in range(at.rounds + 1))
    names = ("cloned", "refined", *(f"refined-{number}" for number in range(2, at.rounds + 1)))
    return Stage(
        "compare the policies in the simulator" + (f" after round {at.rounds}" if at.rounds > 1 else ""),
        lambda: bench.compare(policies, names, at.evaluation),
        typical_s=pace.COMPARISON_S,
        is_answer=True,
    )


def _later_round(
    bench: Bench, recipe: Recipe, at: Places, number: int, *, seed: int, override_trust: str
) -> list[Stage]:
    """Record the policy of the round before, then train, refine and compare again."""
    before, deployed = at.refined_in(number - 1), at.deployed(number)
    reason = override_trust if is_complete(before) else ""
    return [
        Stage(
            f"round {number}: record episodes of the refined policy",
            lambda: bench.record(
                "policy",
                deployed,
                episodes=recipe.policy_episodes // 2,
                noise=recipe.policy_noise,
                noise_memory=recipe.policy_noise_memory,
                policy=before,
                seed=seed + ROUND_SEED * (number - 1),
            ),
            typical_s=pace.EPISODE_S * recipe.policy_episodes / 2,
        ),
        Stage(
            f"round {number}: train on them too, and refine again",
            lambda: later_round(
                config_of(refine.Config, before), number, deployed=deployed, out=at.refined, override_trust=reason
            ).run(),
            typical_s=pace.world_model_s(recipe) + pace.reward_s(recipe) + pace.refine_s(recipe),
        ),
        _comparison(bench, Places(at.out, number)),
    ]


def run_all(todo: Sequence[Stage], at: Places, *, title: str) -> str:
    """Runs the stages one after the other; the answer is what they found and where the report lies."""
    answers, typical_s = [], {stage.name: stage.typical_s for stage in todo}
    for number, stage in enumerate(todo, start=1):
        began_s = time.monotonic()
        left_s = pace.left_s(typical_s, _times(at.out), now=stage.name)
        logger.info("[%d/%d] %s; to the end of all %s", number, len(todo), stage.name, pace.about(left_s))
        try:
            answer = stage.run()
            answers += [str(answer)] if stage.is_answer else []
        except TrustError as error:
            write_atomically(at.of_rounds(REFUSED), json.dumps({"refused": str(error)}, indent=1).encode())
            logger.info("report so far: %s", _report(at, title))
            raise
        finally:
            spent_s = time.monotonic() - began_s
            _add_time(at.out, stage.name, spent_s)
        logger.info("[%d/%d] %s: %.0f s", number, len(todo), stage.name, spent_s)
    return "\n".join([*answers, f"report: {_report(at, title)}"])


def _times(out: Path) -> dict[str, float]:
    file = out / TIMES
    return json.loads(file.read_text()) if file.is_file() else {}


def _add_time(out: Path, stage: str, seconds: float) -> None:
    times = _times(out)
    times[stage] = round(times.get(stage, 0.0) + seconds, 1)
    write_atomically(out / TIMES, json.dumps(times, indent=1).encode())


def _report(at: Places, title: str) -> Path:
    more = [at.arm, *(at.deployed(number) for number in range(2, at.rounds + 1))]
    datasets = [*at.datasets, *(folder for folder in more if folder.is_dir())]
    found = Folders(
        datasets=tuple(datasets), clone=at.clone, world_model=at.newest_models / "world-model",
        reward=at.newest_models / "reward", trust=at.trust,
        refined=at.refined_in(at.rounds), evaluation=at.evaluation,
    )  # fmt: skip
    return write_report(at.of_rounds("report.html"), found, title=title, now=datetime.now(UTC))
