"""`world4rl verdict`: the operator's word from a terminal, with a note, to the session that is running."""

import time
from collections.abc import Callable
from typing import Annotated, Any

import rclpy
import rclpy.executors
import tyro
from std_msgs.msg import String
from std_srvs.srv import Trigger

from world4rl import convert, qos
from world4rl.bringup import NAMESPACE
from world4rl_core.errors import ConfigError, RobotError

WORDS = ("ready", "success", "failure", "timeout", "fault_robot", "fault_sensor")
FIND_S = 10.0

Word = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="|".join(WORDS))]


def verdict(word: Word, note: str = "") -> str:
    """Tells the running session that the scene is ready, or how its trial ended.

    `note` is kept beside the verdict; for a fault it is the reason. Raises ConfigError for another word and RobotError
    when no session is running.
    """
    if word not in WORDS:
        raise ConfigError(f"unknown verdict '{word}'; known: {', '.join(WORDS)}")
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("verdict", context=context, namespace=NAMESPACE)
    try:
        return _say(node, rclpy.executors.SingleThreadedExecutor(context=context), word, note)
    finally:
        node.destroy_node()
        context.try_shutdown()


def _say(node: Any, executor: Any, word: str, note: str) -> str:
    told: dict[str, Any] = {}
    notes = node.create_publisher(String, "trial/note", qos.EVENT)
    node.create_subscription(String, "trial/status", lambda message: told.update(convert.json_of(message)), qos.STATUS)
    client = node.create_client(Trigger, f"trial/{word}")
    executor.add_node(node)
    _spin(executor, lambda: client.service_is_ready() and notes.get_subscription_count() and told)
    if note:
        notes.publish(String(data=note))
        _spin(executor, lambda: told.get("note") == note)
    answer = client.call_async(Trigger.Request())
    _spin(executor, answer.done)
    if (said := answer.result()) is None or not said.success:
        raise RobotError(f"{word} was not taken: {said.message if said else answer.exception()}")
    return f"{told['line']}: {word}{f' ({note})' if note else ''}"


def _spin(executor: Any, is_met: Callable[[], Any]) -> None:
    until_s = time.monotonic() + FIND_S
    while not is_met():
        if time.monotonic() > until_s:
            raise RobotError("no trial session answers; is `world4rl up evaluate` running on this ROS_DOMAIN_ID?")
        executor.spin_once(timeout_sec=0.05)
