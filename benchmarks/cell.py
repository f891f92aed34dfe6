"""The running cell that the robot's benchmarks measure: the simulated rig's nodes, and the SpaceMouse played here."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from world4rl import convert, qos
from world4rl.bringup import NAMESPACE, RIG_ARGUMENTS, Process, rig_processes
from world4rl.drivers.hid_socket import HidSender
from world4rl.drivers.spacemouse import SIMULATED_MODEL, reports, ros_info
from world4rl.up import command_line
from world4rl_core.rig import RIGS
from world4rl_core.robot.kinematics import forward

START_S, ANSWER_S = 120.0, 60.0
MOVED_M, STILL_M = 0.0005, 0.001
PUSH = np.array([0.0, 0.5, 0.0, 0.0, 0.0, 0.0])


class Rig:
    """The running nodes, the SpaceMouse, and what can be seen from outside."""

    def __init__(self, folder: Path) -> None:
        os.environ |= {"ROS_DOMAIN_ID": str(1 + os.getpid() % 100), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        os.environ["OMP_NUM_THREADS"] = "1"
        facts = yaml.safe_load((RIGS / "twin.yaml").read_text())
        facts["robot"]["host"] = f"127.9.{os.getpid() // 250 % 250}.{1 + os.getpid() % 250}"
        file = folder / "rig.yaml"
        file.write_text(yaml.safe_dump(facts))
        self.cameras = [camera["name"] for camera in facts["cameras"]]
        arguments = {name: argument.default for name, argument in RIG_ARGUMENTS.items()} | {"rig": str(file)}
        device = folder / "spacemouse"
        teleop = Process("teleop", "teleop", {"rig": str(file), "use_sim_time": True, "device": f"unix:{device}"})
        self.processes = {process.name: process for process in [*rig_processes(arguments), teleop]}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._log = (folder / "nodes.log").open("ab")
        self._stick, self.axes = HidSender(device), np.zeros(6)
        self.pictures_s: dict[str, list[float]] = {}  # when they arrived, on the wall clock
        self.hand: list[tuple[float, np.ndarray]] = []
        self.heard_s: dict[str, float] = {}
        """When, on the wall clock, each event of a push was seen first."""
        self.status: dict[str, Any] = {}
        self._begin_m = np.full(3, np.nan)
        self._listen()

    def start(self, *names: str) -> None:
        for name in names or tuple(self.processes):
            words = command_line(self.processes[name])
            self._running[name] = subprocess.Popen(words, stdout=self._log, stderr=self._log)

    def stop(self, name: str) -> None:
        """Asks a node to end, and waits until it has."""
        process = self._running.pop(name)
        process.terminate()
        process.wait(60)

    def kill(self, name: str) -> float:
        """SIGKILL; returns the simulation time of it."""
        killed_s = self.now_s()
        self._running[name].send_signal(signal.SIGKILL)
        self._running[name].wait()
        return killed_s

    def close(self) -> None:
        self._is_open = False
        for thread in self._threads:
            thread.join()
        self._stick.close()
        for process in reversed(self._running.values()):
            process.send_signal(signal.SIGINT)
        for process in self._running.values():
            process.wait(20)
        rclpy.try_shutdown()

    def processor_s(self, name: str) -> float:
        """Seconds of a processor that a node has used, without its child processes."""
        fields = Path(f"/proc/{self._running[name].pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def now_s(self) -> float:
        return self.hand[-1][0] if self.hand else 0.0

    def wait(self, is_met: Callable[[], Any], what: str, *, timeout_s: float = ANSWER_S) -> None:
        until_s = time.monotonic() + timeout_s
        while not is_met():
            if time.monotonic() > until_s:
                raise SystemExit(f"not within {timeout_s:g} s: {what}; the arm says {self.status}")
            time.sleep(0.002)

    def sleep(self, seconds: float) -> None:
        """In simulation time."""
        until_s = self.now_s() + seconds
        self.wait(lambda: self.now_s() >= until_s, "the passing of simulation time", timeout_s=ANSWER_S + 3 * seconds)

    def call(self, kind: Any, name: str, **fields: Any) -> bool:
        client = self._node.create_client(kind, name)
        self.wait(client.service_is_ready, name)
        answer = client.call_async(kind.Request(**fields))
        self.wait(answer.done, name)
        self._node.destroy_client(client)
        return answer.result().success

    def get_ready(self) -> None:
        """At home, armed, nobody pushes."""
        self.axes = np.zeros(6)
        self.call(SetBool, "arm/enable", data=False)
        ready = ("arm/reset_latch", "arm/home")
        self.wait(lambda: all(self.call(Trigger, name) for name in ready), "the way home")
        self.sleep(0.5)
        self.wait(lambda: self.call(SetBool, "arm/enable", data=True), "arming")

    def push(self) -> dict[str, float]:
        """Pushes from rest until the hand moves; the wall time of each event."""
        self._begin_m = self.hand[-1][1]
        self.heard_s = {}
        self.axes = PUSH if self._begin_m[1] < 0 else -PUSH
        self.wait(lambda: "moved" in self.heard_s or self.status["level"] != "armed", "motion")
        return self.heard_s

    def stop_time_s(self, killed_s: float) -> float:
        """Simulation time from the kill until the hand is within STILL_M of where it came to rest."""
        self.sleep(1.0)
        rest_m = self.hand[-1][1]
        moving = [at_s for at_s, position in self.hand if np.linalg.norm(position - rest_m) > STILL_M]
        return max(0.0, max(moving) - killed_s)

    def listen(self, kind: Any, topic: str, see: Callable[[Any], None], profile: Any = qos.SENSOR_READER) -> None:
        """Hears one more topic."""
        self._node.create_subscription(kind, topic, see, profile)

    def _listen(self) -> None:
        rclpy.init()
        self._node = rclpy.create_node(
            "benchmark", namespace=NAMESPACE, parameter_overrides=[Parameter("use_sim_time", value=True)]
        )
        topics: dict[str, tuple[Any, Callable[[Any], None]]] = {
            "sim/state": (String, self._see_hand),
            "franka/status": (String, lambda message: self.status.update(convert.json_of(message))),
            "franka/current_pose": (PoseStamped, self._see_pose),
            "cmd/twist": (TwistStamped, lambda message: self._see_twist("asked", message)),
            "arm/applied": (TwistStamped, lambda message: self._see_twist("applied", message)),
        }
        for name, (kind, see) in topics.items():
            self.listen(kind, name, see)
        for name in self.cameras:
            topic = f"{name}/color/image_raw"
            see = partial(self._see_picture, self.pictures_s.setdefault(name, []))
            self.listen(Image, topic, see)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._is_open = True
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._spin, self._hold_stick)]
        for thread in self._threads:
            thread.start()

    def _spin(self) -> None:
        while self._is_open:
            self._executor.spin_once(timeout_sec=0.05)

    def _hold_stick(self) -> None:
        info = ros_info(SIMULATED_MODEL)
        while self._is_open:
            self._stick.send(reports(self.axes, (False, False), info=info))
            time.sleep(0.005)

    def _see_picture(self, times_s: list[float], _: Image) -> None:
        times_s.append(time.monotonic())

    def _see_hand(self, message: String) -> None:
        snapshot = convert.snapshot_of(message)
        self.hand.append((snapshot.time_s, forward(snapshot.qpos[:7])[:3, 3]))

    def _see_pose(self, message: PoseStamped) -> None:
        if np.linalg.norm(convert.pose_of(message)[0] - self._begin_m) > MOVED_M:
            self.heard_s.setdefault("moved", time.monotonic())

    def _see_twist(self, what: str, message: TwistStamped) -> None:
        if np.linalg.norm(convert.twist_of(message)) > 1e-3:
            self.heard_s.setdefault(what, time.monotonic())
