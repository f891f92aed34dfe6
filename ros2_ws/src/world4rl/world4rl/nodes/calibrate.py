"""Takes the samples of one camera: moves the arm from pose to pose, or lets a person guide it; computes and saves."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from world4rl import convert, qos
from world4rl.calibration_drive import CalibrationDrive
from world4rl.params import param
from world4rl.rig_node import Diagnosis, Level, RigConfig, RigNode, run_node
from world4rl.services import answer, answer_later
from world4rl_core.calibration.board import read_board
from world4rl_core.calibration.calibrate import hand_eye
from world4rl_core.calibration.collecting import Collector, Darkroom
from world4rl_core.calibration.samples import SampleFolder, hand_eye_session
from world4rl_core.calibration.tour import Tour
from world4rl_core.errors import RobotError, World4RLError
from world4rl_core.geometry import pose

STREAM_S, STATUS_S = 0.02, 0.5
LAST_WORD_S = 1.0
"""From the answer of save to the end: it has to arrive."""
NEXT_STEP = "`world4rl samples compute` shows the result, `world4rl samples save` stores it and ends everything"


@dataclass(frozen=True)
class CalibrateConfig(RigConfig):
    """Parameters of the calibration node."""

    camera: str = param("wrist", "which camera of the rig file")
    mode: str = param("eye_in_hand", "eye_in_hand or eye_to_hand")
    guide: bool = param(False, "a person moves the arm; nothing is published that the arm obeys")
    samples: str = param("samples", "folder of the samples, where an interrupted session goes on")
    count: int = param(20, "samples that the arm takes by itself", low=10, high=200)
    board: str = param("7x5x40x30xDICT_4X4_50", "columns x rows x square mm x marker mm x dictionary")
    simulated: bool = param(False, "home and arm the arm without a person")


class CalibrateNode(RigNode):
    """Services calibrate/take, undo, compute and save; topic calibrate/status."""

    Config = CalibrateConfig

    def __init__(self, **options: Any) -> None:
        super().__init__("calibrate", **options)
        self.camera, self.board = self.rig.camera(self.config.camera), read_board(self.config.board)
        self.samples: SampleFolder | None = None
        self._room = Darkroom()
        self._drive: CalibrationDrive | None = None
        self._line = f"waits for camera {self.camera.name}"

    def open(self) -> None:
        self._status = self.create_publisher(String, "calibrate/status", qos.STATUS)
        if not self.config.guide:
            self._drive = CalibrationDrive(
                self, self._room, is_simulated=self.config.simulated, take=self._take, tell=self._tell
            )
            self.create_wall_timer(STREAM_S, self._drive.step)
        topic = f"{self.camera.name}/color"
        self.create_subscription(CameraInfo, f"{topic}/camera_info", self._begin, qos.SENSOR_READER)
        self.create_subscription(Image, f"{topic}/image_raw", self._see, qos.SENSOR_READER)
        self.create_subscription(PoseStamped, "franka/current_pose", self._feel, qos.SENSOR_READER)
        slow = ReentrantCallbackGroup()
        for word, job in {"take": self._take, "undo": self._undo}.items():
            self.create_service(Trigger, f"calibrate/{word}", lambda _, reply, job=job: answer(reply, job))
        for word, job in {"compute": self._compute, "save": self._save}.items():
            self.create_service(Trigger, f"calibrate/{word}", answer_later(self, job), callback_group=slow)
        self.create_wall_timer(STATUS_S, self._publish_status)

    def stop(self) -> None:
        if self._drive is not None:
            self._drive.rest()

    def diagnose(self) -> Diagnosis:
        return Diagnosis(Level.OK, self._line, {"samples": self.config.samples})

    def _begin(self, message: CameraInfo) -> None:
        """The first word of the camera: with its intrinsics a sample can be judged."""
        if self.samples is not None:
            return
        folder = Path(self.config.samples)
        try:
            session = hand_eye_session(
                folder, self.camera, self.board, self.config.mode, reported=convert.lens_of(message)
            )
            self.samples = SampleFolder(folder, session)
        except World4RLError as error:
            self.finish(error)
            return
        if self._drive is not None:
            self._drive.collector = Collector(Tour(self.samples, self.rig, count=self.config.count), self.rig.limits)
        self._tell(f"{folder}: {self._progress(self.samples)}")

    def _see(self, message: Image) -> None:
        self._room.add_picture(convert.image_of(message), convert.time_of(message))

    def _feel(self, message: PoseStamped) -> None:
        self._room.add_pose(pose(*convert.pose_of(message)), convert.time_of(message))

    def _take(self) -> str:
        samples, shot = self._opened(), self._room.shot(self.now_s())
        poses = {"T_base_hand": shot.T_before, "T_base_hand_after": shot.T_after}
        samples.take(shot.image, time_s=shot.time_s, serial=self.camera.serial, **poses)
        return self._tell(self._progress(samples))

    def _undo(self) -> str:
        self._opened().undo()
        return self._tell(self._progress(self._opened()))

    def _compute(self) -> str:
        return self._tell(hand_eye(self._opened().folder))

    def _save(self) -> str:
        text = self._tell(hand_eye(self._opened().folder, rig=self.config.rig))
        threading.Timer(LAST_WORD_S, self.finish).start()
        return text

    def _opened(self) -> SampleFolder:
        if self.samples is None:
            raise RobotError(f"camera {self.camera.name} has said nothing yet; is its node running?")
        return self.samples

    @staticmethod
    def _progress(samples: SampleFolder) -> str:
        progress = samples.progress()
        return f"{progress.count} samples; {NEXT_STEP if progress.is_enough else progress.advice}"

    def _tell(self, line: str) -> str:
        self._line = line
        self.get_logger().info(line)
        self._publish_status()
        return line

    def _publish_status(self) -> None:
        count = 0 if self.samples is None else len(self.samples.views)
        self._status.publish(convert.json_message({"line": self._line, "count": count, "of": self.config.count}))


def main() -> int:
    return run_node(CalibrateNode)


if __name__ == "__main__":
    raise SystemExit(main())
