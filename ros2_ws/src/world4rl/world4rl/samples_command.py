"""`world4rl samples`: take, undo, compute and save from a terminal, while a calibration is running."""

import time
from collections.abc import Callable
from typing import Annotated, Any

import rclpy
import rclpy.executors
import tyro
from std_srvs.srv import Trigger

from world4rl.bringup import NAMESPACE
from world4rl_core.errors import ConfigError, RobotError

WORDS = ("take", "undo", "compute", "save")
FIND_S, ANSWER_S = 10.0, 120.0

Word = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="|".join(WORDS))]


def samples(word: Word) -> str:
    """Asks the running calibration for one of its services and returns its answer.

    Raises ConfigError for another word and RobotError when no calibration is running or it refuses.
    """
    if word not in WORDS:
        raise ConfigError(f"unknown word '{word}'; known: {', '.join(WORDS)}")
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("samples", context=context, namespace=NAMESPACE)
    try:
        return _ask(node, rclpy.executors.SingleThreadedExecutor(context=context), word)
    finally:
        node.destroy_node()
        context.try_shutdown()


def _ask(node: Any, executor: Any, word: str) -> str:
    client = node.create_client(Trigger, f"calibrate/{word}")
    executor.add_node(node)
    _spin(executor, client.service_is_ready, FIND_S)
    answer = client.call_async(Trigger.Request())
    _spin(executor, answer.done, ANSWER_S)
    if not answer.result().success:
        raise RobotError(answer.result().message)
    return answer.result().message


def _spin(executor: Any, is_met: Callable[[], Any], within_s: float) -> None:
    until_s = time.monotonic() + within_s
    while not is_met():
        if time.monotonic() > until_s:
            raise RobotError("no calibration answers; is `world4rl up calibrate` running on this ROS_DOMAIN_ID?")
        executor.spin_once(timeout_sec=0.05)
