"""A whole trial session through ROS, franky and the simulated arm: killed in a trial, continued, and reported."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("franky")
from domains import take_domain
from line_bundles import TO_BUTTON, UP, line_bundle

from world4rl_core.data.reader import DatasetReader
from world4rl_core.evaluation.session_report import report
from world4rl_core.evaluation.video import read_mp4
from world4rl_core.rig import RIGS
from world4rl_core.runtime.trial_record import RUNNING, read_session

pytestmark = pytest.mark.slow
LONGEST_S = 900.0


@pytest.fixture
def evaluate(tmp_path):
    """Starts `world4rl up evaluate` for two bundles, two trials each, on the fixed scene."""
    domain, lock = take_domain()
    facts = yaml.safe_load((RIGS / "twin.yaml").read_text())
    facts["robot"]["host"] = f"127.44.{domain}.1"
    rig = tmp_path / "rig.yaml"
    rig.write_text(yaml.safe_dump(facts))
    bundles = {name: line_bundle(tmp_path / name, rig, action) for name, action in (("up", UP), ("press", TO_BUTTON))}
    named = ",".join(f"{name}={folder}" for name, folder in bundles.items())
    quiet = {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "world4rl_core", "up", "evaluate", "backend:=sim", f"rig:={rig}", f"bundles:={named}",
            "spread_m:=0", "trials:=2", "time_limit_s:=6", f"session:={tmp_path / 'session'}"]  # fmt: skip
    started = []

    def start() -> subprocess.Popen[str]:
        log = (tmp_path / "log.txt").open("a")
        started.append(subprocess.Popen(line, env=os.environ | quiet, stdout=log, stderr=log, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    lock.close()


def wait_for(is_met, process: subprocess.Popen[str], log: Path) -> None:
    until_s = time.monotonic() + LONGEST_S
    while not is_met():
        assert process.poll() is None and time.monotonic() < until_s, log.read_text()[-4000:]
        time.sleep(0.05)


def test_a_session_that_is_killed_in_a_trial_goes_on_there_and_ends_with_its_report(evaluate, tmp_path):
    session, log = tmp_path / "session", tmp_path / "log.txt"
    first = evaluate()
    wait_for(lambda: list(session.glob("trials/*.json")) and (session / RUNNING).is_file(), first, log)
    first.kill()
    first.wait()
    judged = len(read_session(session).judged)
    assert judged >= 1
    time.sleep(3.0)  # its nodes notice that their parent is gone
    second = evaluate()
    assert second.wait(LONGEST_S) == 0, log.read_text()[-6000:]

    recorded = read_session(session)
    assert len(recorded.judged) == 4 and any(result.verdict == "interrupted" for result in recorded.results)
    for result in recorded.judged.values():
        name = recorded.sheet.bundle(recorded.sheet.planned(result.number).label).name
        assert result.verdict == ("success" if name == "press" else "timeout"), result
        assert result.judged_by == "predicate"
        film, fps = read_mp4(session / result.film)
        assert fps == 10 and len(film) >= 5 and film.std() > 5
    times_s = [result.measured.success_s for result in recorded.judged.values() if result.verdict == "success"]
    assert all(0.5 < at_s < 6 for at_s in times_s)
    assert len(list((session / "scenes").glob("*.png"))) == 4 and list((session / "overlays").glob("0001-*.png"))
    episodes = list(DatasetReader(session / "dataset").episodes())
    assert {episode.source for episode in episodes} == {"policy"}
    assert {"success", "timeout"} <= {episode.outcome for episode in episodes}
    told = report(session)
    assert "4 of 4 trials judged" in told and (session / "report.html").stat().st_size > 10_000
