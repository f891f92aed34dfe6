"""The robot's verbs of the command `world4rl`, which finds them through the entry-point group `world4rl.commands`."""

from world4rl_core.commands import Command

COMMANDS: dict[str, Command] = {
    "up": Command(
        "Start the nodes of a launch file, show their output, and stop them all when one ends.",
        "teleop_collect backend:=sim operator:=scripted task:=press_button episodes:=5",
        run="world4rl.up:up",
    ),
    "doctor": Command(
        "Say whether this machine is fit to run a rig, and what to do where it is not.",
        "--rig twin",
        run="world4rl.doctor:doctor",
        refusal="FAIL",
    ),
    "arm": Command(
        "Stop the running arm, reset its latch, recover it, send it home, enable or disable it.",
        "reset",
        run="world4rl.arm_command:arm",
    ),
    "samples": Command(
        "Take or undo a sample of the running calibration, compute the camera's pose, or save it.",
        "take",
        run="world4rl.samples_command:samples",
    ),
    "verdict": Command(
        "Tell the running trial session that the scene is ready, or how the trial ended.",
        'failure --note "slipped off the handle"',
        run="world4rl.verdict:verdict",
    ),
}
