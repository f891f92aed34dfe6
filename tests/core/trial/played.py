"""A whole session of made-up trials with films, for the tests of the report."""

from pathlib import Path

import numpy as np
from sheets import NOW, sheet

from world4rl_core.evaluation.video import write_mp4
from world4rl_core.runtime.trial_record import Measured, Verdict
from world4rl_core.runtime.trial_session import TrialSession

RATES = {"A": 0.3, "B": 0.9}


def play(folder: Path, *, films: bool = True, trials: int | None = None, **options) -> Path:
    """B is better than A; trial 3 is repeated after a fault, trial 5 of A is helped; the classifier errs at times."""
    rng, pictures = np.random.default_rng(4), np.random.default_rng(0)
    with TrialSession.create(folder, sheet(**{"trials_each": 10, **options})) as session:
        while session.upcoming is not None and (trials is None or len(session.recorded.judged) < trials):
            trial = session.begin(now=NOW)
            if trial.number == 3 and session.recorded.attempts(3) == 0:
                session.finish(Verdict.FAULT, now=NOW, fault="robot", reason="cartesian_reflex")
                continue
            won = bool(rng.random() < RATES.get(trial.label, 0.5))
            seen = won if rng.random() < 0.9 else not won
            measured = Measured(
                duration_s=4.0 if won else 8.0,
                success_s=float(rng.uniform(2, 4)) if won else None,
                interventions=int(trial.number == 5),
                intervention_s=0.5 if trial.number == 5 else 0.0,
                classifier=0.9 if seen else 0.2,
                classifier_success=seen,
            )
            if films:
                film = pictures.integers(0, 255, (12, 48, 96, 3)).astype(np.uint8)
                write_mp4(session.film_path(trial), film, fps=10)
            verdict = Verdict.SUCCESS if won else Verdict.TIMEOUT
            session.finish(verdict, now=NOW, judged_by="operator", measured=measured, note="<b>light</b> & shade")
    return folder
