"""The folders of one run of the whole loop."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Where everything of one run of the loop lies."""

    out: Path
    rounds: int = 1
    """How often to refine."""

    @property
    def datasets(self) -> tuple[Path, Path, Path]:
        return (self.out / "data" / "expert", self.out / "data" / "policy", self.out / "data" / "random")

    @property
    def arm(self) -> Path:
        return self.out / "data" / "arm"

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

    def refined_in(self, round: int) -> Path:
        """The policy of that round; round 0's is the cloned one."""
        if round < 2:
            return self.refined if round else self.clone
        return self.refined / f"round-{round}" / "refined"

    def deployed(self, round: int) -> Path:
        """What that round knows more than the one before."""
        return self.out / "data" / f"policy-{round}"

    def of_rounds(self, name: str) -> Path:
        """What depends on the number of rounds, so that a second round leaves the first one's answer as it is."""
        stem, dot, ending = name.partition(".")
        return self.out / (name if self.rounds == 1 else f"{stem}-{self.rounds}{dot}{ending}")

    @property
    def evaluation(self) -> Path:
        return self.of_rounds("evaluation")

    @property
    def on_the_way(self) -> Path:
        """How policies from the course of the first refinement do in the simulator."""
        return self.out / "evaluation-on-the-way"

    @property
    def newest_models(self) -> Path:
        """Where the last round's world model and classifier lie."""
        return self.out if self.rounds == 1 else self.refined_in(self.rounds).parent
