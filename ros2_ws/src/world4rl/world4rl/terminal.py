"""One service of a running node, asked from a terminal."""

import time
from collections.abc import Callable
from typing import Any

import rclpy
import rclpy.executors

from world4rl.bringup import NAMESPACE
from world4rl_core.errors import RobotError

FIND_S, ANSWER_S = 10.0, 120.0


def ask(kind: Any, service: str, *, nobody: str, **fields: Any) -> str:
    """The node's answer. Raises RobotError with it when the node refuses, and `nobody` when none answers."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("terminal", context=context, namespace=NAMESPACE)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        client = node.create_client(kind, service)
        _spin(executor, client.service_is_ready, FIND_S, nobody)
        answer = client.call_async(kind.Request(**fields))
        _spin(executor, answer.done, ANSWER_S, nobody)
    finally:
        node.destroy_node()
        context.try_shutdown()
    if not answer.result().success:
        raise RobotError(answer.result().message)
    return answer.result().message


def _spin(executor: Any, is_met: Callable[[], Any], within_s: float, nobody: str) -> None:
    until_s = time.monotonic() + within_s
    while not is_met():
        if time.monotonic() > until_s:
            raise RobotError(nobody)
        executor.spin_once(timeout_sec=0.05)
