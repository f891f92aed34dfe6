"""The trial node in a cell that is played: who is called in which order, what is repeated, and who judges."""

import time

import pytest

pytest.importorskip("rclpy")
from line_bundles import TO_BUTTON, UP, line_bundle
from played_cell import PlayedCell
from std_msgs.msg import String
from std_srvs.srv import Trigger

from world4rl.verdict import verdict
from world4rl_core.errors import RobotError, TrialError
from world4rl_core.rig import RIGS
from world4rl_core.runtime.trial_record import read_session

RIG = RIGS / "twin.yaml"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    root = tmp_path_factory.mktemp("bundles")
    actions = {"bad": UP, "good": TO_BUTTON}
    return {name: line_bundle(root / name, RIG, action) for name, action in actions.items()}


@pytest.fixture
def cell(bundles, tmp_path, monkeypatch):
    def make(**parameters):
        made = PlayedCell(bundles, RIG, session=str(tmp_path / "session"), **parameters)
        monkeypatch.setenv("ROS_DOMAIN_ID", str(made.domain))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        return made

    return make


def verdicts(folder):
    return [(result.number, result.verdict, result.fault) for result in read_session(folder / "session").results]


def test_both_bundles_start_from_the_same_scenes_and_the_arm_is_disarmed_between_trials(cell, tmp_path):
    with cell() as here:
        here.finish()
    recorded = read_session(tmp_path / "session")
    names = {trial.number: recorded.sheet.bundle(trial.label).name for trial in recorded.sheet.order}
    assert [(result.verdict == "success") == (names[result.number] == "good") for result in recorded.results] == [
        True
    ] * 4
    assert all(0.4 < result.measured.success_s <= 2.0 for result in recorded.results if result.verdict == "success")
    assert {seed for name, seed in here.seeds if name == "good"} == {seed for name, seed in here.seeds if name == "bad"}
    order = [call for call in here.calls if call in ("arm", "disarm", "recorder/start", "policy/start", "policy/stop")]
    first = order.index("policy/start")
    assert order[first - 2 : first + 3] == ["arm", "recorder/start", "policy/start", "policy/stop", "disarm"]
    assert here.arm["level"] == "disarmed" and len(list((tmp_path / "session" / "films").iterdir())) == 4


def test_a_broken_connection_repeats_the_trial_and_a_reflex_does_not(cell, tmp_path):
    with cell() as here:
        here.plan = {
            2: lambda: here.latch("communication_constraints_violation"),
            4: lambda: here.latch("cartesian_reflex"),
        }
        here.finish()
    found = verdicts(tmp_path)
    assert (2, "fault", "robot") in found and len(found) == 5
    assert "arm/reset_latch" in here.calls
    reflex = next(result for result in read_session(tmp_path / "session").results if "reflex" in result.reason)
    assert reflex.verdict == "failure"


def test_a_lost_camera_is_a_sensor_fault_with_its_reason(cell, tmp_path):
    with cell() as here:
        here.plan = {1: lambda: here.abort("camera wrist is silent")}
        here.finish()
    assert verdicts(tmp_path)[0] == (1, "fault", "sensor")
    assert read_session(tmp_path / "session").results[0].reason.startswith("camera wrist is silent")


def test_a_hand_that_is_not_at_its_start_keeps_the_trial_from_beginning(cell, tmp_path):
    with cell() as here:
        here.shift_m = 0.02
        with pytest.raises(RobotError, match=r"20.0 mm and .* from the start pose, allowed 10.0 mm"):
            here.finish()
    assert verdicts(tmp_path) == [] and "policy/start" not in here.calls


def test_silent_cameras_keep_the_trial_from_beginning(cell, tmp_path):
    with cell() as here:
        here.silent = True
        with pytest.raises(RobotError, match="camera external is silent"):
            here.finish()
    assert verdicts(tmp_path) == []


def test_the_operator_judges_from_a_terminal_with_a_note(cell, tmp_path):
    with cell(judge="operator", trials=1, time_limit_s=1.0) as here:
        for word, note in (("success", "late, but it is down"), ("failure", "")):
            here.wait(lambda: here.lines and "your verdict, please" in here.lines[-1], "the question")
            told = verdict(word, note)
            assert word in told
            here.wait(lambda: "your verdict, please" not in here.lines[-1], "the next step")
        here.finish()
    first, second = read_session(tmp_path / "session").results
    assert (first.verdict, first.note, first.judged_by) == ("success", "late, but it is down", "operator")
    assert (second.verdict, second.note) == ("failure", "")


def test_the_spacemouse_judges_while_the_trial_runs(cell, tmp_path):
    with cell(judge="operator", trials=1, time_limit_s=30.0) as here:
        here.plan = {1: lambda: here.press("failure"), 2: lambda: here.press("success")}
        here.finish()
    assert [(verdict, fault) for _, verdict, fault in verdicts(tmp_path)] == [("failure", ""), ("success", "")]


