"""Calls of other nodes' services that never wait: the answer comes to a callback, a refusal to the log."""

from collections.abc import Callable, Mapping
from typing import Any

from std_srvs.srv import SetBool, Trigger

from world4rl.rig_node import RigNode

Then = Callable[[Any], None]


class Calls:
    """Clients of std_srvs services by their names; those in `switches` are SetBool, the others Trigger."""

    def __init__(self, node: RigNode, names: tuple[str, ...], *, switches: tuple[str, ...] = ()) -> None:
        self._node = node
        self._kinds: Mapping[str, Any] = dict.fromkeys(names, Trigger) | dict.fromkeys(switches, SetBool)
        self._services = {name: node.create_client(kind, name) for name, kind in self._kinds.items()}
        self._asked_s: dict[str, float] = {}

    def ask(self, name: str, then: Then | None = None, *, every_s: float = 0.0, **request: Any) -> None:
        """Calls the service, at most every `every_s`; `then` gets the answer when it is yes."""
        now_s = self._node.now_s()
        if now_s - self._asked_s.get(name, float("-inf")) < every_s:
            return
        self._asked_s[name] = now_s
        service = self._services[name]
        if not service.service_is_ready():
            self._node.get_logger().warning(f"{name} is not offered; is its node running?")
            return
        answer = service.call_async(self._kinds[name].Request(**request))
        answer.add_done_callback(lambda future: self._answered(name, future, then))

    def _answered(self, name: str, future: Any, then: Then | None) -> None:
        answer = future.result()
        if answer is None or not answer.success:
            self._node.get_logger().warning(f"{name}: {answer.message if answer else future.exception()}")
        elif then is not None:
            then(answer)
