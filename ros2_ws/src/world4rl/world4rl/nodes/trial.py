"""Judges policies in trials: the sheet is fixed first, every verdict is kept at once, and a killed session goes on."""

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from world4rl import convert, qos
from world4rl.film_judge import film_judge
from world4rl.params import param
from world4rl.rig_node import Diagnosis, Level, RigConfig, RigNode, run_node
from world4rl.services import answer
from world4rl.trial_cell import CellConfig, TrialCell
from world4rl.trial_link import Interrupted, TrialLink
from world4rl.trial_people import People
from world4rl.trial_scenes import TrialScenes
from world4rl.trial_sheet import SheetConfig, sheet_of, stop_reason
from world4rl_core.errors import RobotError, TrialError, World4RLError
from world4rl_core.runtime.trial_conduct import conduct
from world4rl_core.runtime.trial_record import Verdict
from world4rl_core.runtime.trial_session import TrialSession


@dataclass(frozen=True)
class TrialConfig(RigConfig, SheetConfig):
    """Parameters of the trial node."""

    session: str = param("", "folder of the session; one that was interrupted is continued")
    simulated: bool = param(True, "the simulation arranges the scenes and the arm may be reset without a person")
    spread_m: float = param(0.03, "how far the simulated objects are scattered", low=0.0, high=0.1)
    judge: str = param("predicate", "predicate or operator")
    classifier: str = param("", "run folder of a success classifier whose opinion is kept")
    max_shift_px: float = param(3.0, "how far a fixed camera's picture may have moved", low=0.0, high=100.0)


class TrialNode(RigNode):
    """Services trial/ready, success, failure, timeout, fault_robot and fault_sensor; topic trial/note for words."""

    Config = TrialConfig

    def __init__(self, **options: Any) -> None:
        super().__init__("trial", **options)
        self._session: TrialSession | None = None
        self._thread: threading.Thread | None = None
        self._people = People(self._publish_status)
        self._line = ""

    def open(self) -> None:
        config = self.config
        if not config.session or config.judge not in ("predicate", "operator"):
            raise TrialError(
                f"session '{config.session}', judge '{config.judge}': wanted a folder, predicate or operator"
            )
        self._judge_film = film_judge(Path(config.classifier), self.rig) if config.classifier else None
        self._session = TrialSession.create(Path(config.session), sheet_of(config, self.rig))
        self._status = self.create_publisher(String, "trial/status", qos.STATUS)
        names = [camera.name for camera in self.rig.cameras]
        self._overlays = {name: self.create_publisher(Image, f"trial/overlay/{name}", qos.IMAGE) for name in names}
        self._link = TrialLink(self)
        self.create_subscription(String, "trial/note", self._note, qos.EVENT)
        self._offer("ready", self._people.say_ready)
        for verdict in (Verdict.SUCCESS, Verdict.FAILURE, Verdict.TIMEOUT):
            self._offer(verdict.value, lambda verdict=verdict: self._people.say(verdict))
        for kind in ("robot", "sensor"):
            self._offer(f"fault_{kind}", lambda kind=kind: self._people.say(Verdict.FAULT, fault=kind))

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="trials", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._link.is_closing = True
            self._thread.join(10.0)
            self._thread = None

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def diagnose(self) -> Diagnosis:
        return Diagnosis(Level.OK, self._line, {"session": self.config.session})

    def _offer(self, name: str, job: Callable[[], None]) -> None:
        self.create_service(Trigger, f"trial/{name}", lambda _, reply: answer(reply, job))

    def _note(self, message: String) -> None:
        self._people.note = message.data
        self._publish_status()

    def _run(self) -> None:
        assert self._session is not None
        config = self.config
        how = CellConfig(config.task, config.simulated, config.spread_m, config.judge == "operator")
        scenes = TrialScenes(self._session.folder, self.rig, max_shift_px=config.max_shift_px)
        cell = TrialCell(
            self._link, self.rig, how, scenes=scenes, people=self._people, now_s=self.now_s, tell=self._tell,
            show=self._show, judge_film=self._judge_film,
        )  # fmt: skip
        try:
            self._tell(conduct(self._session, cell, now=_wall_time, stop_reason=stop_reason))
            self.finish()
        except Interrupted:
            pass
        except World4RLError as error:
            self.finish(error)
        except Exception as error:  # noqa: BLE001 - a bug: shown whole, and the process ends
            traceback.print_exc()
            self.finish(RobotError(f"the trials have failed: {error!r}"))

    def _tell(self, line: str) -> None:
        self._line = line
        self.get_logger().info(line)
        self._publish_status()

    def _publish_status(self) -> None:
        assert self._session is not None
        people = self._people
        told = {"line": self._line, "note": people.note, "judged": len(self._session.recorded.judged)}
        told["asking"] = people.asking
        self._status.publish(convert.json_message(told | {"of": len(self._session.sheet.order)}))

    def _show(self, overlays: dict[str, np.ndarray]) -> None:
        for name, image in overlays.items():
            self._overlays[name].publish(convert.image_message(image, time_s=self.now_s(), camera=name))


def _wall_time() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def main() -> int:
    return run_node(TrialNode)


if __name__ == "__main__":
    raise SystemExit(main())
