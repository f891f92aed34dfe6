"""Services whose answer is done or why not: `success` and `message` of std_srvs."""

import threading
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.task import Future

from world4rl_core.errors import World4RLError


def answer(response: Any, job: Callable[[], Any]) -> Any:
    """Does a job that takes no time; its World4RLError is the answer's message."""
    response.success, response.message = _outcome(job)
    return response


def answer_later(node: Node, job: Callable[[], Any]) -> Callable[[Any, Any], Any]:
    """A service callback for a job that takes long: it runs in a thread, and the node goes on meanwhile.

    Give such a service a ReentrantCallbackGroup.
    """

    async def callback(_: Any, response: Any) -> Any:
        outcome: Future[tuple[bool, str]] = Future(executor=node.executor)
        threading.Thread(target=lambda: outcome.set_result(_outcome(job)), daemon=True).start()
        response.success, response.message = await outcome  # type: ignore[misc]
        return response

    return callback


def _outcome(job: Callable[[], Any]) -> tuple[bool, str]:
    """A job that returns a text says with it what was done."""
    try:
        said = job()
    except World4RLError as error:
        return False, str(error)
    return True, said if isinstance(said, str) else "done"
