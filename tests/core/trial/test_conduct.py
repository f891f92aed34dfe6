"""The course of a session in a cell made of numbers: preparation, faults, kills, verdicts, a full disk."""

from pathlib import Path

import pytest
from sheets import NOW, sheet

from world4rl_core.errors import CheckpointError, RobotError, TrialError
from world4rl_core.runtime.trial_conduct import Look, Patience, conduct
from world4rl_core.runtime.trial_record import Judged, Verdict, read_session
from world4rl_core.runtime.trial_session import TrialSession

GOOD, BAD = "refined", "cloned"


class NumberCell:
    """Bundle `refined` succeeds in its third period, `cloned` never does; `script` says what else happens.

    script: {(trial, attempt): what}, with what = a Look's `broken`, a Judged, or an exception to raise.
    """

    def __init__(self, script: dict | None = None, *, operator: list[Judged] | None = None, obstacles=()) -> None:
        self.script, self.operator, self.refusals = script or {}, operator, list(obstacles)
        self.lines: list[str] = []
        self.halted: list[str] = []
        self.labels: list[Verdict | None] = []
        self.armed = self.moving = False
        self.bundle = None
        self.attempts: dict[int, int] = {}
        self.now_s = 0.0
        self.film_error: BaseException | None = None
        self.opinion_error: BaseException | None = None
        self.ask_error: BaseException | None = None

    def tell(self, text: str) -> None:
        self.lines.append(text)

    def wait(self, seconds: float) -> None:
        assert not self.moving, "nobody waits while the policy acts"

    def arrange(self, trial, bundle) -> None:
        assert not self.armed
        self.trial, self.bundle = trial, bundle

    def obstacles(self, sheet, trial) -> list[str]:
        return [self.refusals.pop(0)] if self.refusals else []

    def arm(self) -> None:
        self.armed = True

    def go(self) -> float:
        self.moving, self.periods = True, 0
        self.attempts[self.trial.number] = self.attempts.get(self.trial.number, 0) + 1
        return self.now_s

    def look(self) -> Look:
        self.now_s += 0.1
        self.periods += 1
        what = self.script.get((self.trial.number, self.attempts[self.trial.number]))
        if isinstance(what, BaseException):
            raise what
        if isinstance(what, Judged):
            return Look(self.now_s, verdict=what)
        return Look(self.now_s, is_success=self.bundle.name == GOOD and self.periods >= 3, broken=what or "")

    def halt(self, broken) -> None:
        self.armed = self.moving = False
        self.halted.append(broken)

    def label(self, verdict) -> None:
        assert not self.moving
        self.labels.append(verdict)

    def film(self, path: Path) -> None:
        assert not self.moving
        if self.film_error:
            raise self.film_error
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"film")

    def opinion(self):
        if self.opinion_error:
            raise self.opinion_error
        if self.bundle is None:
            return None
        return (0.9, True) if self.bundle.name == GOOD else (0.1, False)

    def ask(self, proposed, broken):
        assert not self.moving
        if self.ask_error:
            raise self.ask_error
        return self.operator.pop(0) if self.operator else None


def run(folder: Path, cell: NumberCell, *, stop_reason=lambda _: "", **options) -> str:
    with TrialSession.create(folder, sheet(2, trials_each=3, time_limit_s=2.0, **options)) as session:
        return conduct(session, cell, now=lambda: NOW, patience=Patience(3, 3), stop_reason=stop_reason)


def verdicts(folder: Path) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for result in read_session(folder).results:
        found.setdefault(result.number, []).append(result.verdict)
    return found


def test_every_trial_is_run_and_judged_with_film_time_and_opinion(tmp_path):
    assert run(tmp_path, NumberCell()) == "all 6 trials are judged"
    recorded = read_session(tmp_path)
    for result in recorded.results:
        is_good = recorded.sheet.bundle(recorded.sheet.planned(result.number).label).name == GOOD
        assert result.verdict == ("success" if is_good else "timeout")
        assert result.measured.success_s == (pytest.approx(0.3) if is_good else None)
        assert result.measured.classifier_success is is_good
        assert (tmp_path / result.film).read_bytes() == b"film"


def test_a_sensor_fault_repeats_the_trial_with_its_reason_and_a_policy_fault_does_not(tmp_path):
    cell = NumberCell({(2, 1): "camera wrist is silent", (4, 1): "policy: the policy answered [nan]"})
    run(tmp_path, cell)
    assert verdicts(tmp_path)[2][0] == "fault" and len(verdicts(tmp_path)[2]) == 2
    assert verdicts(tmp_path)[4] == ["failure"]
    results = read_session(tmp_path).results
    assert next(r for r in results if r.verdict == "fault").reason == "camera wrist is silent"
    assert next(r for r in results if r.number == 4).reason.startswith("policy:")


def test_the_same_fault_again_and_again_stops_the_session_to_be_continued(tmp_path):
    broken = NumberCell({(1, attempt): "connection lost" for attempt in (1, 2, 3)})
    with pytest.raises(RobotError, match="trial 1 was ended by a fault again"):
        run(tmp_path, broken)
    assert verdicts(tmp_path) == {1: ["fault"] * 3}
    assert run(tmp_path, NumberCell()) == "all 6 trials are judged"


def test_a_service_that_fails_in_a_trial_is_a_fault_and_the_arm_is_halted(tmp_path):
    cell = NumberCell({(1, 1): RobotError("waited 60 s in vain for the answer of sim/success")})
    run(tmp_path, cell)
    assert verdicts(tmp_path)[1][0] == "fault" and "in vain" in cell.halted[0] and cell.labels[0] is Verdict.FAULT


