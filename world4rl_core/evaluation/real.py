"""`world4rl evaluate metaworld`, and what every `world4rl evaluate` shares: policies from the same initial states."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from world4rl_core import progress
from world4rl_core.config_json import to_json
from world4rl_core.errors import ConfigError
from world4rl_core.evaluation.outcome_log import EpisodeOutcome, OutcomeLog, successes
from world4rl_core.evaluation.page import write_json
from world4rl_core.evaluation.provenance import provenance
from world4rl_core.evaluation.statistics import Comparison, Interval, compare_paired, wilson
from world4rl_core.evaluation.video import side_by_side, write_mp4
from world4rl_core.nets.checkpoint import load_model_state, model_file
from world4rl_core.policy.actor_critic import load_image_policy, load_policy
from world4rl_core.sim.evaluate import Outcome, evaluate
from world4rl_core.sim.metaworld import MetaWorldConfig
from world4rl_core.sim.simulator import Simulator

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be asked of a comparison in any simulator."""

    policy: tuple[Path, ...]
    """Run folders or files; every policy is compared with the first."""
    out: Path
    """Folder for evaluation.json, outcomes.jsonl and films; the same command continues an interrupted evaluation."""
    episodes: int = 200
    """Initial states; no collection uses them."""
    seed: int = 0
    workers: int = 2
    """Simulator processes; the outcomes do not depend on it."""
    names: tuple[str, ...] = ()
    """Names of the policies (default: those of their folders)."""
    films: int = 4
    """Initial states of which a film of all policies side by side is kept."""

    def __post_init__(self) -> None:
        if not self.policy:
            raise ConfigError("no policy to evaluate; pass --policy FOLDER once for each")
        if self.episodes < 1:
            raise ConfigError(f"episodes must be at least 1, got {self.episodes}")
        if self.names and len(self.names) != len(self.policy):
            raise ConfigError(f"{len(self.policy)} policies need as many names, got {len(self.names)}")


@dataclass(frozen=True, kw_only=True)
class Config(Options):
    """Options of `world4rl evaluate metaworld`. What is not given is as in the data the first policy learned from."""

    task: str | None = None
    """A Meta-World v3 task."""
    camera: str | None = None
    crop: tuple[float, float, float, float] | None = None
    """Top, bottom, left, right of what is seen, as fractions of the picture."""
    size: int | None = None
    """Height and width of the picture, in pixels."""
    frame_skip: int | None = None
    """Simulator steps per control step."""
    horizon: int | None = None
    """Control steps of an episode."""


@dataclass(frozen=True)
class Evaluation:
    """Outcomes of all policies; `comparisons` are of each later policy with the first, by name."""

    task: str
    seed: int
    simulator: Simulator
    outcomes: list[EpisodeOutcome]
    rates: dict[str, Interval]
    comparisons: dict[str, Comparison]

    @property
    def episodes(self) -> int:
        return len(self.outcomes)


def run(config: Config) -> str:
    """Evaluate, write `config.out`/evaluation.json and answer with a table."""
    return table(measure(config, simulator_of(config)))


def measure(config: Options, simulator: Simulator, *, play: Callable[..., Any] = evaluate) -> Evaluation:
    """Play what is still missing and write evaluation.json; `play` stands for the simulator."""
    names = _names(config)
    paths = dict(zip(names, config.policy, strict=True))
    for path in config.policy:
        load_policy(path)  # a policy that cannot be read is refused before the first episode, not after
    prints = {name: hashlib.sha256(model_file(path).read_bytes()).hexdigest() for name, path in paths.items()}
    log = OutcomeLog(config.out, identity={"policies": prints, "seed": config.seed, "simulator": to_json(simulator)})
    done = min(len(log.outcomes), config.episodes)
    if done < config.episodes:
        keeper = Keeper(log, names, films=config.out / "films", fps=simulator.fps)
        with progress.bar(total=config.episodes, initial=done, desc="evaluate", unit="episode") as bar:
            keeper.on_episode = bar.update
            play(
                simulator,
                policies={name: partial(load_image_policy, path) for name, path in paths.items()},
                episodes=config.episodes - done,
                seed=config.seed,
                workers=config.workers,
                keep_frames=config.films,
                first_episode=done,
                on_outcome=keeper.take,
            )
    outcomes = log.outcomes[: config.episodes]
    evaluation = summarise(outcomes, names, simulator=simulator, seed=config.seed)
    written = to_json(evaluation) | {
        "policies": {name: {"path": str(path), "sha256": prints[name]} for name, path in paths.items()},
        "settings": config,
        **to_json(provenance(datetime.now(UTC))),
    }
    write_json(config.out / "evaluation.json", written)
    return evaluation


