"""Sheets and verdicts for the tests of trials."""

from world4rl_core.runtime.trial import Sheet, labelled
from world4rl_core.runtime.trial_record import Measured, Verdict
from world4rl_core.runtime.trial_session import TrialSession

NOW = "2025-01-02T03:04:05+00:00"


def sheet(bundles: int = 2, **options) -> Sheet:
    names = ("cloned", "refined", "third", "fourth")[:bundles]
    return Sheet(
        task="press_button",
        success="the button is down when the arm has left it",
        bundles=labelled({name: (f"bundles/{name}", f"{index:064d}") for index, name in enumerate(names)}),
        **{"trials_each": 3, "time_limit_s": 8.0, **options},
    )


def judge(session: TrialSession, verdict: Verdict, **options):
    session.begin(now=NOW)
    success_s = 4.0 if verdict is Verdict.SUCCESS else None
    options = {"measured": Measured(duration_s=5.0, success_s=success_s), "judged_by": "operator", **options}
    return session.finish(verdict, now=NOW, **options)
