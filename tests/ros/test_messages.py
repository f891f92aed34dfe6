"""Parameters from dataclasses, and messages there and back."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rclpy
from hypothesis import given
from hypothesis import strategies as st
from rclpy.parameter import Parameter

import world4rl
from world4rl import convert
from world4rl.params import declare, param
from world4rl_core.errors import ConfigError, DataError
from world4rl_core.sim.twin.cameras import Snapshot

finite = st.floats(-1e3, 1e3)


@dataclass(frozen=True)
class Settings:
    speed: float = param(0.5, "how fast", low=0.0, high=1.0)
    count: int = param(3, "how many", low=1, high=9, live=True)
    name: str = param("a", "which one")


@pytest.fixture
def make_node():
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes = []

    def make(**overrides):
        given_values = [Parameter(name, value=value) for name, value in overrides.items()]
        nodes.append(rclpy.create_node("settings", context=context, parameter_overrides=given_values))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


def test_parameters_have_the_dataclass_defaults_help_and_ranges(make_node):
    node = make_node(speed=0.25)
    assert declare(node, Settings) == Settings(speed=0.25)
    described = node.describe_parameter("speed")
    assert described.description == "how fast" and described.floating_point_range[0].to_value == 1.0
    assert described.read_only and not node.describe_parameter("count").read_only


@pytest.mark.parametrize(
    "wrong", [{"speed": 1.5}, {"speed": float("nan")}, {"speed": "fast"}, {"count": 0}, {"name": 1}]
)
def test_a_parameter_of_another_type_or_out_of_range_is_refused_by_name(make_node, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        declare(make_node(**wrong), Settings)


@given(st.lists(finite, min_size=6, max_size=6), st.floats(0, 1e9))
def test_twists_and_stamps_survive_a_message(twist, time_s):
    message = convert.twist_message(np.array(twist), time_s=time_s)
    np.testing.assert_array_equal(convert.twist_of(message), twist)
    assert convert.time_of(message) == pytest.approx(time_s, abs=1e-6)
    assert convert.frame_of(message) == "base"


def test_poses_wrenches_joints_and_widths_survive_a_message():
    position_m, quat = np.array([0.1, -0.2, 0.3]), np.array([0.0, 1.0, 0.0, 0.0])
    for sent, received in zip(
        (position_m, quat), convert.pose_of(convert.pose_message(position_m, quat, time_s=1.0)), strict=True
    ):
        np.testing.assert_array_equal(sent, received)
    wrench = np.arange(6.0)
    np.testing.assert_array_equal(convert.wrench_of(convert.wrench_message(wrench, time_s=1.0)), wrench)
    q, dq = np.arange(7.0), -np.arange(7.0)
    for sent, received in zip((q, dq), convert.joints_of(convert.joints_message(q, dq, time_s=1.0)), strict=True):
        np.testing.assert_array_equal(sent, received)
    assert convert.width_of(convert.width_message(0.04, time_s=1.0)) == 0.04


@pytest.mark.parametrize("shape, dtype", [((4, 6, 3), np.uint8), ((4, 6), np.uint16)])
def test_pictures_survive_a_message_also_as_views(shape, dtype):
    picture = np.random.default_rng(0).integers(0, 255, (2 * shape[0], *shape[1:])).astype(dtype)[::2]
    message = convert.image_message(picture, time_s=2.0, camera="wrist")
    np.testing.assert_array_equal(convert.image_of(message), picture)
    assert message.header.frame_id == "wrist_color_optical_frame"


def test_snapshots_survive_a_message():
    sent = Snapshot(1.5, np.arange(25.0), np.ones((4, 3)), np.ones((4, 4)))
    received = convert.snapshot_of(convert.snapshot_message(sent))
    for name, value in vars(sent).items():
        np.testing.assert_array_equal(getattr(received, name), value)


def test_text_that_is_no_json_object_is_refused():
    for text in ("nonsense", "[1]"):
        message = convert.json_message({})
        message.data = text
        with pytest.raises(DataError, match="JSON"):
            convert.json_of(message)


def test_only_convert_spells_the_fields_of_messages():
    package = Path(world4rl.__file__).parent
    field = re.compile(r"\.(twist\.linear|pose\.position|wrench\.force|header\.stamp|header\.frame_id|\.data\b)")
    found = [
        path.name for path in package.rglob("*.py") if path.name != "convert.py" and field.search(path.read_text())
    ]
    assert found == []
