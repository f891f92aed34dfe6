"""What every node shares: parameters, rig file, lifecycle, /diagnostics at 1 Hz, and how it starts and ends."""

import logging
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from world4rl import convert, qos
from world4rl.bringup import NAMESPACE
from world4rl.params import declare, param
from world4rl_core.errors import RobotError, World4RLError
from world4rl_core.rig import load_rig

SPIN_S = 0.1
DIAGNOSTICS_S = 1.0


@dataclass(frozen=True)
class RigConfig:
    """The parameters of a node that has no others."""

    rig: str = param("twin", "rig file: a name in calibration/rigs or a path")


class Level(IntEnum):
    """Of a diagnostic."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Diagnosis:
    """How the node is."""

    level: Level
    text: str
    values: Mapping[str, Any]


class RigNode(LifecycleNode):
    """A node of one rig. Subclasses name their `Config` and say what they do in `open`, `start`, `stop` and `close`.

    Constructor: declares parameters and loads the rig; raises ConfigError or RigError. Configure calls `open`
    (publishers, devices), activate `start` (timers, threads, subscriptions), deactivate `stop`, cleanup `close`;
    shutdown calls `stop` and `close`, which must bear being called twice. `open` and `start` may raise World4RLError.
    `options` go to rclpy: tests give `context` and `parameter_overrides`.
    """

    Config: type[Any] = RigConfig

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **{"namespace": NAMESPACE, **options})
        self.config: Any = declare(self, self.Config)
        self.rig = load_rig(self.config.rig)
        self.failure: World4RLError | None = None
        self.is_finished = False
        self._wall = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        self.create_timer(DIAGNOSTICS_S, self._publish_diagnosis, clock=self._wall)

    def open(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...

    def diagnose(self) -> Diagnosis:
        """Asked once a second."""
        return Diagnosis(Level.OK, "running", {})

    def now_s(self) -> float:
        """The ROS clock: the system's, or the simulation's where use_sim_time is set (0 until it has started)."""
        return self.get_clock().now().nanoseconds / 1e9

    def create_wall_timer(self, period_s: float, callback: Callable[[], None]) -> Any:
        """A timer that goes on while simulation time stands still."""
        return self.create_timer(period_s, callback, clock=self._wall)

    def finish(self, failure: World4RLError | None = None) -> None:
        """Ends the process from inside: exit code 0, or 1 with the failure's message."""
        self.failure = failure
        self.is_finished = True

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        return self._attempt(self.open)

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        return self._attempt(self.start)

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        return self._attempt(self.stop)

    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        return self._attempt(self.close)

    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        return self._attempt(self.bring_down)

    def bring_up(self) -> None:
        """Configures and activates. Raises what `open` or `start` raised."""
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                raise self.failure or RobotError(f"{self.get_name()} did not start")

    def bring_down(self) -> None:
        self.stop()
        self.close()

    def _attempt(self, step: Callable[[], None]) -> TransitionCallbackReturn:
        """rclpy swallows what a transition raises: a message is kept and logged, anything else is a bug and shown."""
        try:
            step()
        except World4RLError as error:
            self.failure = error
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
            raise
        return TransitionCallbackReturn.SUCCESS

    def _publish_diagnosis(self) -> None:
        found = self.diagnose()
        settings = {"values": found.values, "hardware": self.rig.name, "time_s": self.now_s()}
        name = self.get_fully_qualified_name()
        self._diagnostics.publish(convert.diagnostics_message(name, found.level, found.text, **settings))


def run_node(make_node: Callable[[], RigNode]) -> int:
    """Runs one node until it ends itself or is told to; the body of every node's `main`. Returns the exit code."""
    told_to_end: list[int] = []
    is_spinning = False

    def end(number: int, _: Any) -> None:
        told_to_end.append(number)
        if not is_spinning or len(told_to_end) > 1:
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("world4rl").setLevel(logging.INFO)
    # rclpy's own handlers would end the context before the node could say that it stops.
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    node: RigNode | None = None
    try:
        node = make_node()
        node.bring_up()
        is_spinning = True
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while not (told_to_end or node.is_finished):
            executor.spin_once(timeout_sec=SPIN_S)
        if node.failure is not None:
            raise node.failure
        return 0
    except World4RLError as error:
        sys.stderr.write(f"world4rl: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        if node is not None:
            node.bring_down()
            node.destroy_node()
        rclpy.try_shutdown()
