"""What is measured during an attempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sheets import sheet

from world4rl_core.errors import TrialError
from world4rl_core.runtime.trial_record import Verdict
from world4rl_core.runtime.trial_run import TrialRun


def test_success_ends_an_attempt_with_its_time() -> None:
    run = TrialRun(sheet(), now_s=100.0)
    assert not run.observe(101.0, probability=0.2, classifier_success=False)
    assert run.observe(103.5, is_success=True, probability=0.9, classifier_success=True)
    assert run.observe(104.0, is_success=False, is_human=True)
    measured = run.measured
    assert (measured.success_s, measured.duration_s, measured.interventions) == (3.5, 3.5, 0)
    assert (measured.classifier, measured.classifier_success) == (0.9, True)
    assert run.proposed is Verdict.SUCCESS


def test_the_time_limit_ends_an_attempt_without_success() -> None:
    run = TrialRun(sheet(time_limit_s=2.0), now_s=0.0)
    assert [run.observe(0.5 * step) for step in range(6)] == [False] * 4 + [True] * 2
    assert run.proposed is Verdict.TIMEOUT
    late = TrialRun(sheet(time_limit_s=2.0), now_s=0.0)
    assert late.observe(2.5, is_success=True)
    assert late.proposed is Verdict.TIMEOUT and late.measured.success_s is None


@pytest.mark.parametrize(("fails", "verdict"), [(True, Verdict.FAILURE), (False, Verdict.SUCCESS)])
def test_a_success_with_a_persons_help_counts_as_the_sheet_says(fails: bool, verdict: Verdict) -> None:
    run = TrialRun(sheet(intervention_fails=fails), now_s=0.0)
    for step, human in enumerate([False, True, True, False, True, False]):
        run.observe(float(step), is_human=human)
    run.observe(6.0, is_success=True)
    assert (run.measured.interventions, run.measured.intervention_s) == (2, 3.0)
    assert run.proposed is verdict


def test_time_does_not_go_back() -> None:
    run = TrialRun(sheet(), now_s=5.0)
    with pytest.raises(TrialError, match="time went back"):
        run.observe(4.9)


@given(st.lists(st.tuples(st.floats(0.01, 3.0), st.booleans(), st.booleans()), max_size=20))
def test_measurements_stay_within_the_attempt(periods) -> None:
    run, now = TrialRun(sheet(), now_s=0.0), 0.0
    for step_s, human, success in periods:
        now += step_s
        run.observe(now, is_human=human, is_success=success)
    measured = run.measured
    assert 0 <= measured.intervention_s <= measured.duration_s + 1e-9
    assert measured.success_s is None or measured.success_s == pytest.approx(measured.duration_s)
    assert (run.proposed is Verdict.TIMEOUT) <= run.is_over
