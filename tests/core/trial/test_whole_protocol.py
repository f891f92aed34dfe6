"""Twenty trials of two exported policies, from the sheet to the page, as the trial node plays them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sheets import NOW

from world4rl_core.config_json import to_json
from world4rl_core.data.synthetic import write_synthetic_dataset
from world4rl_core.evaluation.session import summarise
from world4rl_core.evaluation.session_report import report
from world4rl_core.evaluation.video import write_mp4
from world4rl_core.export.bundle import Config, run
from world4rl_core.files import sha256_of
from world4rl_core.nets.checkpoint import save_state
from world4rl_core.policy.actor_critic import EncoderConfig, GaussianPolicy, PolicyConfig
from world4rl_core.runtime.action_queue import QueueConfig
from world4rl_core.runtime.bundle import MODEL
from world4rl_core.runtime.inference import BundlePolicy
from world4rl_core.runtime.policy_loop import LoopConfig, PolicyLoop
from world4rl_core.runtime.trial import Sheet, labelled
from world4rl_core.runtime.trial_record import Verdict, read_session
from world4rl_core.runtime.trial_run import TrialRun
from world4rl_core.runtime.trial_session import TrialSession

GOAL, STEP = 0.85, 0.1


class SquareWorld:
    """A square that the first action dimension moves to the right; success is being at the right edge."""

    def __init__(self, seed: int) -> None:
        self.x = float(np.random.default_rng(seed).uniform(0.1, 0.4))

    def image(self) -> np.ndarray:
        picture = np.zeros((16, 16, 3), np.uint8)
        left = round(self.x * 12)
        picture[6:10, left : left + 4] = 255
        return picture

    def move(self, action: np.ndarray) -> bool:
        self.x = float(np.clip(self.x + STEP * action[0], 0, 1))
        return self.x >= GOAL


def bundle(root: Path, name: str, *, pull: float) -> tuple[str, str]:
    """A policy that pulls to the right by `pull` whatever it sees, exported: (path, sha256)."""
    torch.manual_seed(0)
    shape = PolicyConfig(height=16, width=16, encoder=EncoderConfig((8, 8), 16))
    policy = GaussianPolicy(shape)
    with torch.no_grad():
        policy.head.weight.mul_(0.01)
        policy.head.bias.copy_(torch.tensor([pull, 0.0, 0.0, 1.0]))
    data = root / "data"
    if not data.exists():
        write_synthetic_dataset(data, episodes=1)
    save_state(root / name / "model.safetensors", {
        "kind": "policy", "config": to_json(shape), "weights": policy.state_dict(),
        "provenance": {"training": {"data": [str(data)], "cameras": None}},
    })  # fmt: skip
    folder = run(Config(root / name, root / f"{name}-bundle", random_inputs=5))
    return str(folder), sha256_of(folder / MODEL)


def play_one(session: TrialSession) -> None:
    """One trial as the node plays it: reset, begin, the loop at 10 Hz, film, verdict by the predicate."""
    trial = session.upcoming
    assert trial is not None
    policy = BundlePolicy.open(Path(session.bundle_of(trial).path))
    world = SquareWorld(trial.seed)
    rate_hz = policy.manifest.facts.action.rate_hz
    limits = LoopConfig(queue=QueueConfig(period_s=1 / rate_hz), time_limit_s=session.sheet.time_limit_s)
    loop = PolicyLoop(policy.act, policy.action_dim, limits, timer=lambda: 0.0)
    session.begin(now=NOW)
    attempt, film, now_s = TrialRun(session.sheet, now_s=0.0), [], 0.0
    loop.begin(now_s)
    while not attempt.is_over:
        picture = world.image()
        film.append(picture)
        step = loop.step({"front": picture}, {"front": now_s, "robot": now_s}, now_s=now_s)
        now_s += 1 / rate_hz
        attempt.observe(now_s, is_success=world.move(step.action))
    write_mp4(session.film_path(trial), np.stack(film), fps=rate_hz)
    session.finish(attempt.proposed, now=NOW, judged_by="predicate", measured=attempt.measured)


@pytest.mark.slow
def test_twenty_trials_each_with_a_kill_at_the_seventh_and_a_fault_at_the_ninth(tmp_path) -> None:
    sheet = Sheet(
        task="move the square",
        success="the square is at the right edge",
        bundles=labelled({"weak": bundle(tmp_path, "weak", pull=0.2), "strong": bundle(tmp_path, "strong", pull=0.8)}),
        time_limit_s=2.5,
    )
    session = TrialSession.create(tmp_path / "session", sheet)
    while session.upcoming is not None and session.upcoming.number < 7:
        play_one(session)
    session.begin(now=NOW)
    session.close()  # the process dies in trial 7

    with TrialSession.create(tmp_path / "session", sheet) as session:
        assert "trial 7 of 40" in session.announce() and session.announce().endswith("attempt 2")
        while session.upcoming is not None:
            if session.upcoming.number == 9 and session.recorded.attempts(9) == 0:
                session.begin(now=NOW)
                session.finish(Verdict.FAULT, now=NOW, fault="sensor", reason="wrist camera lost")
                continue
            play_one(session)

    summary = summarise(read_session(tmp_path / "session"))
    weak, strong = summary.arms
    assert (weak.trials, strong.trials, weak.faults + strong.faults) == (20, 20, 1)
    assert weak.interrupted + strong.interrupted == 1
    assert strong.successes == 20 and weak.successes < 10 and strong.median_s < 1.5
    assert summary.comparisons[0].paired is not None and summary.comparisons[0].paired.difference.low > 0
    assert "B - A" in report(tmp_path / "session")
    assert (tmp_path / "session" / "report.html").read_text().count("<video") == 40
