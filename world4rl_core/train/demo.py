"""`world4rl demo metaworld`: the whole loop on one Meta-World task, from nothing to a report."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from world4rl_core.evaluation import real
from world4rl_core.sim.collect import Source
from world4rl_core.train import collect, loop, ranges, world_model
from world4rl_core.train.places import Places
from world4rl_core.train.recipes import Recipe, as_in_the_paper, recipe_for


@dataclass(frozen=True)
class Config:
    """Options of `world4rl demo metaworld`."""

    out: Path
    """Folder for everything; the same command continues an interrupted demo."""
    task: str = "button-press-topdown-v3"
    """Any Meta-World v3 task."""
    seed: int = 0
    """Decides every random choice, the initial states of the evaluation included."""
    preset: loop.Preset = "cpu"
    """`paper`: its networks, options and numbers of episodes (50 expert, 150 policy, 30 random), 64×64; wants a GPU."""
    world_model_steps: int | None = None
    """Gradient steps of the world model (default: the task's recipe; for the paper's preset 100,000)."""
    episodes: int = 200
    """Initial states on which both policies are judged in the real simulator."""
    workers: int = 2
    """Simulator processes."""
    rounds: int = 1
    """How often to refine; before each later round episodes of the policy of the one before are recorded."""
    override_trust: str = ""
    """Reason to refine although the world model was found wanting."""

    def __post_init__(self) -> None:
        ranges.at_least(self, 1, "episodes", "rounds", "workers", "world_model_steps")


def run(config: Config) -> str:
    """Runs what is still missing of the loop; the answer is the comparison and the report's path."""
    recipe = recipe_of(config)
    places = Places(config.out, config.rounds)
    todo = loop.stages(
        MetaWorldBench(config, recipe), recipe, places, seed=config.seed, preset=config.preset,
        override_trust=config.override_trust,
    )  # fmt: skip
    return loop.run_all(todo, places, title=f"World4RL on {config.task}, seed {config.seed}")


def recipe_of(config: Config) -> Recipe:
    """The task's recipe, or the paper's sizes."""
    recipe, asked = recipe_for(config.task), config.world_model_steps
    if config.preset == "paper":
        return as_in_the_paper(recipe, world_model_steps=asked or world_model.PRESETS["paper"].steps)
    return dataclasses.replace(recipe, world_model_steps=asked or recipe.world_model_steps)


@dataclass(frozen=True)
class MetaWorldBench:
    """Meta-World as the place where episodes are recorded and policies judged."""

    config: Config
    recipe: Recipe

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
        recipe = self.recipe
        return collect.run(
            collect.Config(
                task=self.config.task, source=source, out=out, episodes=episodes, workers=self.config.workers,
                policy=policy, noise=noise, noise_memory=noise_memory, only_successes=only_successes,
                size=recipe.size, horizon=recipe.horizon,
                frame_skip=recipe.frame_skip, expert_gain=recipe.expert_gain, seed=seed,
            )
        )  # fmt: skip

    def compare(self, policies: tuple[Path, ...], names: tuple[str, ...], out: Path, *, most: int | None = None) -> str:
        """The policies' success from the same initial states; the answer is a table."""
        config = self.config
        return real.run(
            real.Config(
                policy=policies, names=names, out=out, episodes=min(config.episodes, most or config.episodes),
                workers=config.workers, seed=config.seed,
            )
        )  # fmt: skip
