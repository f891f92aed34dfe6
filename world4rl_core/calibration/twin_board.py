"""A calibration board in the twin's scene, on the table or in the hand."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from world4rl_core.calibration.board import Board
from world4rl_core.calibration.practice import looking_at
from world4rl_core.calibration.simulated import write_board_asset
from world4rl_core.errors import ConfigError
from world4rl_core.geometry import inverse, quat_of_matrix
from world4rl_core.sim.twin.scene import ARM, TCP_BELOW_HAND_M

PLACES = ("none", "table", "hand")
TABLE_CENTRE_M = (0.45, 0.0, 0.006)
HAND_AT_HOME_M, EYE_M = (0.46, 0.0, 0.23), (1.05, -0.62, 0.60)
HELD_TOWARDS_EYE_M, HELD_BELOW_M = 0.11, 0.07


def board_on_table(board: Board) -> np.ndarray:
    """T_base_board (4, 4): face up, its long side across the table."""
    T = np.eye(4)
    T[:3, :3] = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    T[:3, 3] = TABLE_CENTRE_M - T[:3, :3] @ [board.width_m / 2, board.height_m / 2, 0]
    return T


def board_in_hand(board: Board) -> np.ndarray:
    """T_ee_board (4, 4): before the fingers, facing the external camera while the hand is at home."""
    home, eye = np.array(HAND_AT_HOME_M), np.array(EYE_M)
    T = looking_at(eye, home)
    facing = -T[:3, 2]
    centre_m = home + HELD_TOWARDS_EYE_M * facing - [0, 0, HELD_BELOW_M]
    T[:3, 3] = centre_m - T[:3, :3] @ [board.width_m / 2, board.height_m / 2, 0]
    T_base_ee = np.diag([1.0, -1.0, -1.0, 1.0])
    T_base_ee[:3, 3] = home
    return inverse(T_base_ee) @ T


def add_board(scene: ET.Element, place: str, folder: Path) -> None:
    """Puts the default board into the twin's scene: "table", "hand" or "none"; its picture is written into `folder`.

    It weighs nothing and touches nothing. Raises ConfigError for another place.
    """
    if place not in PLACES:
        raise ConfigError(f"a board at {place!r}; wanted one of {', '.join(PLACES)}")
    if place == "none":
        return
    board = Board()
    write_board_asset(board, folder)
    asset, world = scene.find("asset"), scene.find("worldbody")
    assert asset is not None and world is not None
    ET.SubElement(asset, "texture", name="calibration_board", type="2d", file=str((folder / "board.png").resolve()))
    ET.SubElement(asset, "material", name="calibration_board", texture="calibration_board", specular="0", shininess="0")
    mesh = str((folder / "board.obj").resolve())
    ET.SubElement(asset, "mesh", name="calibration_board", file=mesh, inertia="shell")
    T, parent = board_on_table(board), world
    if place == "hand":
        hand = scene.find(f".//body[@name='{ARM}hand']")
        assert hand is not None
        T, parent = board_in_hand(board), hand
        T[2, 3] += TCP_BELOW_HAND_M
    quat = quat_of_matrix(T[:3, :3])[[3, 0, 1, 2]]
    placed = {"pos": " ".join(map(str, T[:3, 3])), "quat": " ".join(map(str, quat))}
    untouchable = {"mass": "0", "contype": "0", "conaffinity": "0", "group": "1"}
    looks = {"type": "mesh", "mesh": "calibration_board", "material": "calibration_board"}
    ET.SubElement(parent, "geom", {"name": "calibration_board", **looks, **placed, **untouchable})
