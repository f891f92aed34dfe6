"""The random source: wanders while an episode is recorded, and says zero, not nothing, in between."""

import numpy as np
import pytest

pytest.importorskip("rclpy")
from geometry_msgs.msg import TwistStamped
from stage import Stage
from std_msgs.msg import Float32, String

from world4rl import convert, qos
from world4rl.nodes.explorer import ExplorerNode
from world4rl_core.rig import load_rig
from world4rl_core.runtime.action import twist_of_action
from world4rl_core.runtime.explorer import Explorer


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as made:
        made.says = made.node.create_publisher(String, "recorder/status", qos.STATUS)
        made.twists = made.hear(TwistStamped, "policy/twist", qos.COMMAND)
        made.grippers = made.hear(Float32, "policy/gripper", qos.EVENT)
        yield made


def test_it_wanders_only_while_an_episode_is_recorded(stage):
    node = stage.run(ExplorerNode, seed=3)
    stage.play(0.3, node=node)
    stage.wait(lambda: stage.twists, "the stream")
    assert not any(convert.twist_of(twist).any() for twist in stage.twists)
    stage.says.publish(convert.json_message({"state": "recording"}))
    stage.wait(lambda: node._explorer is not None, "the recording")
    stage.play(1.0, node=node)
    moving = [convert.twist_of(twist) for twist in stage.twists]
    assert len(np.unique(np.round([twist for twist in moving if twist.any()], 9), axis=0)) >= 5
    assert stage.grippers
    stage.says.publish(convert.json_message({"state": "idle"}))
    stage.wait(lambda: node._explorer is None, "the end")
    stage.play(0.2, node=node)
    stage.wait(lambda: not convert.twist_of(stage.twists[-1]).any(), "zero")


def test_its_actions_are_the_seeded_ones_of_the_core(stage):
    node = stage.run(ExplorerNode, seed=3)
    stage.says.publish(convert.json_message({"state": "recording"}))
    stage.wait(lambda: node._explorer is not None, "the recording")
    stage.play(0.6, node=node)
    explorer, rig = Explorer(3), load_rig("twin")
    wanted = [np.round(twist_of_action(explorer.action(), rig), 6).tolist() for _ in range(30)]
    heard = [np.round(convert.twist_of(twist), 6).tolist() for twist in stage.twists]
    moving = [twist for twist in heard if any(twist)]
    assert moving and all(twist in wanted for twist in moving)
