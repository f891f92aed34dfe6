"""No verdict is lost, none is made up, and no trial is repeated after the policy failed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sheets import NOW, judge, sheet

from world4rl_core.errors import TrialError
from world4rl_core.runtime import trial_session
from world4rl_core.runtime.trial_record import Verdict, read_session, verdict_of
from world4rl_core.runtime.trial_session import TrialSession

FINAL = (Verdict.SUCCESS, Verdict.FAILURE, Verdict.TIMEOUT)


def test_a_session_ends_when_every_trial_has_its_verdict(tmp_path) -> None:
    with TrialSession.create(tmp_path / "s", sheet()) as session:
        order = []
        while session.upcoming is not None:
            order.append(session.upcoming)
            judge(session, Verdict.SUCCESS if session.upcoming.label == "B" else Verdict.FAILURE)
        assert tuple(order) == session.sheet.order
        assert session.announce() == "all 6 trials are judged"
        with pytest.raises(TrialError, match="the session is over"):
            session.begin(now=NOW)
    recorded = read_session(tmp_path / "s")
    assert sorted(recorded.judged) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("verdict", FINAL)
def test_a_judged_trial_never_comes_again(tmp_path, verdict: Verdict) -> None:
    with TrialSession.create(tmp_path / "s", sheet()) as session:
        judge(session, verdict)
        assert session.upcoming is not None and session.upcoming.number == 2
        with pytest.raises(TrialError, match="no trial is running"):
            session.finish(Verdict.FAULT, now=NOW, fault="robot", reason="I did not like it")


def test_a_trial_comes_again_after_a_robot_or_sensor_fault_only_with_its_reason(tmp_path) -> None:
    with TrialSession.create(tmp_path / "s", sheet()) as session:
        session.begin(now=NOW)
        for fault, reason in (("", "reflex"), ("policy", "it missed"), ("robot", " ")):
            with pytest.raises(TrialError, match="only after a fault of robot or sensor"):
                session.finish(Verdict.FAULT, now=NOW, fault=fault, reason=reason)
        session.finish(Verdict.FAULT, now=NOW, fault="sensor", reason="wrist camera lost")
        assert session.announce().endswith("attempt 2")
        assert judge(session, Verdict.FAILURE).attempt == 2
        assert session.upcoming is not None and session.upcoming.number == 2
    results = read_session(tmp_path / "s").results
    assert [(result.attempt, result.reason) for result in results] == [(1, "wrist camera lost"), (2, "")]


def test_a_verdict_needs_a_judge_and_has_no_default(tmp_path) -> None:
    with TrialSession.create(tmp_path / "s", sheet()) as session:
        session.begin(now=NOW)
        for judged_by in ("", "classifier"):
            with pytest.raises(TrialError, match=r"needs a judge \(operator or predicate\)"):
                session.finish(Verdict.SUCCESS, now=NOW, judged_by=judged_by)
        with pytest.raises(TrialError, match="needs a judge"):
            session.finish(Verdict.INTERRUPTED, now=NOW, judged_by="operator")
        with pytest.raises(TrialError, match="with a robot fault"):
            session.finish(Verdict.FAILURE, now=NOW, judged_by="operator", fault="robot")
        with pytest.raises(TrialError, match="trial 1 is still running"):
            session.begin(now=NOW)
    for typed in ("", "  ", "maybe", "interrupted"):
        with pytest.raises(TrialError, match="a trial needs a verdict: success, failure, timeout, fault"):
            verdict_of(typed)
    assert verdict_of(" Success ") is Verdict.SUCCESS


def test_another_sheet_or_a_second_process_is_refused(tmp_path) -> None:
    with (
        TrialSession.create(tmp_path / "s", sheet()),
        pytest.raises(TrialError, match="another process runs this session"),
    ):
        TrialSession.open(tmp_path / "s")
    with pytest.raises(TrialError, match=r"another sheet \(time_limit_s\)"):
        TrialSession.create(tmp_path / "s", sheet(time_limit_s=9.0))
    TrialSession.create(tmp_path / "s", sheet()).close()


def test_an_early_stop_needs_the_sheets_leave(tmp_path) -> None:
    with (
        TrialSession.create(tmp_path / "fixed", sheet()) as session,
        pytest.raises(TrialError, match="sequential_alpha"),
    ):
        session.stop_early("it is clear already")
    with TrialSession.create(tmp_path / "open", sheet(sequential_alpha=0.05)) as session:
        judge(session, Verdict.SUCCESS)
        session.stop_early("e-value 21.3")
        assert session.upcoming is None and session.announce() == "e-value 21.3"
    assert read_session(tmp_path / "open").stopped == "e-value 21.3"


def test_damaged_foreign_and_missing_results_are_named(tmp_path) -> None:
    with TrialSession.create(tmp_path / "s", sheet()) as session:
        for _ in range(3):
            judge(session, Verdict.FAILURE)
    path = tmp_path / "s" / "trials" / "0002-1.json"
    whole = path.read_text()
    path.write_text(whole[:40])
    with pytest.raises(TrialError, match=r"0002-1\.json: damaged.*a verdict is never made up|0002-1\.json: damaged"):
        read_session(tmp_path / "s")
    path.write_text(json.dumps(json.loads(whole) | {"sheet": "0" * 16}))
    with pytest.raises(TrialError, match="belongs to another session"):
        read_session(tmp_path / "s")
    path.write_text(json.dumps(json.loads(whole) | {"verdict": "great"}))
    with pytest.raises(TrialError, match="damaged"):
        read_session(tmp_path / "s")
    path.unlink()
    with pytest.raises(TrialError, match="trials are missing"):
        read_session(tmp_path / "s")


def test_a_full_disk_keeps_the_trial_running_until_there_is_room(tmp_path, monkeypatch) -> None:
    with TrialSession.create(tmp_path / "s", sheet()) as session:
        judge(session, Verdict.SUCCESS)
        session.begin(now=NOW)
        with monkeypatch.context() as patch:
            patch.setattr("world4rl_core.files.os.fsync", full)
            with pytest.raises(TrialError, match="the disk is full; the 1 judged trials are safe; free some space"):
                session.finish(Verdict.TIMEOUT, now=NOW, judged_by="operator")
        session.finish(Verdict.TIMEOUT, now=NOW, judged_by="operator")
    assert [result.verdict for result in read_session(tmp_path / "s").results] == ["success", "timeout"]


def full(*args):
    raise OSError(28, "No space left on device")


class Killed(BaseException):
    """Stands for SIGKILL at one moment: nothing after it runs in that process."""


MOMENTS = ("before running", "after running", "before result", "after result")


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from([*FINAL, Verdict.FAULT]), st.sampled_from([None, *MOMENTS])), max_size=12),
    st.integers(0, 5),
)
def test_a_kill_at_any_moment_loses_no_verdict_and_repeats_none(tmp_path_factory, plan, seed: int) -> None:
    folder = tmp_path_factory.mktemp("session")
    one = sheet(2, seed=seed)
    given_verdicts: dict[int, str] = {}
    for verdict, moment in plan:
        session = TrialSession.create(folder, one)
        expected = next((t.number for t in one.order if t.number not in given_verdicts), None)
        assert (session.upcoming.number if session.upcoming else None) == expected
        if expected is not None and attempt(session, verdict, moment) and verdict.is_final:
            given_verdicts[expected] = verdict.value
        session.close()
    if plan:
        judged = read_session(folder).judged
        assert {number: result.verdict for number, result in judged.items()} == given_verdicts


def attempt(session: TrialSession, verdict: Verdict, moment: str | None) -> bool:
    """One trial whose process dies at `moment`; True when its verdict is on disk."""
    whole = trial_session.replace_file

    def dying(path, *args, **kwargs):
        name = "running" if path.name == "running.json" else "result"
        if moment == f"before {name}":
            raise Killed
        whole(path, *args, **kwargs)
        if moment == f"after {name}":
            raise Killed

    trial_session.replace_file = dying
    try:
        is_fault = verdict is Verdict.FAULT
        founded = {"fault": "robot", "reason": "reflex"} if is_fault else {"judged_by": "predicate"}
        session.begin(now=NOW)
        session.finish(verdict, now=NOW, **founded)
        return True
    except Killed:
        return moment == "after result"
    finally:
        trial_session.replace_file = whole


@pytest.mark.slow
def test_sigkill_at_random_moments_keeps_every_confirmed_verdict(tmp_path) -> None:
    rng, confirmed = np.random.default_rng(0), 0
    for _ in range(40):
        child = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "killed_session.py"), str(tmp_path / "s")],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert child.stdout is not None
        wanted = int(rng.integers(1, 6))
        lines = [line for line in (child.stdout.readline() for _ in range(wanted)) if line]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
        child.wait()
        confirmed = max([confirmed, *(int(line.split()[1]) for line in lines if line.endswith("\n"))])
        judged = read_session(tmp_path / "s").judged
        assert sorted(judged) == list(range(1, len(judged) + 1))
        assert confirmed <= len(judged) <= confirmed + 1
        if lines and lines[-1].startswith("over"):
            break
    with TrialSession.open(tmp_path / "s") as session:
        assert session.upcoming is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{}", "'number' of Running is missing"),
        ('{"number": "a", "attempt": 1, "started": ""}', "wanted int, got 'a'"),
        ('{"number": 99, "attempt": 1, "started": ""}', "belongs to another session or trial"),
        ('{"number": 1, "attempt": 3, "started": ""}', "belongs to another session or trial"),
        ("nonsense", "damaged"),
    ],
)
def test_a_running_file_that_cannot_be_is_refused_and_nothing_is_written(tmp_path, content, problem) -> None:
    TrialSession.create(tmp_path, sheet(2)).close()
    (tmp_path / "running.json").write_text(content)
    with pytest.raises(TrialError, match=problem) as refused:
        TrialSession.open(tmp_path)
    assert "remove it" in str(refused.value) and not list(tmp_path.glob("trials/*"))


def test_a_result_with_words_for_numbers_is_named(tmp_path) -> None:
    with TrialSession.create(tmp_path, sheet(2)) as session:
        session.begin(now=NOW)
        session.finish(Verdict.SUCCESS, now=NOW, judged_by="operator")
    file = tmp_path / "trials" / "0001-1.json"
    file.write_text(file.read_text().replace('"duration_s": 0.0', '"duration_s": "abc"'))
    with pytest.raises(TrialError, match=r"measured.duration_s: wanted float, got 'abc'"):
        read_session(tmp_path)


def test_a_session_folder_that_is_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrialError, match="cannot write"):
        TrialSession.create(tmp_path / "file", sheet(2))
