"""The cell of a trial session over ROS: the arm's, recorder's, policy's and simulation's services in their order."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from world4rl.trial_link import TrialLink
from world4rl.trial_people import READY, VERDICT, People
from world4rl.trial_scenes import TrialScenes
from world4rl_core.errors import RobotError
from world4rl_core.evaluation.video import write_mp4
from world4rl_core.pixels import crop_and_resize
from world4rl_core.rig import Rig
from world4rl_core.runtime.trial import PlannedTrial, Sheet, SheetBundle, start_problem
from world4rl_core.runtime.trial_conduct import Look
from world4rl_core.runtime.trial_record import Judged, Verdict

FRESH_S = 0.5
ARM_S = 5.0
RECORDER_S, RECORDER_WALL_S = 1.0, 30.0
SETTLE_S = 0.5
OVERLAY_S = 0.5
LATCHED = ("latched", "operator", "recreate")
OPEN_SHARE = 0.9
LABELS = {
    Verdict.SUCCESS: "stop_success", Verdict.FAILURE: "stop_failure", Verdict.TIMEOUT: "stop_timeout",
    Verdict.FAULT: "abort", None: "discard",
}  # fmt: skip
"""The recorder's services by verdict."""


@dataclass(frozen=True)
class CellConfig:
    """How trials take place."""

    task: str
    is_simulated: bool
    """The simulation arranges the scene and judges it; else a person arranges, and resets a latched arm."""
    spread_m: float
    is_judged_by_person: bool


