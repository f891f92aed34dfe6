"""A simulated cell for tests: the sim with faults and the arm node as processes, and a client that plays the operator.

Every cell has an address and a ROS domain of its own. Distances are measured on the simulated hand itself and times in
simulation time, so that a slow machine changes neither.
"""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from domains import take_domain
from geometry_msgs.msg import TwistStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from std_msgs.msg import Float32, String
from std_srvs.srv import SetBool, Trigger

from world4rl import convert, qos
from world4rl_core.rig import RIGS
from world4rl_core.robot.kinematics import forward

ROOT = Path(__file__).parents[2]
FAULTS = ROOT / "tests" / "sim" / "faults.py"
START_S, ANSWER_S = 240.0, 60.0
STREAM_S = 0.02
STOP_S = 0.3
STILL_M = 1e-3


class Cell:
    """Start it with `with`; everything it started is ended when the block is left."""

    def __init__(self, folder: Path, *, cameras: bool = False, sim_only: bool = False, **limits: Any) -> None:
        self.domain, self._domain_lock = take_domain()
        self.rig = folder / f"cell-{self.domain}.yaml"
        facts = yaml.safe_load((RIGS / "twin.yaml").read_text())
        facts["robot"]["host"] = f"127.43.{self.domain}.1"
        facts["limits"] |= limits
        self.rig.write_text(yaml.safe_dump(facts))
        self.host = facts["robot"]["host"]
        self.limits = facts["limits"]
        self.cameras = {camera["name"]: camera for camera in facts["cameras"]}
        self._has_cameras = cameras
        self._sim_only = sim_only
        self._folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Cell":
        self.start("sim", [str(FAULTS)], cameras=self._has_cameras)
        self.client = Client(self.domain)
        try:
            self.client.wait(lambda: self.client.hand, "the simulation", timeout_s=START_S)
            if not self._sim_only:
                self.start_arm()
                self.client.wait(lambda: self.client.status, "the arm node", timeout_s=START_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start_arm(self) -> None:
        self.start("arm", ["-m", "world4rl.nodes.arm"], use_sim_time=True)

    def start(self, name: str, what: list[str], **parameters: Any) -> subprocess.Popen[bytes]:
        words = [sys.executable, *what, "--ros-args", "-r", "__ns:=/w4rl", "-p", f"rig:={self.rig}"]
        for key, value in parameters.items():
            words += ["-p", f"{key}:={str(value).lower()}"]
        quiet = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                words, stdout=log, stderr=log, env=os.environ | quiet | {"ROS_DOMAIN_ID": str(self.domain)}
            )
        return self.processes[name]

    def log(self, name: str) -> Path:
        return self._folder / f"{self.rig.stem}-{name}.log"

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        self.processes[name].send_signal(number)

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "client"):
            self.client.close()
        for name in reversed(self.processes):
            self.processes[name].send_signal(signal.SIGINT)
            try:
                self.processes[name].wait(15)
            except subprocess.TimeoutExpired:
                self.processes[name].kill()
                self.processes[name].wait()
        self._domain_lock.close()