def test_an_operators_fault_repeats_the_trial(cell, tmp_path):
    with cell(judge="operator", trials=1, time_limit_s=30.0) as here:
        notes = here.node.create_publisher(String, "trial/note", 10)
        clients = {name: here.node.create_client(Trigger, f"trial/{name}") for name in ("fault_sensor", "success")}
        here.wait(
            lambda: notes.get_subscription_count() and all(c.service_is_ready() for c in clients.values()), "node"
        )
        here.wait(lambda: here.starts == 1, "the first start")
        notes.publish(String(data="the lamp went out"))
        here.wait(lambda: here.trial._people.note, "the note")
        clients["fault_sensor"].call_async(Trigger.Request())
        for start in (2, 3):
            here.wait(lambda start=start: here.starts == start, "the next start")
            clients["success"].call_async(Trigger.Request())
        here.finish()
    results = read_session(tmp_path / "session").results
    assert [(r.verdict, r.fault, r.reason) for r in results][0] == ("fault", "sensor", "the lamp went out")
    assert [r.verdict for r in results[1:]] == ["success", "success"]


def test_a_verdict_that_nobody_asked_for_is_refused(cell, tmp_path):
    with cell(judge="operator", simulated=False, success="the button is down", trials=1, time_limit_s=30.0) as here:
        here.plan = {1: lambda: here.press("failure"), 2: lambda: here.press("success")}
        for _ in range(2):
            here.wait(lambda: here.lines and "goes home" in here.lines[-1], "the first request")
            with pytest.raises(RobotError, match="success was not taken: no trial is running"):
                verdict("success")
            starts = here.starts
            verdict("ready")
            here.wait(lambda: "arrange start scene" in here.lines[-1], "the second request")
            verdict("ready")
            here.wait(lambda starts=starts: here.starts == starts + 1, "the trial")
            here.wait(lambda: "goes home" in here.lines[-1] or here.trial.is_finished, "its end")
        here.finish()
    assert [verdict for _, verdict, _ in verdicts(tmp_path)] == ["failure", "success"]


def test_on_the_real_arm_nothing_moves_before_a_person_says_ready(cell, tmp_path):
    with cell(judge="operator", simulated=False, success="the button is down", trials=1, time_limit_s=30.0) as here:
        here.plan = {1: lambda: here.press("success"), 2: lambda: here.press("success")}
        here.wait(lambda: here.lines and "stand clear, and say ready" in here.lines[-1], "the request")
        assert not {"arm/home", "policy/open_hand", "arm"} & set(here.calls)
        verdict("ready")
        here.wait(lambda: "arrange start scene 1" in here.lines[-1], "the second request")
        here.wait(lambda: len(here.overlays) == 2, "overlays")
        assert here.starts == 0 and here.arm["level"] == "disarmed" and "arm/home" in here.calls
        here.recorder |= {"state": "recording", "rows": 0}  # somebody else's recording is not the word
        here.wait(lambda: here.seen_recording, "the recording to be noticed")
        assert here.starts == 0
        verdict("ready")
        here.wait(lambda: here.starts == 1, "the first trial")
        for _ in range(2):
            here.wait(lambda: "say ready" in here.lines[-1] and here.trial._people.asking == "ready", "a request")
            verdict("ready")
            here.wait(lambda: here.trial._people.asking != "ready", "the answer")
        here.finish()
    assert "recorder/discard" in here.calls and not any(call.startswith("sim/") for call in here.calls)
    assert [verdict for _, verdict, _ in verdicts(tmp_path)] == ["success", "success"]


def test_on_the_real_arm_a_latch_waits_for_a_person_however_long_that_takes(cell, tmp_path):
    here = cell(judge="operator", simulated=False, success="the button is down", trials=1, time_limit_s=30.0)
    here.latch("cartesian_reflex")
    with here:
        here.plan = {1: lambda: here.press("success"), 2: lambda: here.press("success")}
        here.wait(lambda: here.lines and "the arm is stopped by cartesian_reflex" in here.lines[-1], "the request")
        time.sleep(12.0)  # longer than five tries to prepare
        assert not here.trial.is_finished and "arm/reset_latch" not in here.calls
        here.arm |= {"level": "disarmed", "reason": ""}
        for _ in range(4):
            here.wait(lambda: here.trial._people.asking == "ready", "a request")
            verdict("ready")
            here.wait(lambda: here.trial._people.asking != "ready", "the answer")
        here.finish()
    assert [verdict for _, verdict, _ in verdicts(tmp_path)] == ["success", "success"]


def test_the_recording_of_a_trial_is_labelled_with_the_verdict(cell, tmp_path):
    with cell(judge="operator", trials=1, time_limit_s=1.0) as here:
        for word in ("success", "fault_sensor", "failure"):
            here.wait(lambda: here.trial._people.asking == "verdict", "the question")
            assert here.recorder["state"] == "paused"
            verdict(word)
            here.wait(lambda: here.trial._people.asking != "verdict", "the next step")
        here.finish()
    labels = [call for call in here.calls if call.startswith(("recorder/stop", "recorder/abort"))]
    assert labels == ["recorder/stop_success", "recorder/abort", "recorder/stop_failure"]


def test_a_blinded_session_tells_no_names(cell):
    with cell(blinded=True, trials=1) as here:
        here.finish()
    assert not any("good" in line or "bad" in line for line in here.lines)


def test_another_sheet_in_the_same_folder_is_refused(cell, bundles, tmp_path):
    with cell(trials=1) as here:
        here.finish()
    with pytest.raises(TrialError, match=r"another sheet \(trials_each\)"), cell(trials=2):
        pass
