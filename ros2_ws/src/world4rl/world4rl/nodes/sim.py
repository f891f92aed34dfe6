"""The digital twin in real time: arm and hand at the rig's host, cameras, tasks, /clock."""

import multiprocessing
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from std_srvs.srv import Trigger

from world4rl import convert, qos
from world4rl.drivers.sim import TwinServer
from world4rl.params import param
from world4rl.rig_node import Diagnosis, Level, RigConfig, RigNode, run_node
from world4rl.sim_cameras import draw_cameras
from world4rl_core.errors import ConfigError, SimulatorError
from world4rl_core.sim.twin.cameras import Snapshot
from world4rl_core.sim.twin.tasks import find_task

CHECK_S = 0.5
TICKS_A_CLOCK, TICKS_A_STATE = 2, 4
"""/clock at 100 Hz, since each node pays for each value; sim/state at 50 Hz."""


@dataclass(frozen=True)
class SimConfig(RigConfig):
    """Parameters of the sim node."""

    task: str = param("press_button", "what the next reset arranges", live=True)
    seed: int = param(0, "seed of the resets; each reset draws anew", low=0, high=2**31 - 1, live=True)
    spread_m: float = param(
        0.03, "how far objects are moved at a reset; 0 is the fixed scene", low=0.0, high=0.1, live=True
    )
    cameras: bool = param(True, "draw and publish the rig's cameras")
    board: str = param("none", "a calibration board in place of a task: none, table or hand")


class SimNode(RigNode):
    """Services: sim/reset arranges the task of the parameter `task`, sim/success judges it; both answer in JSON."""

    Config = SimConfig

    def __init__(self, **options: Any) -> None:
        super().__init__("sim", **options)
        self._server: TwinServer | None = None
        self._cameras: Any = None
        self._resets = 0
        self._ticks = 0
        self._steps_before = 0
        find_task(self.config.task)
        self.add_on_set_parameters_callback(self._refuse_unknown_tasks)
        self.add_post_set_parameters_callback(self._count_from_new_seed)
        self.create_service(Trigger, "sim/reset", self._reset)
        self.create_service(Trigger, "sim/success", self._success)
        self.create_wall_timer(CHECK_S, self._check)

    def open(self) -> None:
        self._time = self.create_publisher(Clock, "/clock", qos.CLOCK)
        self._states = self.create_publisher(String, "sim/state", qos.STATE)
        self._server = TwinServer(self.rig, tick=self._tick, board=self.config.board)
        self._server.start()
        if self.config.board == "none":
            self._arrange()

    def start(self) -> None:
        assert self._server is not None
        if self.config.cameras and self._cameras is None:
            view = (self.config.rig, self._server.xml, self._server.snapshots.address, self.get_namespace())
            context = multiprocessing.get_context("spawn")
            self._cameras = context.Process(target=draw_cameras, args=view, name="cameras", daemon=True)
            self._cameras.start()

    def stop(self) -> None:
        if self._cameras is not None:
            self._cameras.terminate()
            self._cameras.join()
            self._cameras = None

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def now_s(self) -> float:
        """Simulation time, which this node makes."""
        return 0.0 if self._server is None else self._server.time_s

    def diagnose(self) -> Diagnosis:
        steps = 0 if self._server is None else self._server.steps
        rate, self._steps_before = steps - self._steps_before, steps
        values = {"steps_per_s": rate, "time_s": self.now_s(), "task": self.get_parameter("task").value}
        return Diagnosis(Level.WARN if rate < 500 else Level.OK, f"{rate} steps/s", values)

    def _tick(self, snapshot: Snapshot) -> None:
        """Runs in the physics thread."""
        self._ticks += 1
        if self._ticks % TICKS_A_CLOCK == 0:
            self._time.publish(convert.clock_message(snapshot.time_s))
        if self._ticks % TICKS_A_STATE == 0:
            self._states.publish(convert.snapshot_message(snapshot))

    def _arrange(self) -> dict[str, Any]:
        """The seed of reset number k is `seed` + k, counted from 0 again once the parameter was set."""
        assert self._server is not None
        name, seed, spread_m = (self.get_parameter(key).value for key in ("task", "seed", "spread_m"))
        seed += self._resets
        self._server.reset(find_task(name), seed=seed, spread_m=spread_m)
        self._resets += 1
        return {"task": name, "seed": seed, "spread_m": spread_m}

    def _reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._answer(response, self._arrange)

    def _success(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._answer(response, self._judge)

    def _judge(self) -> dict[str, Any]:
        assert self._server is not None
        task, seed = self.get_parameter("task").value, self.get_parameter("seed").value + self._resets - 1
        return {"success": self._server.is_solved(), "task": task, "seed": seed}

    def _answer(self, response: Trigger.Response, ask: Any) -> Trigger.Response:
        """The message carries the answer; success=False only means that there is none."""
        response.success = self._server is not None
        response.message = convert.json_message(ask() if response.success else {"error": "not configured"}).data
        return response

    def _refuse_unknown_tasks(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        try:
            for parameter in parameters:
                if parameter.name == "task":
                    find_task(parameter.value)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _count_from_new_seed(self, parameters: list[Parameter[Any]]) -> None:
        if any(parameter.name == "seed" for parameter in parameters):
            self._resets = 0

    def _check(self) -> None:
        if self._server is not None and self._server.failure is not None:
            self.finish(SimulatorError(f"the simulation has failed: {self._server.failure!r}"))
        if self._cameras is not None and not self._cameras.is_alive():
            self.finish(SimulatorError("the cameras' process has ended; its message is above"))


def main() -> int:
    return run_node(SimNode)


if __name__ == "__main__":
    raise SystemExit(main())
