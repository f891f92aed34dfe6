"""`world4rl demo twin`: the whole loop on one task of the digital twin, from nothing to a report."""

from dataclasses import dataclass
from pathlib import Path

from world4rl_core.errors import ConfigError
from world4rl_core.evaluation import twin
from world4rl_core.export import bundle
from world4rl_core.rig import load_rig
from world4rl_core.runtime.bundle import MANIFEST
from world4rl_core.sim.collect import Source
from world4rl_core.sim.twin.tasks import find_task
from world4rl_core.train import collect_twin, loop
from world4rl_core.train.arm_episodes import ArmEpisodes
from world4rl_core.train.arm_trials import Trials
from world4rl_core.train.places import Places
from world4rl_core.train.recipes import Recipe, recipe_for


@dataclass(frozen=True)
class Config:
    """Options of `world4rl demo twin`."""

    out: Path
    """Folder for everything; the same command continues an interrupted demo."""
    task: str = "press_button"
    """A task of the twin."""
    rig: str = "twin"
    """Name or path of the rig file."""
    camera: str = "external"
    """Camera of the rig that policy and world model see."""
    seed: int = 0
    """Decides every random choice, the initial states of the evaluation included."""
    episodes: int = 200
    """Initial states on which both policies are judged in lock step."""
    trials: int = 20
    """Interleaved trials of each policy on the simulated arm, through ROS and franky; 0 leaves them out."""
    arm_episodes: int | None = None
    """Demonstrations recorded through ROS and franky on the simulated arm (default: the recipe's)."""
    workers: int = 2
    """Simulator processes."""
    rounds: int = 1
    """How often to refine; before each later round episodes of the policy of the one before are recorded."""
    override_trust: str = ""
    """Reason to refine although the world model was found wanting."""

    def __post_init__(self) -> None:
        find_task(self.task)
        if min(self.episodes, self.rounds) < 1 or min(self.trials, self.arm_episodes or 0) < 0:
            raise ConfigError(
                f"wanted at least 1 episode and round, and no fewer than 0 trials and arm episodes, got "
                f"{self.episodes}, {self.rounds}, {self.trials} and {self.arm_episodes}"
            )


def run(config: Config) -> str:
    """Runs what is still missing of the loop; the answer is the comparison and the report's path."""
    recipe = recipe_for(config.task)
    places = Places(config.out, config.rounds)
    episodes = recipe.arm_episodes if config.arm_episodes is None else config.arm_episodes
    on_arm = ArmEpisodes(places.arm, task=config.task, rig=config.rig, episodes=episodes, seed=config.seed)
    todo = loop.stages(
        TwinBench(config, recipe), recipe, places, seed=config.seed, override_trust=config.override_trust,
        size=(recipe.size, recipe.size), cameras=(config.camera,),
        record_arm=loop.Stage(
            "record episodes on the simulated arm, through ROS", on_arm.run, typical_s=10.0 * episodes
        ) if episodes else None,
    )  # fmt: skip
    bundles = {name: places.of_rounds("bundles") / name for name in ("cloned", "refined")}
    for policy, folder in zip((places.clone, places.refined_in(config.rounds)), bundles.values(), strict=True):
        options = bundle.Config(policy=policy, rig=config.rig, out=folder)
        todo.append(loop.Stage(f"export the {folder.name} policy", lambda options=options: _export_once(options)))
    if config.trials:
        trials = Trials(
            bundles, task=config.task, rig=config.rig, session=places.of_rounds("session"),
            horizon_s=recipe.horizon / load_rig(config.rig).action.rate_hz, seed=config.seed, each=config.trials,
        )  # fmt: skip
        name = "judge both on the simulated arm, through ROS and franky"
        todo.append(loop.Stage(name, trials.run, typical_s=2 * 7.0 * config.trials, is_answer=True))
    return loop.run_all(todo, places, title=f"World4RL on the twin's {config.task}, seed {config.seed}")


def _export_once(options: bundle.Config) -> object:
    return options.out if (options.out / MANIFEST).is_file() else bundle.run(options)


@dataclass(frozen=True)
class TwinBench:
    """The digital twin in lock step as the place where episodes are recorded and policies judged."""

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
        config = self.config
        return collect_twin.run(
            collect_twin.Config(
                task=config.task, source=source, out=out, episodes=episodes, workers=config.workers, policy=policy,
                noise=noise, noise_memory=noise_memory, only_successes=only_successes, rig=config.rig,
                cameras=(config.camera,),
                horizon=self.recipe.horizon, seed=seed,
            )
        )  # fmt: skip

    def compare(self, policies: tuple[Path, ...], names: tuple[str, ...], out: Path, *, most: int | None = None) -> str:
        """The policies' success from the same initial states; the answer is a table."""
        config = self.config
        return twin.run(
            twin.Config(
                policy=policies, names=names, out=out, episodes=min(config.episodes, most or config.episodes),
                workers=config.workers, seed=config.seed,
            )
        )  # fmt: skip