class Client:
    """The operator's hand: streams a twist, calls services, watches status and the simulated hand."""

    def __init__(self, domain: int, *, is_operator: bool = True) -> None:
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        self._context = rclpy.Context()
        self.domain = domain
        rclpy.init(context=self._context, domain_id=domain)
        settings = {"context": self._context, "namespace": "w4rl"}
        self.node = rclpy.create_node(
            "operator", parameter_overrides=[Parameter("use_sim_time", value=True)], **settings
        )
        self.hand: list[tuple[float, np.ndarray]] = []
        """(simulation time, position of the end effector) at 50 Hz."""
        self.status: dict[str, Any] = {}
        self.applied: list[np.ndarray] = []
        self._faults: dict[int, float] = {}
        self._numbers = itertools.count()
        self.twist = np.zeros(6)
        self.frame, self.stamp_offset_s = "base", 0.0
        self.is_streaming = is_operator
        if is_operator:
            self._twists = self.node.create_publisher(TwistStamped, "cmd/twist", qos.COMMAND)
        self._grips = self.node.create_publisher(Float32, "cmd/gripper", qos.EVENT)
        self._wishes = self.node.create_publisher(String, "fault", qos.EVENT)
        self.node.create_subscription(String, "sim/state", self._see_hand, qos.SENSOR_READER)
        self.node.create_subscription(String, "franka/status", self._see_status, qos.STATUS)
        self.node.create_subscription(TwistStamped, "arm/applied", self._see_applied, qos.EVENT)
        self.node.create_subscription(String, "fault_done", self._see_fault, qos.STATUS)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._is_open = True
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._spin, self._stream)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._is_open = False
        for thread in self._threads:
            thread.join()
        self.node.destroy_node()
        self._context.try_shutdown()

    def now_s(self) -> float:
        return self.node.get_clock().now().nanoseconds / 1e9

    def position(self) -> np.ndarray:
        return self.hand[-1][1]

    def push(self, *linear_mps: float) -> None:
        """Streams this velocity from now on."""
        self.twist = np.array([*linear_mps, 0.0, 0.0, 0.0])

    def let_go(self) -> None:
        self.twist = np.zeros(6)
        self.frame, self.stamp_offset_s, self.is_streaming = "base", 0.0, True

    def grip(self, state: float) -> None:
        self._grips.publish(convert.number_message(state))

    def send(self, twist: np.ndarray) -> None:
        """One command, beside those of the stream."""
        self._twists.publish(convert.twist_message(twist, time_s=self.now_s() + self.stamp_offset_s, frame=self.frame))

    def wait(self, is_met: Callable[[], Any], what: str, *, timeout_s: float = ANSWER_S) -> None:
        until_s = time.monotonic() + timeout_s
        while not is_met():
            assert time.monotonic() < until_s, f"not within {timeout_s:g} s: {what}; status: {self.status}"
            time.sleep(0.01)

    def sleep(self, seconds: float) -> None:
        """In simulation time."""
        until_s = self.now_s() + seconds
        self.wait(lambda: self.now_s() >= until_s, "the passing of simulation time", timeout_s=2 * ANSWER_S)

    def call(self, name: str, data: bool | None = None) -> tuple[bool, str]:
        kind = Trigger if data is None else SetBool
        client = self.node.create_client(kind, name)
        self.wait(client.service_is_ready, f"service {name}")
        answer = client.call_async(kind.Request() if data is None else kind.Request(data=data))
        self.wait(answer.done, f"answer of {name}", timeout_s=2 * ANSWER_S)
        self.node.destroy_client(client)
        return answer.result().success, answer.result().message

    def inject(self, kind: str, **details: Any) -> float:
        """Makes a fault happen; returns the simulation time at which it began."""
        number = next(self._numbers)
        self._wishes.publish(convert.json_message({"kind": kind, "number": number, **details}))
        self.wait(lambda: number in self._faults, f"fault {kind}")
        return self._faults[number]

    def get_ready(self) -> None:
        """From whatever state: no fault, at home, reset, neutral, armed."""
        self.let_go()
        self.inject("clear")
        self.wait(lambda: self.status.get("connected"), "the connection", timeout_s=2 * ANSWER_S)
        self.call("arm/recover")
        self.sleep(0.6)
        self.call("arm/enable", data=False)
        self.wait(lambda: self.call("arm/reset_latch")[0] and self.call("arm/home")[0], "the way home")
        self.sleep(0.4)  # franky-sim's arm swings out
        self.arm()

    def arm(self) -> None:
        self.wait(lambda: self.call("arm/enable", data=True)[0], "arming")

    def get_moving(self) -> None:
        """Armed, at home, and pushed along y at 0.1 m/s."""
        self.get_ready()
        self.move(0.02, 0.0, 0.1, 0.0)

    def move(self, distance_m: float, *linear_mps: float) -> None:
        """Pushes until the hand has come that far, and goes on; lets go while the arm is held, as a person does.

        Held is what a machine without time to spare makes of an operator whose commands come late.
        """
        begin = self.position()

        def has_come() -> bool:
            self.push(*linear_mps if self.status["level"] == "armed" else (0.0, 0.0, 0.0))
            return bool(np.linalg.norm(self.position() - begin) > distance_m)

        self.wait(has_come, "the hand's motion", timeout_s=2 * ANSWER_S)

    def travelled_m(self, since_s: float) -> float:
        """How far the hand has come from where it was at that simulation time."""
        track = [position for time_s, position in self.hand if time_s >= since_s]
        return max(float(np.linalg.norm(position - track[0])) for position in track)

    def assert_stopped(self, began_s: float, within_s: float = STOP_S) -> None:
        """The hand stands `within_s` after the simulation time `began_s`, and goes on standing."""
        self.sleep(max(0.0, began_s + within_s - self.now_s()) + 0.4)
        assert self.travelled_m(began_s + within_s) < STILL_M

    def assert_needs_reset_and_neutral(self) -> None:
        """Pushing on moves nothing; reset and enable are both needed, and enable wants a neutral input."""
        assert not self.call("arm/enable", data=True)[0]
        assert self.call("arm/reset_latch") == (True, "done")
        is_armed, why = self.call("arm/enable", data=True)
        assert not is_armed and "neutral" in why
        stood_s = self.now_s()
        self.sleep(0.4)
        assert self.travelled_m(stood_s) < STILL_M
        push = self.twist[:3].copy()
        self.let_go()
        self.arm()
        self.move(0.01, *push)
        self.let_go()

    def _spin(self) -> None:
        while self._is_open:
            self._executor.spin_once(timeout_sec=0.05)

    def _stream(self) -> None:
        while self._is_open:
            if self.is_streaming:
                self.send(self.twist)
            time.sleep(STREAM_S)

    def _see_hand(self, message: String) -> None:
        snapshot = convert.snapshot_of(message)
        self.hand.append((snapshot.time_s, forward(snapshot.qpos[:7])[:3, 3]))

    def _see_status(self, message: String) -> None:
        self.status = convert.json_of(message)

    def _see_applied(self, message: TwistStamped) -> None:
        self.applied.append(convert.twist_of(message))

    def _see_fault(self, message: String) -> None:
        answer = convert.json_of(message)
        self._faults[answer["number"]] = answer["time_s"]
