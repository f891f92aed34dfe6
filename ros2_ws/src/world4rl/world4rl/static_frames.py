"""Where the calibrated cameras are: on `/tf_static`, and where its messages are not installed as one pose a camera."""

from importlib.util import find_spec
from typing import Any

from geometry_msgs.msg import PoseStamped

from world4rl import convert, qos
from world4rl.rig_node import RigNode
from world4rl_core.calibration.frames import static_transforms

TOPIC = "/tf_static"
POSE_TOPIC = "static_pose/{child}"
"""Its header names the parent frame, its own name the child."""


class StaticFrames:
    """Publishes once; whoever comes later gets the same word. Keep it as long as it shall be heard."""

    def __init__(self, node: RigNode) -> None:
        transforms, time_s = static_transforms(node.rig), node.now_s()
        self._publishers: list[Any] = []
        if not transforms:
            return
        if find_spec("tf2_msgs") is not None:
            from tf2_msgs.msg import TFMessage

            found = [convert.transform_message(one, time_s=time_s) for one in transforms]
            self._publish(node, TFMessage, TOPIC, TFMessage(transforms=found))
            return
        for one in transforms:
            message = convert.pose_message(one.position_m, one.quat_xyzw, time_s=time_s, frame=one.parent)
            self._publish(node, PoseStamped, POSE_TOPIC.format(child=one.child), message)

    def _publish(self, node: RigNode, kind: type, topic: str, message: Any) -> None:
        publisher = node.create_publisher(kind, topic, qos.STATUS)
        publisher.publish(message)
        self._publishers.append(publisher)
