"""The sim node with faults: `python tests/sim/faults.py --ros-args …` injects, on demand, what only a real robot does.

The faults enter at the level of libfranka's protocol, so that the client under test raises its genuine exceptions. This
is the only file that uses private names of franky-sim (written for 1.0.4).
"""

import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from franky_sim.franka_gripper_protocol import GripperCommandStatus
from franky_sim.franka_gripper_server import FrankaGripperServer
from franky_sim.franka_robot_protocol import (
    AutomaticErrorRecoveryCommand,
    AutomaticErrorRecoveryStatus,
    MoveCommand,
    MoveStatus,
    RobotCommand,
    RobotMode,
)
from franky_sim.franka_robot_server import FrankaRobotServer
from franky_sim.franka_server import BaseCommand, ConnectCommand, ConnectStatus, MessageHeader
from std_msgs.msg import String

from world4rl import convert, qos
from world4rl.nodes.sim import SimNode
from world4rl.rig_node import run_node

FLAGS = {"joint_reflex": 6, "cartesian_reflex": 7, "communication_constraints_violation": 25}
"""Places of the error flags in libfranka's state message."""
STOPPED_MODES = (RobotMode.kReflex, RobotMode.kUserStopped)


class Faults:
    """What is wrong at the moment; `clear` ends all of it."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.overrides: dict[str, Any] = {}
        self.recovery_status = AutomaticErrorRecoveryStatus.kSuccess
        self.mute_until_s = 0.0
        self.server_version: int | None = None
        self.gripper = ""

    def recovered(self) -> None:
        for name in ("robot_mode", "errors", "reflex_reason"):
            self.overrides.pop(name, None)


class FaultySim(SimNode):
    """Topic `fault`: JSON {kind, …}, the kind being a method below; `fault_done` answers with the simulation time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.faults = Faults()
        install(self.faults)
        self._done = self.create_publisher(String, "fault_done", qos.STATUS)
        self.create_subscription(String, "fault", self._inject, qos.EVENT)

    def _inject(self, message: String) -> None:
        wish = convert.json_of(message)
        act: Callable[..., None] = getattr(self, wish.pop("kind"))
        number = wish.pop("number")

        def between_steps() -> float:
            began_s = self.now_s()
            act(**wish)
            return began_s

        began_s = self._server.between_steps(between_steps)
        self._done.publish(convert.json_message({"time_s": began_s, "number": number}))

    @property
    def robot(self) -> FrankaRobotServer:
        return self._server._server.robot_servers[0]

    def clear(self) -> None:
        self.faults.clear()

    def abort(self, status: int, errors: tuple[str, ...] = (), mode: str = "") -> None:
        """Ends the running motion as a robot does: status of the Move command, error flags, robot mode."""
        if errors:
            flags = tuple(index in [FLAGS[name] for name in errors] for index in range(41))
            self.faults.overrides |= {"errors": flags, "reflex_reason": flags}
        if mode:
            self.faults.overrides["robot_mode"] = RobotMode[mode]
        motion = self.robot.current_motion_id
        if motion:
            self.robot.stop_motion(send_preemption_signal=False)
            self.robot.reset_current_motion_id()
            socket = self.robot._tcp_socket
            BaseCommand.send_response(socket, RobotCommand.kMove, motion, MoveStatus(status))

    def state(self, **fields: Any) -> None:
        """Fields of the robot's state message that differ from the truth."""
        self.faults.overrides |= fields

    def refuse_recovery(self, status: int) -> None:
        self.faults.recovery_status = AutomaticErrorRecoveryStatus(status)

    def stall(self, seconds: float) -> None:
        """Robot and simulation stand still."""
        time.sleep(seconds)

    def mute(self, seconds: float) -> None:
        """No state packets, while the arm goes on."""
        self.faults.mute_until_s = time.monotonic() + seconds

    def drop_connection(self) -> None:
        self.robot.reset_state()

    def speak_version(self, version: int) -> None:
        self.faults.server_version = version
        self.robot.reset_state()

    def gripper(self, how: str) -> None:
        """refuse: each command is aborted; hang: none is answered; unhomed: the end stops are unknown."""
        if how == "unhomed":
            self.robot.gripper_server._max_width = 0.0
        else:
            self.faults.gripper = how

    def push_arm(self, q: tuple[float, ...]) -> None:
        """Somebody has moved the arm by hand."""
        self._server._simulator.data.qpos[:7] = q
        self._server._simulator.data.qvel[:7] = 0.0
        self.robot._FrankaRobotServer__holding_q = tuple(np.float64(q))


def install(faults: Faults) -> None:
    """Makes franky-sim's classes in this process ask `faults`."""
    _patch(FrankaRobotServer, "send_state", lambda send, server: _unless_mute(faults, send, server))
    _patch(MoveCommand, "handle", lambda handle, move, server: _start(faults, handle, move, server))
    _patch(AutomaticErrorRecoveryCommand, "handle", lambda _, command, server: _recover(faults, command))
    _patch(ConnectCommand, "handle", lambda handle, *args, **kwargs: _connect(faults, handle, *args, **kwargs))
    for name in ("start_move", "start_grasp"):
        _patch(FrankaGripperServer, name, lambda start, server, *args: _grip(faults, start, server, *args))
    truth = FrankaRobotServer.robot_state.fget
    FrankaRobotServer.robot_state = property(lambda server: truth(server).replace(**faults.overrides))


def _patch(owner: type, name: str, instead: Callable[..., Any]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: instead(original, *args, **kwargs))


def _unless_mute(faults: Faults, send: Callable[..., None], server: FrankaRobotServer) -> None:
    if time.monotonic() >= faults.mute_until_s:
        send(server)


def _start(faults: Faults, handle: Callable[..., None], move: MoveCommand, server: FrankaRobotServer) -> None:
    if faults.overrides.get("robot_mode") in STOPPED_MODES:
        move.reply(MoveStatus.kCommandNotPossibleRejected)
    else:
        handle(move, server)


def _recover(faults: Faults, command: AutomaticErrorRecoveryCommand) -> None:
    if faults.recovery_status is AutomaticErrorRecoveryStatus.kSuccess:
        faults.recovered()
    command.reply(faults.recovery_status)


def _connect(faults: Faults, handle: Callable[..., None], command: ConnectCommand, server: Any, **kwargs: Any) -> None:
    if faults.server_version is None or not isinstance(server, FrankaRobotServer):
        handle(command, server, **kwargs)
        return
    answer = struct.pack("<BH5x", ConnectStatus.kIncompatibleLibraryVersion.value, faults.server_version)
    header = MessageHeader(command.command_type, command.command_id, len(answer)).to_bytes()
    command.client_socket.sendall(header + answer)


def _grip(faults: Faults, start: Callable[..., None], server: FrankaGripperServer, *args: Any) -> None:
    if faults.gripper == "hang":
        return
    start(server, *args)
    if faults.gripper == "refuse":
        command, number, socket = (
            server._pending_command_type,
            server._pending_command_id,
            server._pending_tcp_socket,
        )
        server._motion_state = type(server._motion_state).IDLE
        status, structs = GripperCommandStatus.kAborted, {"command_type_struct": "H", "status_type_struct": "H"}
        BaseCommand.send_response(socket, command, number, status, **structs)


if __name__ == "__main__":
    raise SystemExit(run_node(FaultySim))
