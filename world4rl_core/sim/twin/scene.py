"""The one scene of the twin: franky-sim's FR3 arm and hand, the table, two cameras and the objects of all six tasks."""

import xml.etree.ElementTree as ET
from importlib import resources
from typing import Any

import numpy as np

from world4rl_core.errors import SimulatorError
from world4rl_core.sim.gl import INSTALL_EXTRA

ARM = "robot0_"
TCP_SITE = "tcp"
TCP_BELOW_HAND_M = 0.1034
"""From the hand's frame to the point between the fingertips, along the hand's z; franky's O_T_EE is this point."""
CAMERAS = ("external", "wrist")
HOME_Q = (0.0, -0.119936, 0.0, -2.485277, 0.0, 2.365341, 0.785398)
"""Start pose in rad: the gripper points straight down, 0.23 m above the table at x = 0.46 m."""
_FINGER_SIDE = "0.85 0.87 0.9 1"
_PADS = {"condim": "4", "friction": "1.2 0.01 0.0001", "solref": "0.01 1", "solimp": "0.95 0.99 0.001"}
# Position servo of the fingers: 40 N at most, stiff enough to hold an apple that is shaken.
_HAND_SERVO = {"gainprm": f"{2000 * 0.04 / 255} 0 0", "biasprm": "0 -2000 -100", "forcerange": "-40 40"}


def arm_scene() -> ET.Element:
    """franky-sim's own scene with one arm in it. Raises SimulatorError when franky-sim is not installed."""
    try:
        from franky_sim.mujoco_simulator import MujocoSimulator
    except ModuleNotFoundError as error:
        raise SimulatorError(f"{error.name} is not installed; the twin needs it: {INSTALL_EXTRA}") from error
    simulator = MujocoSimulator()
    simulator.add_robot(initial_q=HOME_Q, initial_hand_width=0.08)
    return simulator.scene


def build_scene(scene: ET.Element) -> ET.Element:
    """Turns franky-sim's scene (`MujocoSimulator.scene`, one arm added) into the twin's, in place, and returns it.

    Call it before the simulator starts. The arm's dynamics stay franky-sim's; its visual meshes are dropped, which
    makes drawing five times faster. Raises SimulatorError for a scene without an arm or with the twin already in it.
    """
    hand = scene.find(f".//body[@name='{ARM}hand']")
    if hand is None:
        raise SimulatorError("the scene has no arm to build the twin around; call simulator.add_robot() first")
    if hand.find(f"site[@name='{TCP_SITE}']") is not None:
        raise SimulatorError("this scene already holds the twin; build it once, before the simulator starts")
    _drop_visual_meshes(scene)
    _drop_surroundings(scene)
    _strengthen_hand(scene, hand)
    ET.SubElement(hand, "site", name=TCP_SITE, pos=f"0 0 {TCP_BELOW_HAND_M}")
    _add_cameras(scene, hand)
    _add_objects(scene)
    return scene


def lock_step_scene() -> ET.Element:
    """The twin for stepping without franky-sim: its servos hold the arm, so gravity is compensated by MuJoCo.

    Never give this one to franky-sim, which compensates gravity itself.
    """
    scene = build_scene(arm_scene())
    for body in scene.iterfind(".//body"):
        if body.get("name", "").startswith(ARM):
            body.set("gravcomp", "1")
    return scene


def scene_xml(scene: ET.Element) -> str:
    """The scene as text, from which another process compiles the same model."""
    return ET.tostring(scene, encoding="unicode")


def _drop_visual_meshes(scene: ET.Element) -> None:
    """Leaves the collision shapes, and shows them."""
    for body in scene.iterfind(".//body"):
        for geom in body.findall("geom[@class='visual']"):
            body.remove(geom)
    asset = _section(scene, "asset")
    used = {geom.get("mesh") for geom in scene.iterfind(".//worldbody//geom")}
    for mesh in asset.findall("mesh"):
        if mesh.get("name") not in used:
            asset.remove(mesh)
    collision = scene.find(".//default[@class='collision']/geom")
    assert collision is not None
    collision.set("group", "2")
    collision.set("rgba", _FINGER_SIDE)


def _drop_surroundings(scene: ET.Element) -> None:
    """Removes franky-sim's ground, lights and picture settings; the twin brings its own."""
    world = _section(scene, "worldbody")
    for element in [*world.findall("geom"), *world.findall("light")]:
        world.remove(element)
    for element in scene.findall("visual"):
        scene.remove(element)
    asset = _section(scene, "asset")
    for element in [*asset.findall("texture"), *asset.findall("material[@texture]")]:
        asset.remove(element)


def _strengthen_hand(scene: ET.Element, hand: ET.Element) -> None:
    """Gives the fingertips rubber and the fingers a servo that holds what they grasp."""
    for geom in hand.iterfind(".//geom"):
        if geom.get("class", "").startswith("fingertip_pad"):
            geom.attrib.update(_PADS, rgba="0.1 0.1 0.1 1")
            if geom.get("class") != "fingertip_pad_collision_1":
                # One pad holds as well as its five parts, with a quarter of the contacts.
                geom.attrib.update(contype="0", conaffinity="0")
        elif geom.get("mesh", "").startswith("finger"):
            geom.set("rgba", "0.3 0.31 0.33 1")
    servo = scene.find(f".//actuator/general[@name='{ARM}hand']")
    assert servo is not None
    servo.attrib.update(_HAND_SERVO)


def _add_cameras(scene: ET.Element, hand: ET.Element) -> None:
    world = _section(scene, "worldbody")
    external = _looking((1.05, -0.62, 0.6), (0.49, 0.0, 0.09))
    ET.SubElement(world, "camera", {"name": "external", "fovy": "34", **external})
    # In front of the hand, tilted back towards the fingertips; up in its picture is away from the arm.
    wrist = _looking((0.08, 0, 0.03), (0.035, 0, 0.16), up=(1, 0, 0))
    ET.SubElement(hand, "camera", {"name": "wrist", "fovy": "70", **wrist})


def _looking(
    eye: tuple[float, float, float], target: tuple[float, float, float], *, up: tuple[float, float, float] = (0, 0, 1)
) -> dict[str, str]:
    """`pos` and `xyaxes` of a MuJoCo camera, which looks along its -z with y up in the picture."""
    forward = np.subtract(target, eye)
    right = np.cross(forward, up)
    axes = np.concatenate([right / np.linalg.norm(right), np.cross(right, forward)])
    return {"pos": " ".join(map(str, eye)), "xyaxes": " ".join(f"{value:.6f}" for value in axes)}


def _add_objects(scene: ET.Element) -> None:
    text = resources.files("world4rl_core.sim.twin").joinpath("scene.xml").read_text(encoding="utf-8")
    for addition in ET.fromstring(text):
        section = scene.find(addition.tag)
        if section is None:
            section = ET.SubElement(scene, addition.tag)
        section.attrib.update(addition.attrib)
        # Defaults must come before the classes that inherit from them.
        for place, child in enumerate(addition):
            section.insert(place, child) if addition.tag == "default" else section.append(child)


def _section(scene: ET.Element, tag: str) -> Any:
    found = scene.find(tag)
    assert found is not None, f"franky-sim's scene has no {tag}"
    return found
