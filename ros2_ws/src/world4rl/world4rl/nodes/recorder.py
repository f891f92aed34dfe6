"""Records episodes at the rig's rate: services start, pause, stop_<label>, abort and discard; a dataset on disk."""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from std_msgs.msg import String
from std_srvs.srv import Trigger

from world4rl import convert, qos
from world4rl.episode_writer import EpisodeWriter, as_recorded, open_dataset
from world4rl.params import param
from world4rl.rig_node import Diagnosis, Level, RigConfig, RigNode, run_node
from world4rl.services import answer
from world4rl.streams import Streams
from world4rl_core.calibration.session import facts, store
from world4rl_core.runtime.episode import LABELS, Recorder, RecorderConfig, RecorderState
from world4rl_core.runtime.sync import Aligner, SyncError

CUT_S, STATUS_S, DISK_S = 0.02, 0.5, 1.0


@dataclass(frozen=True)
class RecorderNodeConfig(RigConfig):
    """Parameters of the recorder."""

    dataset: str = param("datasets/recorded", "folder of the dataset; made where it is missing")
    task: str = param("press_button", "what is done, stored with each episode")
    source: str = param("human", "what drives the arm besides a person's touch: human, policy or random")
    seed: int = param(0, "stored with each episode", low=0, high=2**31 - 1)
    episodes: int = param(0, "end after so many labelled episodes; 0 goes on", low=0, high=1_000_000)
    rate_hz: float = param(0.0, "rows a second; 0 takes the rig's", low=0.0, high=50.0)
    min_free_gb: float = param(5.0, "free disk space an episode needs to start", low=0.0, high=1e4)
    longest_s: float = param(120.0, "an episode ends as timeout after", low=1.0, high=3600.0)
    needs_drift_check: bool = param(False, "refuse where a camera's drift check is missing, too old or FAIL")
    override_drift: str = param("", "reason to record all the same, stored with the dataset")


class RecorderNode(RigNode):
    """An episode with a fault is kept, labelled `aborted:<why>`, and does not count as one of `episodes`."""

    Config = RecorderNodeConfig

    def __init__(self, **options: Any) -> None:
        super().__init__("recorder", **options)
        if self.config.rate_hz:
            self.rig = replace(self.rig, action=replace(self.rig.action, rate_hz=round(self.config.rate_hz)))
        limits = {"min_free_bytes": self.config.min_free_gb * 1e9, "longest_s": self.config.longest_s}
        self.recorder = Recorder(RecorderConfig(rate_hz=self.rig.action.rate_hz, **limits))
        self._dataset = Path(self.config.dataset)
        self._lock = threading.RLock()
        self._labelled = 0
        self._failed_episode = 0
        self._checked_disk_s = 0.0
        self._writer: EpisodeWriter | None = None

    def open(self) -> None:
        session = facts(
            self.config.rig,
            now=datetime.now(UTC),
            needs_check=self.config.needs_drift_check,
            override=self.config.override_drift,
        )
        dataset = open_dataset(self._dataset, self.rig)
        store(self._dataset, session)
        self._status = self.create_publisher(String, "recorder/status", qos.STATUS)
        policy_source = "random" if self.config.source == "random" else "policy"
        self._streams = Streams(self, Aligner(self.rig, policy_source=policy_source))
        recorder = self.recorder
        jobs: dict[str, Callable[[], Any]] = {
            "start": self._start,
            "pause": recorder.pause,
            "discard": recorder.discard,
        }
        jobs |= {f"stop_{label}": lambda label=label: recorder.stop(label) for label in LABELS}
        jobs["abort"] = lambda: recorder.abort("called off")
        for name, job in jobs.items():
            self.create_service(Trigger, f"recorder/{name}", lambda _, reply, job=job: answer(reply, self._do(job)))
        self._writer = EpisodeWriter(dataset, seed=self.config.seed, on_written=self._on_written)
        self.create_subscription(String, "policy/status", self._follow_policy, qos.STATUS)
        self.create_wall_timer(CUT_S, self._cut)
        self.create_wall_timer(STATUS_S, self._publish_status)

    def stop(self) -> None:
        """The running episode is kept as aborted."""
        if self._writer is not None:
            self._do(lambda: self.recorder.abort("interrupted"))()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def diagnose(self) -> Diagnosis:
        found = self._streams.obstacles(self.now_s())
        return Diagnosis(Level.WARN if found else Level.OK, "; ".join(found) or "ready", self.recorder.status())

    def _do(self, job: Callable[[], Any]) -> Callable[[], None]:
        """The job under the lock; what it finished goes to the writer, and the status tells."""

        def done() -> None:
            with self._lock:
                job()
                if self.recorder.state is not RecorderState.RECORDING:
                    self._streams.aligner.stop()
                while self._writer is not None and (finished := self.recorder.take()) is not None:
                    self._writer.write(finished)
                self._publish_status()

        return done

    def _start(self) -> None:
        pixels = sum(camera.size**2 * 3 for camera in self.rig.cameras)
        room = {"free_bytes": self._free_bytes(), "bytes_per_row": pixels}
        room["obstacles"] = tuple(self._streams.obstacles(self.now_s()))
        self.recorder.start(self.config.task, self.config.source, **room)
        self._streams.aligner.start(self.now_s())

    def _cut(self) -> None:
        with self._lock:
            if self.recorder.state is not RecorderState.RECORDING:
                return
            faults = self._streams.faults(self.now_s())
            try:
                for step in self._streams.aligner.rows(self.now_s(), monotonic_s=time.monotonic()):
                    self.recorder.add(as_recorded(step, self.rig))
            except SyncError as error:
                faults.append(str(error))
            if faults:
                self.get_logger().error(f"episode aborted: {faults[0]}")
                self.recorder.abort(faults[0])
            self._check_disk()
            if self.recorder.state is not RecorderState.RECORDING:
                self._do(lambda: None)()

    def _follow_policy(self, message: String) -> None:
        """A policy that cannot answer ends the episode that it was driving."""
        told = convert.json_of(message)
        if not told["fault"] or told["episode"] == self._failed_episode:
            return
        self._failed_episode = told["episode"]
        self._do(lambda: self.recorder.abort(f"policy: {told['fault']}"))()

    def _check_disk(self) -> None:
        if time.monotonic() - self._checked_disk_s > DISK_S:
            self._checked_disk_s = time.monotonic()
            self.recorder.check_disk(self._free_bytes())

    def _free_bytes(self) -> float:
        return float(shutil.disk_usage(self._dataset).free)

    def _on_written(self, outcome: str, problem: str) -> None:
        with self._lock:
            self.recorder.written(problem)
            self._labelled += outcome in LABELS and not problem
        line = problem or self.recorder.last
        (self.get_logger().error if problem else self.get_logger().info)(f"episode {outcome}: {line}")
        if self.config.episodes and self._labelled >= self.config.episodes:
            self.finish()

    def _publish_status(self) -> None:
        told = {"labelled": self._labelled, "wanted": self.config.episodes, "dataset": str(self._dataset)}
        self._status.publish(convert.json_message(self.recorder.status() | told))


def main() -> int:
    return run_node(RecorderNode)


if __name__ == "__main__":
    raise SystemExit(main())
