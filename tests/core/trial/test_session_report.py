"""The report of a session counts what was judged, and claims what the intervals allow."""

import json
import re
import shutil

import pytest
from played import play
from sheets import NOW, sheet

from world4rl_core import cli
from world4rl_core.errors import TrialError
from world4rl_core.evaluation import session_report
from world4rl_core.evaluation.session import pairs, power, summarise
from world4rl_core.evaluation.session_report import report
from world4rl_core.runtime.trial_record import Verdict, read_session
from world4rl_core.runtime.trial_session import TrialSession


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return play(tmp_path_factory.mktemp("sessions") / "whole")


def test_counts_times_faults_and_interventions_are_those_of_the_results(session) -> None:
    recorded = read_session(session)
    summary = summarise(recorded)
    assert summary.is_complete and summary.judged == summary.planned == 20
    assert [arm.trials for arm in summary.arms] == [10, 10]
    for arm in summary.arms:
        mine = [recorded.judged[trial.number] for trial in recorded.sheet.order if trial.label == arm.label]
        won = [result for result in mine if result.verdict == "success" and not result.measured.interventions]
        assert arm.successes == len(won) == len(arm.times_s)
        assert arm.timeouts == sum(result.verdict == "timeout" for result in mine)
    assert sum(arm.faults for arm in summary.arms) == 1
    assert sum(arm.interventions for arm in summary.arms) == 1
    assert summary.classifier is not None and summary.classifier.episodes == 20


def test_pairs_share_their_start_scene(session) -> None:
    recorded = read_session(session)
    one, two = pairs(recorded, "A", "B")
    assert len(one) == len(two) == 10
    versus = summarise(recorded).comparisons[0]
    assert versus.paired is not None and versus.paired.counts.total == 10
    assert versus.paired.counts.first == sum(one) and versus.paired.counts.second == sum(two)
    assert not versus.may_stop  # the sheet names no level


def versus_of(folder, counts, **options):
    """The first comparison of a session in which this many of ten start scenes were (both, fixed, broken, neither)."""
    outcomes = [(True, True)] * counts[0] + [(False, True)] * counts[1]
    outcomes += [(True, False)] * counts[2] + [(False, False)] * counts[3]
    with TrialSession.create(folder, sheet(trials_each=len(outcomes), **options)) as session:
        while (trial := session.upcoming) is not None:
            session.begin(now=NOW)
            won = outcomes[trial.start]["AB".index(trial.label)]
            session.finish(Verdict.SUCCESS if won else Verdict.FAILURE, now=NOW, judged_by="operator")
    summary = summarise(read_session(folder))
    return summary.comparisons[0], summary


@pytest.mark.parametrize(
    ("counts", "options", "words"),
    [
        ((5, 5, 0, 10), {}, "cannot be told apart"),  # the interval is above zero, McNemar's p is .06
        ((4, 6, 0, 10), {}, "succeeds more often"),
        ((4, 0, 8, 8), {}, "succeeds less often"),
        ((4, 6, 0, 10), {"sequential_alpha": 0.05}, "cannot be told apart"),  # what a look after each trial allows
        ((4, 12, 0, 4), {"sequential_alpha": 0.05}, "succeeds more often"),
    ],
)
def test_a_claim_needs_the_interval_and_the_exact_test_or_the_sheets_own(tmp_path, counts, options, words) -> None:
    versus, summary = versus_of(tmp_path, counts, **options)
    assert words in session_report._sentence(versus, summary)[0]
    assert ("the sequential test decides" in session_report.table(summary)) == bool(options)


def test_nothing_is_claimed_before_the_end(tmp_path) -> None:
    summary = summarise(read_session(play(tmp_path, films=False, trials=19)))
    assert "no claim before the last trial" in session_report._sentence(summary.comparisons[0], summary)[0]


def test_power_says_what_twenty_trials_can_show() -> None:
    told = power(0.4, trials=20)
    assert told.chances["+40 points"] == pytest.approx(0.65, abs=0.01)
    assert told.trials_for["+40 points"] == 30
    assert told.trials_for["+10 points"] is None
    assert power(1.0, trials=20).chances == {}


def test_the_terminal_shows_the_table_and_names_the_page(session, capsys) -> None:
    assert cli.main(["report", str(session)]) == 0
    told = capsys.readouterr().out
    assert "20 of 20 trials judged" in told
    assert re.search(r"B refined +\d+/10", told)
    assert "McNemar's exact p" in told and "Fisher's exact p" in told and "classifier against verdict" in told
    assert told.strip().endswith("report.html")
    html = (session / "report.html").read_text()
    assert html.count('<video src="data:video/mp4;base64,') == 20
    assert re.findall(r'(?:src|href)="(?!data:)', html) == []
    assert "&lt;b&gt;light&lt;/b&gt; &amp; shade" in html and "<b>light" not in html
    assert "cartesian_reflex" in html and "3, attempt 2" in html


def test_films_that_do_not_fit_become_strips_and_damaged_ones_are_left_out(
    session, tmp_path, monkeypatch, caplog
) -> None:
    copy = shutil.copytree(session, tmp_path / "copy")
    monkeypatch.setattr(session_report, "FILM_BYTES", 0)
    (copy / "films" / "0001-1.mp4").write_bytes(b"no film")
    report(copy)
    html = (copy / "report.html").read_text()
    assert html.count('<img class="strip"') == 19
    assert "<video" not in html
    assert "0001-1.mp4: no film can be read there" in caplog.text


def test_an_unfinished_session_and_one_bundle_are_reported_too(tmp_path) -> None:
    assert "7 of 20 trials judged" in report(play(tmp_path / "part", films=False, trials=7))
    assert 'id="unfinished"' in (tmp_path / "part" / "report.html").read_text()
    assert "0 of 20 trials judged" in report(play(tmp_path / "none", films=False, trials=0))
    assert "10 of 10 trials judged" in report(play(tmp_path / "one", films=False, bundles=1))


def test_a_blinded_session_tells_no_rates_before_its_last_trial(tmp_path) -> None:
    part = play(tmp_path / "part", films=False, trials=16, is_blinded=True, sequential_alpha=0.3)
    told = report(part)
    assert "16 of 20 trials judged; the session is blinded" in told
    assert "refined" not in told and not (part / "report.html").exists()
    assert "B refined" in report(part, unblind=True)
    whole = play(tmp_path / "whole", films=False, is_blinded=True)
    assert "B refined" in report(whole)


def test_a_damaged_session_is_refused_with_the_file(tmp_path, capsys) -> None:
    folder = play(tmp_path / "s", films=False, trials=3)
    path = folder / "trials" / "0002-1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"verdict": ""}))
    with pytest.raises(TrialError, match=r"0002-1\.json: damaged"):
        report(folder)
    assert cli.main(["report", str(tmp_path / "nowhere")]) == 1
    assert "no trial session there" in capsys.readouterr().err
