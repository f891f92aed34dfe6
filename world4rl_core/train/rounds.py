"""`world4rl refine`: in one round as the paper does, or in several, each after the policy before it was deployed.

A later round trains world model and classifier anew, as their first runs were trained, on the old episodes and those
of the policy that the round before made; then refinement goes on from that policy. Anew, because a model that had gone
on from the round before would have seen episodes that are now to judge it.
"""

import dataclasses
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from world4rl_core.config_json import from_json
from world4rl_core.errors import ConfigError
from world4rl_core.train import refine, reward, world_model
from world4rl_core.train.run import CONFIG, MODEL

logger = logging.getLogger(__name__)
C = TypeVar("C")


@dataclass(frozen=True)
class Config(refine.Config):
    """Options of `world4rl refine`."""

    rounds: int = 1
    """How often to refine. Before each later round, record episodes of the policy of the one before."""
    deployed: tuple[Path, ...] = ()
    """Dataset of each later round, in order: what the policy of the round before did on the arm. Rows of the arm's own
    recordings count as successes only from the operator's press on: press as soon as it is done."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounds < 1 or len(self.deployed) >= self.rounds:
            raise ConfigError(
                f"{len(self.deployed)} deployed datasets are for as many later rounds: pass --rounds "
                f"{len(self.deployed) + 1}, got {self.rounds}"
            )
        known = [*self.data, *self.deployed]
        if twice := sorted({str(one) for one in known if known.count(one) > 1}):
            raise ConfigError(
                f"{twice[0]} is given twice; each round needs episodes of its own policy, in a new folder"
            )


PRESETS = {
    name: Config(**{field.name: getattr(preset, field.name) for field in dataclasses.fields(preset)})
    for name, preset in refine.PRESETS.items()
}


@dataclass(frozen=True)
class Round:
    """What one later round trains, in this order."""

    world_model: world_model.Config
    reward: reward.Config
    refine: refine.Config

    def run(self) -> Path:
        """Trains what is missing and returns the policy's run folder."""
        world_model.run(self.world_model)
        reward.run(self.reward)
        return refine.run(self.refine)


def run(config: Config) -> Path:
    """Refines the policy, round by round, and returns the last policy's run folder.

    Raises what `refine.run` does, and ConfigError where a later round still misses its episodes.
    """
    fields = (field.name for field in dataclasses.fields(refine.Config))
    before = refine.Config(**{name: getattr(config, name) for name in fields})
    reason = config.override_trust if is_complete(before.out) else ""
    policy = refine.run(before)
    for number in range(2, config.rounds + 1):
        if len(config.deployed) < number - 1:
            raise ConfigError(
                f"round {number} needs episodes of {policy}: export and deploy it (`world4rl export --policy {policy}`,"
                " then the launch file deploy with dataset:=FOLDER), and run the same command with "
                f"--deployed {' '.join(map(str, config.deployed))}{' ' if config.deployed else ''}FOLDER"
            )
        logger.info("round %d, with %s", number, config.deployed[number - 2])
        todo = later_round(before, number, deployed=config.deployed[number - 2], out=config.out, override_trust=reason)
        reason = reason if is_complete(todo.refine.out) else ""
        policy, before = todo.run(), todo.refine
    return policy


def is_complete(run: Path) -> bool:
    """A reason to override the gate is for the first round that is left, and for no other."""
    return (run / MODEL).is_file()


def later_round(before: refine.Config, number: int, *, deployed: Path, out: Path, override_trust: str) -> Round:
    """The round after the one that `before` describes, in the folder `out`/round-`number`.

    Raises ConfigError where a run folder of the round before does not tell how it was trained.
    """
    folder, data = out / f"round-{number}", (*before.data, deployed)
    imagine = dataclasses.replace(
        config_of(world_model.Config, before.world_model), data=data, out=folder / "world-model",
        device=before.device,
    )  # fmt: skip
    judge = dataclasses.replace(
        config_of(reward.Config, before.reward), data=data, world_model=imagine.out, out=folder / "reward",
        device=before.device,
    )  # fmt: skip
    improve = dataclasses.replace(
        before, policy=before.out, world_model=imagine.out, reward=judge.out, data=data, out=folder / "refined",
        override_trust=override_trust,
    )  # fmt: skip
    return Round(imagine, judge, improve)


def config_of(kind: type[C], run: Path) -> C:
    """How a run folder was trained. Raises ConfigError where it does not tell."""
    file = run / CONFIG
    if not file.is_file():
        raise ConfigError(f"{run} has no {CONFIG}, so a later round cannot train another like it; pass its run folder")
    found = json.loads(file.read_text())
    found.pop("kind")
    return from_json(kind, found, where=str(file))