def summarise(
    outcomes: Sequence[EpisodeOutcome], names: Sequence[str], *, simulator: Simulator, seed: int
) -> Evaluation:
    """Rates of all policies and comparisons with the first."""
    by_name = {name: successes(outcomes, name) for name in names}
    first = by_name[names[0]]
    return Evaluation(
        task=simulator.task,
        seed=seed,
        simulator=simulator,
        outcomes=list(outcomes),
        rates={name: wilson(sum(values), len(values)) for name, values in by_name.items()},
        comparisons={name: compare_paired(first, by_name[name]) for name in names[1:]},
    )


def table(evaluation: Evaluation) -> str:
    """The answer for a terminal."""
    width = max(map(len, evaluation.rates))
    total = evaluation.episodes
    lines = [f"{evaluation.task}: {total} initial states, seed {evaluation.seed}, 95 % intervals", ""]
    for name, rate in evaluation.rates.items():
        count = round(rate.estimate * total)
        lines.append(f"  {name:{width}}  {count:>4}/{total}  {rate.estimate:6.1%}  [{rate.low:.1%}, {rate.high:.1%}]")
    first = next(iter(evaluation.rates))
    for name, comparison in evaluation.comparisons.items():
        gain, counts = comparison.difference, comparison.counts
        lines += [
            "",
            f"  {name} - {first}: {100 * gain.estimate:+.1f} points [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}], "
            f"{counts.fixed} fixed, {counts.broken} broken, McNemar's exact p = {comparison.p_value:.2g}",
        ]
    return "\n".join(lines)


class Keeper:
    """Collects the outcomes of one episode from all policies, then logs them and films the first episodes."""

    def __init__(self, log: OutcomeLog, names: Sequence[str], *, films: Path, fps: float) -> None:
        self.log, self.names, self.films, self.fps = log, list(names), films, fps
        self.on_episode: Callable[[], Any] = lambda: None
        self._pending: dict[str, Outcome] = {}

    def take(self, outcome: Outcome) -> None:
        """One outcome; the last policy of an episode completes it."""
        self._pending[outcome.policy] = outcome
        if len(self._pending) < len(self.names):
            return
        whole, self._pending = [self._pending[name] for name in self.names], {}
        if all(item.frames is not None for item in whole):
            titles = {f"{item.policy}: {'success' if item.success else 'failure'}": item.frames for item in whole}
            write_mp4(self.films / f"{outcome.episode:05d}.mp4", side_by_side(titles), fps=self.fps)  # pyright: ignore
        self.log.append(
            EpisodeOutcome(
                episode=outcome.episode,
                seed=outcome.seed,
                success={item.policy: item.success for item in whole},
                steps={item.policy: item.steps for item in whole},
            )
        )
        self.on_episode()


def simulator_of(config: Config) -> MetaWorldConfig:
    """The environment: what the options say, else what the first policy's training data was recorded in."""
    asked = {name: getattr(config, name) for name in ("task", "camera", "crop", "size", "frame_skip", "horizon")}
    recorded = recorded_in(config.policy[0])
    merged = {name: value if value is not None else recorded.get(name) for name, value in asked.items()}
    if merged["task"] is None:
        raise ConfigError(f"{config.policy[0]} does not say in which task its data was recorded; pass --task")
    if merged["crop"] is not None:
        merged["crop"] = tuple(merged["crop"])
    return MetaWorldConfig(**{name: value for name, value in merged.items() if value is not None}).resolved()


def recorded_in(policy: Path) -> dict[str, Any]:
    """The collection settings of the data a policy was trained on, empty when they are unknown."""
    training = load_model_state(policy, "policy").get("provenance", {}).get("training", {})
    for root in training.get("data", []):
        record = Path(root) / "meta" / "collection.json"
        if record.is_file():
            return json.loads(record.read_text())
    logger.warning(
        "%s: the settings its data was recorded in were not found; what the options leave open is the task's default",
        policy,
    )
    return {}


def _names(config: Options) -> list[str]:
    names = list(config.names) or [path.stem if path.is_file() else path.resolve().name for path in config.policy]
    names = [
        path.resolve().parent.name if name == "model" else name for name, path in zip(names, config.policy, strict=True)
    ]
    if len(set(names)) < len(names):
        raise ConfigError(f"two policies are called alike ({', '.join(names)}); pass --names, one for each")
    return names
