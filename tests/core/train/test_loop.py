"""The whole loop, in a world of its own: interrupted and continued, refused by the gate and let through."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.errors import ConfigError, TrustError
from world4rl_core.nets.checkpoint import load_model_state
from world4rl_core.sim.collect import Source
from world4rl_core.train import demo, loop, run
from world4rl_core.train.places import Places
from world4rl_core.train.recipes import Recipe

TINY = Recipe(
    demonstrations=3, policy_episodes=16, random_episodes=4, horizon=6, clone_steps=2, held_out=0.4,
    world_model_steps=2, reward_steps=2, iterations=1,
)  # fmt: skip


class Killed(Exception):
    """Stands for Ctrl-C in a stage."""


@dataclass
class SquareBench:
    """The moving square of the synthetic datasets as a bench; it is interrupted in the middle of `dies_in`, once."""

    dies_in: str = ""
    recorded: list[str] = field(default_factory=list)
    """The source of each episode, in the order in which they were made."""
    compared: list[tuple[str, ...]] = field(default_factory=list)

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
        """Experts steer to the goal, random ones wander, and of the policy's episodes every second one does either."""
        exists = (out / "meta" / "info.json").is_file()
        with DatasetWriter.open(out) if exists else DatasetWriter.create(out, fps=10, robot_type="square") as writer:
            for number in range(writer.num_episodes, episodes):
                if self.dies_in == source and number == episodes // 2:
                    self.dies_in = ""
                    raise Killed
                kind = {"expert": 0, "random": 1, "policy": number % 2}[source]
                writer.add(synthetic_episode(seed=100 * seed + 2 * number + kind, size=16, source=source))
                self.recorded.append(source)
        return out

    def compare(self, policies: tuple[Path, ...], names: tuple[str, ...], out: Path, *, most: int | None = None) -> str:
        """All policies are there; nobody plays them."""
        assert all(load_model_state(policy, "policy")["weights"] for policy in policies)
        self.compared.append(names)
        told = {"policies": {name: {"path": str(policy)} for name, policy in zip(names, policies, strict=True)}}
        told["outcomes"] = [{"success": dict.fromkeys(names, won)} for won in (True, False)]
        if most is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / "evaluation.json").write_text(json.dumps(told))
        return "cloned 1/2, refined 2/2"


def go(bench: SquareBench, at: Places, *, override_trust: str = "") -> str:
    todo = loop.stages(bench, TINY, at, seed=0, override_trust=override_trust)
    return loop.run_all(todo, at, title="the square")


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> tuple[SquareBench, Places]:
    """Interrupted while the policy's episodes were recorded, continued, and then refused by the gate."""
    bench, at = SquareBench(dies_in="policy"), Places(tmp_path_factory.mktemp("loop"))
    with pytest.raises(Killed):
        go(bench, at)
    clone = (at.clone / run.MODEL).stat().st_mtime_ns
    with pytest.raises(TrustError, match="refusing to refine"):
        go(bench, at)
    assert (at.clone / run.MODEL).stat().st_mtime_ns == clone
    return bench, at


def test_an_interrupted_loop_repeats_nothing(refused: tuple[SquareBench, Places]) -> None:
    assert refused[0].recorded == ["expert"] * 3 + ["policy"] * 16 + ["random"] * 4


def test_a_refusal_leaves_its_reason_and_a_report(refused: tuple[SquareBench, Places]) -> None:
    bench, at = refused
    assert "refusing to refine" in json.loads((at.out / loop.REFUSED).read_text())["refused"]
    assert "the square" in (at.out / "report.html").read_text()
    assert bench.compared == [] and not at.refined.exists()


