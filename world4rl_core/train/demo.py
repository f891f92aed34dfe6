"""`world4rl demo`: the whole loop on one Meta-World task, from nothing to a report."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from world4rl_core.errors import ConfigError, TrustError
from world4rl_core.evaluation import real, trust
from world4rl_core.evaluation.report import Folders, write_report
from world4rl_core.imagination.env import ImaginationConfig
from world4rl_core.policy.update import PPOConfig
from world4rl_core.train import bc, collect, refine, reward, world_model
from world4rl_core.train.recipes import Recipe, recipe_for

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """Options of `world4rl demo`."""

    out: Path
    """Folder for everything; the same command continues an interrupted demo."""
    task: str = "button-press-topdown-v3"
    """Any Meta-World v3 task."""
    seed: int = 0
    """Decides every random choice, the initial states of the evaluation included."""
    episodes: int = 200
    """Initial states on which both policies are judged in the real simulator."""
    workers: int = 2
    """Simulator processes."""
    override_trust: str = ""
    """Reason to refine although the world model was found wanting."""


def run(config: Config) -> str:
    """Runs what is still missing of the loop; the answer is the comparison and the report's path."""
    recipe = recipe_for(config.task)
    if config.episodes < 1:
        raise ConfigError(f"episodes must be at least 1, got {config.episodes}")
    out = config.out
    data = _datasets(out)
    folders = Folders(
        datasets=data, clone=out / "clone", world_model=out / "world-model", reward=out / "reward", trust=out / "trust",
        refined=out / "refined", evaluation=out / "evaluation",
    )  # fmt: skip
    stages = _stages(config, recipe)
    answer = ""
    for number, (name, stage) in enumerate(stages, start=1):
        began = time.monotonic()
        logger.info("[%d/%d] %s", number, len(stages), name)
        try:
            answer = stage()
        except TrustError:
            page = _report(config, folders)
            logger.info("report so far: %s", page)
            raise
        logger.info("[%d/%d] %s: %.0f s", number, len(stages), name, time.monotonic() - began)
    return f"{answer}\nreport: {_report(config, folders)}"


def _stages(config: Config, recipe: Recipe) -> list[tuple[str, Callable[[], object]]]:
    seed, out = config.seed, config.out
    data = _datasets(out)
    common = collect.Config(
        task=config.task, source="random", out=data[2], episodes=recipe.random_episodes, workers=config.workers,
        size=recipe.size, horizon=recipe.horizon, frame_skip=recipe.frame_skip, expert_gain=recipe.expert_gain,
        seed=seed,
    )  # fmt: skip
    expert = replace(
        common, source="expert", out=data[0], episodes=recipe.demonstrations, noise=(recipe.expert_noise,),
        only_successes=True,
    )  # fmt: skip
    clone = bc.Config(data=data[:1], out=out / "clone", steps=recipe.clone_steps, held_out=0.0, seed=seed)
    policy = replace(
        common, source="policy", out=data[1], episodes=recipe.policy_episodes, policy=out / "clone",
        noise=recipe.policy_noise,
    )  # fmt: skip
    imagine = world_model.Config(
        data=data, out=out / "world-model", steps=recipe.world_model_steps, held_out=recipe.held_out, seed=seed,
    )  # fmt: skip
    judge = reward.Config(
        data=data, out=out / "reward", world_model=out / "world-model", steps=recipe.reward_steps,
        held_out=recipe.held_out, seed=seed,
    )  # fmt: skip
    check = trust.Config(data=data, world_model=out / "world-model", reward=out / "reward", out=out / "trust")
    improve = refine.Config(
        policy=out / "clone", world_model=out / "world-model", reward=out / "reward", data=data, out=out / "refined",
        iterations=recipe.iterations, rollout_steps=min(25, recipe.horizon),
        imagination=ImaginationConfig(horizon=recipe.horizon), ppo=PPOConfig(std=recipe.std),
        override_trust=config.override_trust, seed=seed,
    )  # fmt: skip
    compare = real.Config(
        policy=(out / "clone", out / "refined"), names=("cloned", "refined"), out=out / "evaluation",
        episodes=config.episodes, workers=config.workers, seed=seed,
    )  # fmt: skip
    return [
        ("record expert episodes", lambda: collect.run(expert)),
        ("clone a policy", lambda: bc.run(clone)),
        ("record episodes of the cloned policy", lambda: collect.run(policy)),
        ("record random episodes", lambda: collect.run(common)),
        ("train the world model", lambda: world_model.run(imagine)),
        ("train the success classifier", lambda: reward.run(judge)),
        ("judge the world model", lambda: trust.run(check)),
        ("refine the policy in imagination", lambda: refine.run(improve)),
        ("compare both policies in the real simulator", lambda: real.run(compare)),
    ]


def _datasets(out: Path) -> tuple[Path, Path, Path]:
    return (out / "data" / "expert", out / "data" / "policy", out / "data" / "random")


def _report(config: Config, folders: Folders) -> Path:
    title = f"World4RL on {config.task}, seed {config.seed}"
    return write_report(config.out / "report.html", folders, title=title, now=datetime.now(UTC))
