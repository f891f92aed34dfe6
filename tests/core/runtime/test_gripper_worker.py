"""The gripper: newest request wins, one retry, a time limit, and lost objects noticed."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from world4rl_core.robot.fake import FakeClock, FakeGripper
from world4rl_core.robot.interface import ArmError, ArmFault, GripperState
from world4rl_core.runtime.gripper import GripperPlan, GripperWorker


def state(*, is_grasped: bool) -> GripperState:
    return GripperState(1.0, 0.05, 0.08, is_grasped)


def test_requests_during_a_call_coalesce_to_the_newest():
    plan = GripperPlan()
    plan.request(-1)
    assert plan.start(0.0) == -1
    for wanted in (1, -1, 1):
        plan.request(wanted)
        assert plan.start(0.1) is None
    plan.finished(True, 0.5)
    assert plan.start(0.5) == 1
    plan.finished(True, 0.9)
    assert plan.start(1.0) is None


def test_a_change_of_mind_back_to_what_is_happening_starts_nothing():
    plan = GripperPlan()
    plan.request(-1)
    plan.start(0.0)
    plan.request(1)
    plan.request(-1)
    plan.finished(True, 0.5)
    assert plan.start(0.5) is None


def test_nothing_to_grasp_is_an_event_and_no_fault():
    plan = GripperPlan()
    plan.request(-1)
    plan.start(0.0)
    plan.finished(False, 0.5)
    assert plan.events == [(0.5, "grasped_nothing")]
    assert not plan.is_faulty


def test_a_refusal_is_tried_once_more_and_then_a_fault():
    plan = GripperPlan()
    plan.request(-1)
    for now_s in (0.0, 1.0):
        assert plan.start(now_s) == -1
        plan.failed("command aborted", now_s + 0.5)
    assert plan.is_faulty and plan.events == [(1.5, "fault: command aborted")]
    plan.request(1)
    assert plan.start(2.0) is None
    plan.clear_fault()
    plan.request(1)
    assert plan.start(3.0) == 1


def test_a_call_without_an_answer_is_given_up_once_after_five_seconds():
    plan = GripperPlan()
    plan.request(1)
    plan.start(0.0)
    assert not plan.is_overdue(4.9)
    assert plan.is_overdue(5.1)
    assert not plan.is_overdue(5.2)
    assert plan.is_faulty
    plan.finished(True, 6.0)  # the call returns after all
    assert plan.start(6.0) is None


def test_a_lost_object_is_noticed_once():
    plan = GripperPlan()
    plan.request(-1)
    plan.start(0.0)
    plan.finished(True, 0.5)
    plan.observe(state(is_grasped=True), 1.0)
    plan.observe(state(is_grasped=False), 1.1)
    plan.observe(state(is_grasped=False), 1.2)
    assert plan.events == [(1.1, "lost_grasp")]


def test_letting_go_on_purpose_is_no_lost_object():
    plan = GripperPlan()
    plan.request(-1)
    plan.start(0.0)
    plan.finished(True, 0.5)
    plan.request(1)
    plan.start(1.0)
    plan.observe(state(is_grasped=False), 1.1)
    plan.finished(True, 1.5)
    plan.observe(state(is_grasped=False), 1.6)
    assert plan.events == []


@given(acts=st.lists(st.sampled_from(["open", "close", "start", "done", "fail", "cancel"]), max_size=40))
def test_one_call_at_a_time_and_only_what_was_asked_for_last(acts):
    plan, running, last = GripperPlan(), None, None
    for i, act in enumerate(acts):
        if act in ("open", "close"):
            last = 1.0 if act == "open" else -1.0
            plan.request(last)
        elif act == "start":
            started = plan.start(float(i))
            assert started is None or (running is None and started == last)
            running = started if started is not None else running
        elif act == "cancel":
            plan.cancel()
            assert plan.start(float(i)) is None
        elif running is not None:
            plan.finished(True, float(i)) if act == "done" else plan.failed("no", float(i))
            running = None


def wait_until(condition, seconds: float = 5.0) -> None:
    end_s = time.monotonic() + seconds
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.005)
    assert condition()


class SlowGripper(FakeGripper):
    """Blocks in its calls until told to go on, as the real one does."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.go_on = threading.Event()

    def grasp(self) -> bool:
        self.calls.append("grasp begins")
        self.go_on.wait(5)
        return super().grasp()


def test_the_worker_never_blocks_who_asks():
    gripper = SlowGripper()
    worker = GripperWorker(gripper)
    worker.request(-1)
    wait_until(lambda: gripper.calls == ["grasp begins"])
    started_s = time.monotonic()
    worker.request(1)
    worker.poll(gripper.state())
    assert time.monotonic() - started_s < 0.1
    gripper.go_on.set()
    wait_until(lambda: gripper.calls == ["grasp begins", "grasp", "open"])
    worker.close()
    assert (0, "grasped_nothing") in [(0, what) for _, what in worker.poll(None)]


def test_after_a_stop_nothing_that_waited_starts():
    gripper = SlowGripper()
    worker = GripperWorker(gripper)
    worker.request(-1)
    wait_until(lambda: gripper.calls == ["grasp begins"])
    worker.request(1)
    worker.stop()
    gripper.go_on.set()
    wait_until(lambda: "grasp" in gripper.calls)
    time.sleep(0.1)
    worker.close()
    assert "open" not in gripper.calls


def test_a_refusing_gripper_becomes_a_fault_and_the_worker_lives_on():
    gripper = FakeGripper(FakeClock())
    gripper.faults.extend(ArmError(ArmFault.OTHER, "aborted") for _ in range(2))
    worker = GripperWorker(gripper)
    worker.request(1)
    wait_until(lambda: worker.is_faulty)
    assert gripper.calls == ["open", "open"]
    worker.clear_fault()
    worker.request(-1)
    wait_until(lambda: gripper.calls[-1] == "grasp")
    worker.close()


@pytest.mark.parametrize("seconds", [5.5])
def test_a_hanging_gripper_is_stopped(seconds):
    clock = FakeClock()
    gripper = SlowGripper()
    worker = GripperWorker(gripper, clock=lambda: clock.now_s)
    worker.request(-1)
    wait_until(lambda: gripper.calls == ["grasp begins"])
    clock.step(seconds)
    events = worker.poll(None)
    assert [what for _, what in events] == ["fault: no answer in 5 s"]
    wait_until(lambda: "stop" in gripper.calls)
    gripper.go_on.set()
    worker.close()