def test_with_a_reason_the_loop_goes_on_to_its_answer(refused: tuple[SquareBench, Places]) -> None:
    bench, at = refused
    trained = [(folder / run.MODEL).stat().st_mtime_ns for folder in (at.clone, at.world_model, at.reward)]
    answer = go(bench, at, override_trust="a tiny model for a test")
    assert answer == f"cloned 1/2, refined 2/2\nreport: {at.out / 'report.html'}"
    assert bench.compared == [("cloned", "refined"), ("after 0",)]
    held = json.loads((at.trust / "trust.json").read_text())["checkpoints"]
    assert [(one["policy"], one["real"]["estimate"]) for one in held] == [("after 0", 0.5)]
    assert 0.0 <= held[0]["imagined"]["estimate"] <= 1.0
    assert trained == [(folder / run.MODEL).stat().st_mtime_ns for folder in (at.clone, at.world_model, at.reward)]
    assert load_model_state(at.refined, "policy")["provenance"]["override_trust"] == "a tiny model for a test"
    times = json.loads((at.out / loop.TIMES).read_text())
    assert list(times) == [stage.name for stage in loop.stages(bench, TINY, at, seed=0)]


def test_the_classifier_and_the_world_model_leave_out_the_same_episodes(refused: tuple[SquareBench, Places]) -> None:
    at = refused[1]
    unseen = load_model_state(at.world_model, "world-model")["provenance"]["held_out"]
    left = load_model_state(at.reward, "reward")["provenance"]
    assert sorted(left["held_out"] + left["calibration"]) == unseen


def test_a_bench_and_its_stages_are_named_before_anything_runs(tmp_path: Path) -> None:
    arm = loop.Stage("record episodes on an arm", lambda: None)
    bench, two = SquareBench(), dataclasses.replace(Places(tmp_path), rounds=2)
    assert isinstance(bench, loop.Bench)
    names = [stage.name for stage in loop.stages(bench, TINY, two, seed=0, record_arm=arm)]
    assert names.index(arm.name) == names.index("record random episodes") + 1
    assert names[-3:] == [
        "round 2: record episodes of the refined policy", "round 2: train on them too, and refine again",
        "compare the policies in the simulator after round 2",
    ]  # fmt: skip
    assert len(set(names)) == len(names) and bench.recorded == []


@pytest.mark.parametrize(
    ("count", "chosen"),
    [(0, []), (1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (5, [0, 1, 3, 4]), (9, [0, 3, 5, 8])],
)
def test_iterates_on_the_way_are_evenly_apart_with_both_ends(count: int, chosen: list[int]) -> None:
    iterates = [Path(str(number)) for number in range(count)]
    assert [int(path.name) for path in loop.on_the_way(iterates)] == chosen


def test_the_papers_preset_reaches_every_stage(tmp_path: Path) -> None:
    config = demo.Config(out=tmp_path, task="door-lock-v3", preset="paper")
    recipe = demo.recipe_of(config)
    assert (recipe.demonstrations, recipe.policy_episodes, recipe.random_episodes, recipe.size) == (50, 150, 30, 64)
    assert (recipe.world_model_steps, recipe.frame_skip) == (100_000, 8)
    assert (recipe.iterations, recipe.envs, recipe.average) == (40, 64, False)
    small = dataclasses.replace(TINY, demonstrations=8, envs=128, average=True)
    todo = loop.stages(SquareBench(), small, Places(tmp_path), seed=0, preset="paper", override_trust="a test")
    for stage in todo[:9]:
        stage.run()
    told = {
        name: json.loads((tmp_path / name / run.CONFIG).read_text()) for name in ("world-model", "reward", "refined")
    }
    assert told["world-model"]["architecture"] == "paper" and told["world-model"]["loss"]["unroll"] == 1
    assert told["reward"]["imagined_share"] == 0.0 and told["reward"]["sources"] == ["expert", "human"]
    assert told["refined"]["ppo"]["returns"] == "one-step" and told["refined"]["inside"] == 0.0
    assert told["refined"]["imagination"]["horizon"] == TINY.horizon
    assert (told["refined"]["imagination"]["envs"], told["refined"]["ppo"]["minibatch"]) == (128, 704)
    assert told["refined"]["average"]


def test_more_steps_of_the_world_model_can_be_asked_for(tmp_path: Path) -> None:
    assert demo.recipe_of(demo.Config(out=tmp_path, world_model_steps=7)).world_model_steps == 7
    with pytest.raises(ConfigError, match="--world-model-steps must be at least 1, got 0"):
        demo.Config(out=tmp_path, world_model_steps=0)
