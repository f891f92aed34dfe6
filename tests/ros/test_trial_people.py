"""What an operator says counts for the trial it was said of, and for no other."""

import pytest

pytest.importorskip("rclpy")
from world4rl.trial_people import READY, VERDICT, People
from world4rl_core.errors import TrialError
from world4rl_core.runtime.trial_record import Verdict


def test_a_verdict_in_the_last_moment_of_a_trial_is_not_asked_for_again():
    people = People()
    people.watch()
    people.say(Verdict.FAILURE)
    people.is_watching = False
    people.ask(VERDICT)
    assert people.judged is not None and people.judged.verdict is Verdict.FAILURE
    with pytest.raises(TrialError, match="judged already: failure"):
        people.say(Verdict.SUCCESS)


def test_nothing_said_between_trials_counts_for_the_next():
    people = People()
    for say in (lambda: people.say(Verdict.SUCCESS), people.say_ready):
        with pytest.raises(TrialError, match="nobody asked|no trial is running"):
            say()
    people.ask(READY)
    people.say_ready()
    people.ask(READY)
    assert not people.is_ready
    people.watch()
    assert people.judged is None