def test_a_service_of_the_policy_node_that_does_not_answer_is_the_machines_fault(tmp_path):
    cell = NumberCell({(1, 1): RobotError("waited 60 s in vain for service policy/start; is its node running?")})
    run(tmp_path, cell)
    first = read_session(tmp_path).results[0]
    assert (first.verdict, first.fault) == ("fault", "robot")


def test_obstacles_are_told_and_the_preparation_is_tried_again_without_an_attempt(tmp_path):
    cell = NumberCell(obstacles=["the end effector is 21.0 mm from the start pose"])
    run(tmp_path, cell)
    assert any("cannot begin: the end effector is 21.0 mm" in line for line in cell.lines)
    assert all(len(found) == 1 for found in verdicts(tmp_path).values())


def test_obstacles_that_stay_stop_the_session_before_anything_moves(tmp_path):
    cell = NumberCell(obstacles=["camera external has moved by 9 pixels"] * 3)
    with pytest.raises(RobotError, match="camera external has moved by 9 pixels; repair it"):
        run(tmp_path, cell)
    assert verdicts(tmp_path) == {} and not cell.armed


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("number", [1, 3, 6])
def test_a_kill_in_any_trial_loses_no_verdict_and_the_trial_comes_again(tmp_path, number):
    with pytest.raises(Killed):
        run(tmp_path, NumberCell({(number, 1): Killed()}))
    assert len(read_session(tmp_path).judged) == number - 1
    run(tmp_path, NumberCell())
    assert verdicts(tmp_path)[number][0] == "interrupted" and len(verdicts(tmp_path)[number]) == 2
    assert len(read_session(tmp_path).judged) == 6


def test_the_operator_may_judge_early_and_is_asked_where_they_have_not(tmp_path):
    early = Judged(Verdict.FAILURE, "operator", note="pushed the box away")
    asked = [Judged(Verdict.SUCCESS, "operator", note="late, but down") for _ in range(5)]
    cell = NumberCell({(1, 1): early}, operator=asked)
    run(tmp_path, cell)
    first, *others = read_session(tmp_path).results
    assert (first.verdict, first.note, first.judged_by) == ("failure", "pushed the box away", "operator")
    assert {result.verdict for result in others} == {"success"} and not asked


def test_the_recording_is_labelled_with_the_verdict_and_not_with_what_the_clock_said(tmp_path):
    asked = [Judged(Verdict.SUCCESS, "operator")] * 5 + [Judged(Verdict.FAULT, "", fault="sensor", reason="dark")]
    cell = NumberCell(operator=[asked.pop() for _ in range(6)] + [Judged(Verdict.SUCCESS, "operator")])
    run(tmp_path, cell)
    assert cell.labels == [Verdict.FAULT] + [Verdict.SUCCESS] * 6


@pytest.mark.parametrize("error", [OSError("no space left"), CheckpointError("no space left"), RobotError("no frames")])
def test_a_film_that_cannot_be_written_costs_no_verdict(tmp_path, error):
    cell = NumberCell()
    cell.film_error = error
    run(tmp_path, cell)
    assert len(read_session(tmp_path).judged) == 6
    assert any("has no film" in line for line in cell.lines)


def test_a_classifier_that_fails_costs_no_verdict(tmp_path):
    cell = NumberCell()
    cell.opinion_error = RuntimeError("shapes cannot be multiplied")
    run(tmp_path, cell)
    assert len(read_session(tmp_path).judged) == 6
    assert any("no opinion on trial 1" in line for line in cell.lines)


@pytest.mark.parametrize("where", ["film_error", "opinion_error"])
def test_a_kill_after_the_operators_word_keeps_it(tmp_path, where):
    cell = NumberCell({(1, 1): Judged(Verdict.FAILURE, "operator", note="pushed the box away")})
    setattr(cell, where, Killed())
    with pytest.raises(Killed):
        run(tmp_path, cell)
    run(tmp_path, NumberCell())
    first = read_session(tmp_path).results[0]
    assert verdicts(tmp_path)[1] == ["failure"] and first.note == "pushed the box away"


def test_a_kill_while_the_operator_is_asked_repeats_the_question_and_not_the_trial(tmp_path):
    cell = NumberCell()
    cell.ask_error = Killed()
    with pytest.raises(Killed):
        run(tmp_path, cell)
    again = NumberCell(operator=[Judged(Verdict.FAILURE, "operator", note="it never touched it")])
    run(tmp_path, again)
    assert verdicts(tmp_path)[1] == ["failure"] and 1 not in again.attempts
    first = read_session(tmp_path).results[0]
    assert first.note == "it never touched it" and first.film and first.measured.duration_s > 0


def test_a_full_disk_holds_the_verdict_until_there_is_room(tmp_path, monkeypatch):
    finish, refusals = TrialSession.finish, [1, 2]

    def full_twice(self, *arguments, **options):
        if refusals:
            refusals.pop()
            raise TrialError("the disk is full; the 0 judged trials are safe; free some space")
        return finish(self, *arguments, **options)

    monkeypatch.setattr(TrialSession, "finish", full_twice)
    cell = NumberCell()
    run(tmp_path, cell)
    assert sum("the disk is full" in line for line in cell.lines) == 2
    assert len(read_session(tmp_path).judged) == 6


def test_the_session_ends_early_only_by_the_rule_on_its_sheet(tmp_path):
    assert run(tmp_path / "a", NumberCell(), stop_reason=lambda _: "decided") == "all 6 trials are judged"
    ended = run(tmp_path / "b", NumberCell(), stop_reason=lambda _: "decided", sequential_alpha=0.05)
    assert ended == "decided" and len(read_session(tmp_path / "b").judged) == 1
