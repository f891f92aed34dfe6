"""A cell that is only played: every service a trial session calls, and the words of the nodes behind them.

Its clock runs three times as fast as the wall's; what goes wrong is in `plan`: {number of the start: what happens}.
"""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from domains import take_domain
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from world4rl import convert, qos
from world4rl.nodes.trial import TrialNode
from world4rl_core.files import sha256_of
from world4rl_core.geometry import quat_of_matrix
from world4rl_core.rig import load_rig
from world4rl_core.robot.kinematics import forward
from world4rl_core.runtime.bundle import MODEL

TICK_S, STEP_S = 0.02, 0.06
PATIENCE_S = 120.0
STATUS = {"level": "disarmed", "reason": "", "gripper": 1.0, "intervention": False, "hand_faulty": False}


class PlayedCell:
    """Use it with `with`. The bundle named `good` succeeds half a second after its start."""

    def __init__(self, bundles: dict[str, Path], rig_file: Path, **parameters: Any) -> None:
        self.domain, self._lock = take_domain()
        self.rig = load_rig(rig_file)
        self.bundles, self.calls, self.seeds, self.lines = bundles, [], [], []
        self.arm, self.recorder = dict(STATUS), {"state": "idle", "rows": 0, "last": ""}
        self.plan: dict[int, Callable[[], None]] = {}
        self.shift_m, self.starts, self.started_s, self.time_s = 0.0, 0, np.inf, 10.0
        self.overlays: set[str] = set()
        self.silent = False
        named = ",".join(f"{name}={folder}" for name, folder in bundles.items())
        self._given = {"rig": str(rig_file), "bundles": named, "use_sim_time": True, "trials": 2, "time_limit_s": 2.0}
        self._given |= parameters

    def __enter__(self) -> "PlayedCell":
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=self.domain)
        make = {"context": self.context, "namespace": "w4rl"}
        self.node = rclpy.create_node("cell", **make)
        self._policy, self._sim = rclpy.create_node("policy", **make), rclpy.create_node("sim", **make)
        self._policy.declare_parameter("bundle", next(iter(self.bundles)))
        for name, value in {"task": "", "seed": 0, "spread_m": 0.0}.items():
            self._sim.declare_parameter(name, value)
        self._offer()
        overrides = [Parameter(name, value=value) for name, value in self._given.items()]
        self.trial = TrialNode(context=self.context, parameter_overrides=overrides)
        self.trial.bring_up()
        self._executor = SingleThreadedExecutor(context=self.context)
        for node in (self.node, self._policy, self._sim, self.trial):
            self._executor.add_node(node)
        self._is_open = True
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        self._thread.join()
        self.trial.bring_down()
        for node in (self.trial, self.node, self._policy, self._sim):
            node.destroy_node()
        self.context.try_shutdown()
        self._lock.close()

    def finish(self) -> None:
        """Waits until the session is over; raises what ended it."""
        self.wait(lambda: self.trial.is_finished, "the end of the session")
        if self.trial.failure is not None:
            raise self.trial.failure

    def wait(self, is_met: Callable[[], Any], what: str) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while not is_met():
            assert time.monotonic() < until_s, f"not within {PATIENCE_S:g} s: {what}; {self.lines}; {self.calls[-20:]}"
            time.sleep(0.01)

    def latch(self, reason: str) -> None:
        self.arm |= {"level": "latched", "reason": reason}

    def abort(self, reason: str) -> None:
        self.recorder |= {"state": "idle", "last": f"aborted:{reason}: 12 rows in 1.1 s"}

    def press(self, outcome: str) -> None:
        """The SpaceMouse's right button."""
        self.recorder |= {"state": "idle", "last": f"{outcome}: 12 rows in 1.1 s"}

    @property
    def seen_recording(self) -> bool:
        """Whether the trial node has heard that somebody records."""
        return self.trial._link.status["recorder"].get("state") == "recording"

    @property
    def bundle(self) -> str:
        return self._policy.get_parameter("bundle").value

    def _offer(self) -> None:
        jobs: dict[str, Callable[[], Any]] = {
            "arm/home": lambda: None, "arm/recover": lambda: None, "arm/reset_latch": lambda: self.arm.update(STATUS),
            "policy/start": self._start, "policy/stop": self._stop, "policy/open_hand": lambda: None,
            "recorder/start": lambda: self.recorder.update(state="recording", rows=0),
            "recorder/stop_success": lambda: self.press("success"), "recorder/discard": lambda: self.press("discarded"),
            "recorder/stop_failure": lambda: self.press("failure"),
            "recorder/stop_timeout": lambda: self.press("timeout"),
            "recorder/pause": lambda: self.recorder.update(state="paused"),
            "recorder/abort": lambda: self.abort("called off"),
            "sim/reset": self._reset, "sim/success": self._judge,
        }  # fmt: skip
        for name, job in jobs.items():
            self.node.create_service(Trigger, name, lambda _, reply, name=name, job=job: self._answer(name, job, reply))
        self.node.create_service(SetBool, "arm/enable", self._enable)
        publish = self.node.create_publisher
        self._clock_out = publish(Clock, "/clock", qos.CLOCK)
        self._words = {name: publish(String, f"{name}/status", qos.STATUS) for name in ("franka", "recorder", "policy")}
        self._images = {c.name: publish(Image, f"{c.name}/color/image_raw", qos.IMAGE) for c in self.rig.cameras}
        self._pose = publish(PoseStamped, "franka/current_pose", qos.EVENT)
        self._width = publish(JointState, "franka/gripper", qos.EVENT)
        for name in self._images:
            self.node.create_subscription(
                Image, f"trial/overlay/{name}", lambda _, name=name: self.overlays.add(name), 10
            )
        self.node.create_subscription(
            String, "trial/status", lambda told: self.lines.append(convert.json_of(told)["line"]), qos.STATUS
        )

    def _answer(self, name: str, job: Callable[[], Any], reply: Any) -> Any:
        self.calls.append(name)
        reply.success, reply.message = True, json.dumps(job())
        return reply

    def _enable(self, asked: Any, reply: Any) -> Any:
        self.calls.append("arm" if asked.data else "disarm")
        reply.success = self.arm["level"] != "latched"
        if reply.success:
            self.arm["level"] = "armed" if asked.data else "disarmed"
        return reply

    def _reset(self) -> dict[str, Any]:
        found = {name: self._sim.get_parameter(name).value for name in ("task", "seed", "spread_m")}
        self.seeds.append((self.bundle, found["seed"]))
        return found

    def _start(self) -> None:
        self.starts += 1
        self.started_s = self.time_s

    def _stop(self) -> None:
        self.started_s = np.inf

    def _judge(self) -> dict[str, Any]:
        return {"success": self.bundle == "good" and self.time_s - self.started_s > 0.5}

    def _spin(self) -> None:
        T_base_ee = forward(np.array(self.rig.robot.home_q))
        next_s = 0.0
        while self._is_open:
            self._executor.spin_once(timeout_sec=0.005)
            if time.monotonic() < next_s:
                continue
            next_s = time.monotonic() + TICK_S
            self.time_s += STEP_S
            if self.time_s - self.started_s > 0.3 and self.starts in self.plan:
                self.plan.pop(self.starts)()
            self._publish(T_base_ee[:3, 3] + [0.0, self.shift_m, 0.0], quat_of_matrix(T_base_ee[:3, :3]))

    def _publish(self, position_m: np.ndarray, quat_xyzw: np.ndarray) -> None:
        self._clock_out.publish(convert.clock_message(self.time_s))
        sha256 = sha256_of(self.bundles[self.bundle] / MODEL)
        said = {"franka": self.arm, "recorder": self.recorder, "policy": {"bundle": self.bundle, "sha256": sha256}}
        for name, status in said.items():
            self._words[name].publish(convert.json_message(status))
        self._pose.publish(convert.pose_message(position_m, quat_xyzw, time_s=self.time_s))
        self._width.publish(convert.width_message(0.08, time_s=self.time_s))
        for camera in self.rig.cameras:
            picture = np.random.default_rng(len(camera.name)).integers(0, 255, (camera.height, camera.width, 3))
            message = convert.image_message(picture.astype(np.uint8), time_s=self.time_s, camera=camera.name)
            if not self.silent:
                self._images[camera.name].publish(message)
