"""What franky raises, in our words: the class of a fault decides the reaction, the text the next step."""

import re

import franky

from world4rl.robot_link import WHEELS
from world4rl_core.rig import RobotRig
from world4rl_core.robot.interface import ArmError, ArmFault
from world4rl_core.runtime.faults import fault_of

REFUSALS = (
    franky.ControlException,
    franky.CommandException,
    franky.NetworkException,
    franky.ProtocolException,
    franky.IncompatibleVersionException,
    franky.RealtimeException,
    franky.InvalidOperationException,
    franky.InvalidMotionTypeException,
    franky.ModelException,
    franky.GripperException,
    RuntimeError,  # failures of the network library below libfranka come as this
)


def arm_error(error: Exception) -> ArmError:
    kind = type(error).__name__
    return ArmError(fault_of(kind, str(error)), str(error) or kind)


def explain(error: Exception, robot: RobotRig) -> str:
    """Why no connection was made, and the next step."""
    fault, who = fault_of(type(error).__name__, str(error)), f"{robot.model} at {robot.host}"
    if fault is ArmFault.WRONG_VERSION:
        found = re.search(r"server version:\s*(\d+)", str(error), re.IGNORECASE)
        server = int(found[1]) if found else (5 if robot.model == "panda" else 10)
        index = f"pip install --force-reinstall franky-control --extra-index-url {WHEELS.format(server=server)}"
        return f"{who} speaks server version {server}, the installed franky another one ({error}); {index}"
    if fault is ArmFault.NO_REALTIME:
        step = "boot a PREEMPT_RT kernel and allow rtprio, or set robot.realtime: false in the rig file for simulation"
        return f"{who}: no real-time priority ({error}); {step}; `world4rl doctor` shows what is missing"
    step = "check the cable and the address, unlock the brakes and activate FCI in Desk"
    if not robot.realtime:
        step = "is the sim node running?"
    return f"{who} does not answer ({error}); {step}"
