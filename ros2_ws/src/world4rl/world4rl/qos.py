"""Quality of service of every topic, by what flows through it."""

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos import qos_profile_sensor_data as SENSOR_READER

__all__ = ["CLOCK", "COMMAND", "DIAGNOSTICS", "EVENT", "IMAGE", "SENSOR_READER", "STATE", "STATUS"]

COMMAND = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    deadline=Duration(nanoseconds=100_000_000),
    lifespan=Duration(nanoseconds=200_000_000),
    liveliness=LivelinessPolicy.AUTOMATIC,
    liveliness_lease_duration=Duration(nanoseconds=500_000_000),
)
"""Twists that move the arm: only the newest counts, and an old one is not delivered at all."""

EVENT = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)
"""Sent on a change, none may be lost: the gripper's wanted state."""

STATE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""The robot's readings: a late one is worthless. Read it with SENSOR_READER."""

STATUS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""What is the case now; a late subscriber gets the last word at once."""

IMAGE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE)
"""Pictures and what belongs to them. Read them with SENSOR_READER, or with this where none may be missed."""

CLOCK = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)

DIAGNOSTICS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)