class TrialCell:
    """A Cell of trial_conduct.py."""

    def __init__(
        self,
        link: TrialLink,
        rig: Rig,
        config: CellConfig,
        *,
        scenes: TrialScenes,
        people: People,
        now_s: Callable[[], float],
        tell: Callable[[str], None],
        show: Callable[[dict[str, np.ndarray]], None],
        judge_film: Callable[[dict[str, np.ndarray]], tuple[float, bool]] | None,
    ) -> None:
        """`tell` shows a line, `show` the overlays; `judge_film` is the classifier on films by camera."""
        self._link, self._rig, self._config, self._scenes = link, rig, config, scenes
        self._people, self._now_s, self._show, self._judge_film = people, now_s, show, judge_film
        self.tell = tell
        self._period_s = 1 / rig.action.rate_hz
        self._due_s = 0.0
        self._film: dict[str, list[np.ndarray]] = {}

    def wait(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        self._link.wait_for(lambda: time.monotonic() >= until_s, "time to pass", timeout_s=seconds + 1)

    def arrange(self, trial: PlannedTrial, bundle: SheetBundle) -> None:
        self._people.forget()
        self._film = {}
        self._link.wait_for(lambda: self._link.status["franka"], "the arm node", timeout_s=60.0)
        self._choose(bundle)
        if self._config.is_simulated:
            self._unlatch()
        else:
            self._await_reset()
            self._await_ready("the arm goes home and opens its hand: stand clear, and say ready")
        self._link.call("arm/home")
        self._open_hand()
        self._link.enable(False)
        if self._config.is_simulated:
            self._link.set("sim", task=self._config.task, seed=trial.seed, spread_m=self._config.spread_m)
            told = json.loads(self._link.call("sim/reset"))
            if (told["task"], told["seed"]) != (self._config.task, trial.seed):
                raise RobotError(
                    f"the simulation arranged {told}, wanted seed {trial.seed}; is somebody else resetting it?"
                )
            self._link.wait_until(self._now_s() + SETTLE_S)
        else:
            wanted = f"arrange start scene {trial.start + 1}, stand clear, and say ready"
            self._await_ready(wanted, lambda: self._show(self._scenes.overlays(trial.start, self._live())))

    def obstacles(self, sheet: Sheet, trial: PlannedTrial) -> list[str]:
        now_s, link = self._now_s(), self._link
        stamps_s = {f"camera {name}": stamp_s for name, (stamp_s, _) in link.images.items()}
        stamps_s |= {} if link.pose is None else {"arm": link.pose[0]}
        wanted = [*(f"camera {camera.name}" for camera in self._rig.cameras), "arm"]
        found = [f"{name} is silent" for name in wanted if now_s - stamps_s.get(name, -np.inf) > FRESH_S]
        if link.pose is not None and (problem := start_problem(sheet, *link.pose[1:])) is not None:
            found.append(problem)
        if link.status["franka"].get("level") in LATCHED:
            found.append(f"the arm is latched by {link.status['franka']['reason']}")
        live = self._live()
        found += self._scenes.drift(trial.start, live)
        self._show(self._scenes.overlays(trial.start, live))
        if not found:
            self._scenes.keep(trial.start, live, name=f"{trial.number:04d}")
        return found

    def arm(self) -> None:
        self._arm()
        self._link.call("recorder/start")
        self._link.wait_for(self._is_recording, "the recording to start", timeout_s=ARM_S)

    def go(self) -> float:
        self._people.watch()
        self._link.call("policy/start")
        self._due_s = self._now_s()
        return self._due_s

    def look(self) -> Look:
        self._due_s = max(self._due_s + self._period_s, self._now_s() - self._period_s)
        now_s = self._link.wait_until(self._due_s)
        for name, image in self._live().items():
            self._film.setdefault(name, []).append(image)
        arm = self._link.status["franka"]
        told, broken = self._ended()
        is_success = not self._config.is_judged_by_person and self._is_solved()
        return Look(
            now_s, is_success=is_success, is_human=bool(arm.get("intervention")), broken=broken,
            verdict=self._people.judged or told,
        )  # fmt: skip

    def halt(self, broken: str) -> None:
        self._people.is_watching = False
        self._try(lambda: self._link.call("policy/stop"))
        self._try(lambda: self._link.enable(False))
        if broken:
            self._try(self._await_recorder)
        if self._is_recording():
            self._try(lambda: self._link.call("recorder/pause"))

    def label(self, verdict: Verdict | None) -> None:
        if self._link.status["recorder"].get("state") in ("recording", "paused"):
            self._try(lambda: self._link.call(f"recorder/{LABELS[verdict]}"))

    def film(self, path: Path) -> None:
        films = [np.stack(frames) for frames in self._film.values()]
        if films:
            length, height = min(map(len, films)), max(film.shape[1] for film in films)
            padded = [np.pad(film[:length], ((0, 0), (0, height - film.shape[1]), (0, 0), (0, 0))) for film in films]
            write_mp4(path, np.concatenate(padded, axis=2), fps=self._rig.action.rate_hz)

    def opinion(self) -> tuple[float, bool] | None:
        if self._judge_film is None or not self._film:
            return None
        return self._judge_film({name: np.stack(frames) for name, frames in self._film.items()})

    def ask(self, proposed: Verdict, broken: str) -> Judged | None:
        if not self._config.is_judged_by_person:
            return None
        self._people.ask(VERDICT)
        self.tell(f"your verdict, please ({broken or f'the clock says {proposed.value}'}): success, failure or a fault")
        while self._people.judged is None:
            self.wait(0.1)
        self._people.ask("")
        return self._people.judged

    @property
    def _stopped_by(self) -> str:
        """What latched the arm or broke the hand; empty where nothing did."""
        arm = self._link.status["franka"]
        if arm.get("level") in LATCHED:
            return arm["reason"]
        return f"the hand: {arm['hand_event']}" if arm.get("hand_faulty") else ""

    def _unlatch(self) -> None:
        """In simulation nobody else would reset the arm."""
        if self._stopped_by:
            self._try(lambda: self._link.call("arm/recover"))
            self._link.wait_until(self._now_s() + 0.7)
            self._link.call("arm/reset_latch")

    def _await_reset(self) -> None:
        """On the real arm a person makes it safe, however long that takes."""
        if self._stopped_by:
            self.tell(f"the arm is stopped by {self._stopped_by}; make it safe, then `world4rl arm reset`")
        while self._stopped_by:
            self.wait(OVERLAY_S)

    def _await_ready(self, text: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._people.ask(READY)
        self.tell(text)
        while not self._people.is_ready:
            meanwhile()
            self.wait(OVERLAY_S)
        self._people.ask("")
        if self._is_recording():  # somebody else's: ours begins when the arm is armed
            self._link.call("recorder/discard")

    def _choose(self, bundle: SheetBundle) -> None:
        self._link.set("policy", bundle=bundle.name)
        self._link.wait_for(
            lambda: self._link.status["policy"].get("bundle") == bundle.name, "the policy node", timeout_s=10.0
        )
        if self._link.status["policy"]["sha256"] != bundle.sha256:
            raise RobotError(f"the policy node runs another {bundle.name} than the sheet names; start a new session")

    def _open_hand(self) -> None:
        is_open = self._link.width_m >= OPEN_SHARE * self._rig.gripper.max_width_m
        if not is_open or self._link.status["franka"].get("gripper") == -1.0:
            self._arm()
            self._link.call("policy/open_hand")

    def _arm(self) -> None:
        """The input may not be neutral for long enough yet."""
        until_s = time.monotonic() + ARM_S
        while True:
            try:
                self._link.enable(True)
                return
            except RobotError:
                if time.monotonic() > until_s:
                    raise
            self.wait(0.2)

    def _ended(self) -> tuple[Judged | None, str]:
        """The operator's verdict by button, or why the trial cannot go on."""
        arm, policy, recorder = (self._link.status[name] for name in ("franka", "policy", "recorder"))
        if policy.get("fault"):
            return None, f"policy: {policy['fault']}"
        if arm.get("level") in LATCHED:
            return None, arm["reason"]
        if recorder.get("state") == "recording" or not recorder:
            return None, ""
        kind, _, rest = recorder["last"].partition(":")
        if kind in ("success", "failure"):
            return Judged(Verdict(kind), "operator", note=self._people.note), ""
        return None, "" if kind == "timeout" else rest.strip() or recorder["last"]

    def _await_recorder(self) -> None:
        """It sees a time limit and a fault by itself, and names them better than we could."""
        until_s = self._now_s() + RECORDER_S
        self._link.wait_for(
            lambda: not self._is_recording() or self._now_s() > until_s, "the recorder", timeout_s=RECORDER_WALL_S
        )

    def _is_recording(self) -> bool:
        return self._link.status["recorder"].get("state") == "recording"

    def _is_solved(self) -> bool:
        return bool(json.loads(self._link.call("sim/success"))["success"])

    def _live(self) -> dict[str, np.ndarray]:
        """The newest picture of each camera, as recorded."""
        return {
            camera.name: crop_and_resize(self._link.images[camera.name][1], camera.crop, (camera.size, camera.size))
            for camera in self._rig.cameras
            if camera.name in self._link.images
        }

    def _try(self, job: Callable[[], object]) -> None:
        try:
            job()
        except RobotError as error:
            self.tell(str(error))
