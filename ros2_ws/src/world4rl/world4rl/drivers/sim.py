"""The twin in real time behind franky-sim's server: what the real franky client connects to in place of an arm.

One thread steps physics at 1 kHz of wall time where the machine keeps up; what others want of the state is done
between two steps. Cameras look at snapshots in shared memory, from another process.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import mujoco
import numpy as np
from franky_sim import SimulationServer
from franky_sim.mujoco_simulator import MujocoSimulator

from world4rl.drivers.snapshots import SnapshotWriter
from world4rl_core.errors import RobotError
from world4rl_core.rig import Rig
from world4rl_core.sim.twin.cameras import Snapshot
from world4rl_core.sim.twin.scene import build_scene, scene_xml
from world4rl_core.sim.twin.tasks import Task

STEP_S = 0.001
TICK_STEPS = 5
"""Steps between two snapshots."""
LATE_S = 0.25
"""Physics that is later than this does not hurry after the wall clock; what is less is made up for."""
ANSWER_S = 5.0

T = TypeVar("T")


class TwinServer:
    """Physics, arm protocol and task in one thread; the methods may be called from any other."""

    def __init__(self, rig: Rig, *, tick: Callable[[Snapshot], None], board: str = "none") -> None:
        """`tick` gets the state 200 times a simulated second, in the physics thread.

        `board`: where a calibration board is, on the "table" or in the "hand".
        """
        self._rig = rig
        self._tick = tick
        self._simulator = MujocoSimulator()
        self._simulator.add_robot(initial_q=rig.robot.home_q, initial_hand_width=rig.gripper.max_width_m)
        self._folder = TemporaryDirectory(prefix="world4rl-board-")
        """Holds the board's picture, which the cameras' process reads too."""
        scene = build_scene(self._simulator.scene)
        if board != "none":
            from world4rl_core.calibration.twin_board import add_board  # needs OpenCV, which nothing else here does

            add_board(scene, board, Path(self._folder.name))
        self.xml = scene_xml(scene)
        self._server = SimulationServer(self._simulator, hostname_candidates=[rig.robot.host])
        self._wishes: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="physics", daemon=True)
        self._task: Task | None = None
        self._was_solved = False
        self._is_running = False
        self.steps = 0
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Listens for the arm's client and starts time. Raises RobotError when the address is taken."""
        self._simulator.init()
        try:
            self._server.init()
        except OSError as error:
            raise RobotError(
                f"{self._rig.robot.host}:1337 is taken ({error}); another simulation is running: stop it, "
                "or give this one a rig file with another robot.host, such as 127.0.0.2"
            ) from error
        self.snapshots = SnapshotWriter(self._simulator.data)
        self._is_running = True
        self._thread.start()

    def close(self) -> None:
        """Stops time and closes the connection; safe to call twice."""
        if not self._is_running:
            return
        self._is_running = False
        self._thread.join()
        self._server.cleanup()
        self._simulator.cleanup()
        self.snapshots.close()
        self._folder.cleanup()

    def reset(self, task: Task, *, seed: int, spread_m: float) -> None:
        """Arranges the task's objects; the arm stays where it is."""
        self.between_steps(lambda: self._arrange(task, seed, spread_m))

    def is_solved(self) -> bool:
        """Whether the task was solved at any time since the last reset."""
        return self.between_steps(lambda: self._was_solved)

    def between_steps(self, wish: Callable[[], T]) -> T:
        """What `wish` returns, called in the physics thread; also raises what it raises."""
        answer: Future[T] = Future()
        self._wishes.put((wish, answer))
        return answer.result(ANSWER_S)

    @property
    def time_s(self) -> float:
        """Simulation time."""
        data = self._simulator.data
        return 0.0 if data is None else float(data.time)

    def _arrange(self, task: Task, seed: int, spread_m: float) -> None:
        model, data = self._simulator.model, self._simulator.data
        task.reset(model, data, np.random.default_rng(seed), spread_m)
        mujoco.mj_kinematics(model, data)  # or success would be judged where things were before
        self._task, self._was_solved = task, False

    def _run(self) -> None:
        due_s = time.perf_counter()
        try:
            while self._is_running:
                self._server.run_once(realtime=False)
                self.steps += 1
                if self.steps % TICK_STEPS == 0:
                    self._look_up()
                due_s += STEP_S
                now_s = time.perf_counter()
                if now_s - due_s > LATE_S:
                    due_s = now_s
                time.sleep(max(0.0, due_s - now_s))
        except Exception as error:  # noqa: BLE001 - shown by the node, which then ends
            self.failure = error

    def _look_up(self) -> None:
        """What is not physics."""
        model, data = self._simulator.model, self._simulator.data
        while not self._wishes.empty():
            wish, answer = self._wishes.get()
            try:
                answer.set_result(wish())
            except Exception as error:  # noqa: BLE001 - belongs to who asked
                answer.set_exception(error)
        if self._task is not None and not self._was_solved:
            self._was_solved = self._task.is_success(model, data)
        snapshot = Snapshot.take(data)
        self.snapshots.write(snapshot)
        self._tick(snapshot)
