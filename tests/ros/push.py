"""An operator's node that arms, and pushes along y while it is armed, until it is killed."""

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped
from std_msgs.msg import String
from std_srvs.srv import SetBool

from world4rl import convert, qos

rclpy.init()
node = rclpy.create_node("operator")
twists = node.create_publisher(TwistStamped, "cmd/twist", qos.COMMAND)
enable = node.create_client(SetBool, "arm/enable")
levels = ["unknown"]
node.create_subscription(String, "franka/status", lambda message: levels.append(convert.json_of(message)["level"]), 10)


def stream() -> None:
    twist = np.zeros(6)
    twist[1] = 0.1 if levels[-1] == "armed" else 0.0
    twists.publish(convert.twist_message(twist, time_s=node.get_clock().now().nanoseconds / 1e9))


def arm() -> None:
    if levels[-1] == "disarmed" and enable.service_is_ready():
        enable.call_async(SetBool.Request(data=True))


node.create_timer(0.02, stream)
node.create_timer(0.5, arm)
rclpy.spin(node)
