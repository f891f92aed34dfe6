"""What calibrates the pose of one camera with the arm: arguments and nodes of calibrate."""

from collections.abc import Mapping
from pathlib import Path

from world4rl.bringup import RIG_ARGUMENTS, Argument, Process, node_parameters, rig_of, rig_processes, whole
from world4rl_core.calibration.twin_rig import write_twin_rig
from world4rl_core.errors import ConfigError
from world4rl_core.hand_eye import MOUNTS
from world4rl_core.rig import Rig, load_rig
from world4rl_core.sim.twin.scene import CAMERAS

FEWEST = 10
CALIBRATE_ARGUMENTS = {
    "camera": Argument("which camera of the rig file", ""),
    "mode": Argument(
        "eye_in_hand: on the hand, the board lies still; eye_to_hand: fixed, the hand holds the board; auto asks the "
        "rig file", "auto", ("auto", "eye_in_hand", "eye_to_hand"),
    ),
    "guide": Argument("move the arm by hand and take each sample yourself", "false", ("true", "false")),
    "samples": Argument("folder of the samples, where an interrupted session goes on; empty names it by itself", ""),
    "count": Argument("samples that the arm takes by itself before it stops", "20"),
    "operator": Argument(
        "whose hand is on the SpaceMouse; auto is a person on the real arm and nobody in simulation", "auto",
        ("auto", "spacemouse", "none"),
    ),
    "board": Argument("the board: columns x rows x square in mm x marker in mm x dictionary", "7x5x40x30xDICT_4X4_50"),
}  # fmt: skip


def calibrate_rig(values: Mapping[str, str]) -> dict[str, str]:
    """The rig's arguments for a calibration. In simulation without a rig file, one with large pictures is written."""
    passed = {name: values[name] for name in RIG_ARGUMENTS}
    if values["backend"] == "sim":
        passed["rig"] = values["rig"] or str(_practice_rig(values))
        passed["shows_board"] = "table" if _mode(values, load_rig(passed["rig"])) == "eye_in_hand" else "hand"
    return passed | ({"needs_human": "false"} if _operator(values) == "none" else {})


def calibrate_processes(values: Mapping[str, str]) -> list[Process]:
    """What takes samples in a running cell."""
    is_simulated, operator = values["backend"] == "sim", _operator(values)
    rig = calibrate_rig(values)
    mode = _mode(values, rig_of(rig))
    if operator == "none" and not is_simulated and values["guide"] == "false":
        raise ConfigError(
            "operator:=none needs backend:=sim or guide:=true; where the real arm moves by itself, a person holds the "
            "SpaceMouse"
        )
    if whole(values, "count") < FEWEST:
        raise ConfigError(f"count:={values['count']}: wanted at least {FEWEST}")
    parameters = {
        "camera": values["camera"],
        "mode": mode,
        "guide": values["guide"] == "true",
        "samples": str(_folder(values, mode)),
        "count": whole(values, "count"),
        "board": values["board"],
        "simulated": is_simulated,
    }
    common = node_parameters(rig)
    people = [Process("teleop", "teleop", common | {"device": ""})] if operator == "spacemouse" else []
    return [*people, Process("calibrate", "calibrate", common | parameters, ends_everything_well=True)]


def calibrate(values: Mapping[str, str]) -> list[Process]:
    """All nodes of a calibration."""
    return [*rig_processes(calibrate_rig(values)), *calibrate_processes(values)]


def _operator(values: Mapping[str, str]) -> str:
    return values["operator"].replace("auto", "none" if values["backend"] == "sim" else "spacemouse")


def _mode(values: Mapping[str, str], rig: Rig) -> str:
    """Raises ConfigError where the camera is not named or mounted the other way."""
    if not values["camera"]:
        raise ConfigError(f"camera:=<name> is missing; cameras of rig {rig.name}: {', '.join(_names(rig))}")
    mount = rig.camera(values["camera"]).mount
    if values["mode"] not in ("auto", MOUNTS[mount]):
        raise ConfigError(
            f"mode:={values['mode']}, but rig {rig.name} mounts {values['camera']!r} on: {mount}, which is "
            f"{MOUNTS[mount]}; correct `mount` in the rig file, or leave mode out"
        )
    return MOUNTS[mount]


def _names(rig: Rig) -> list[str]:
    return [camera.name for camera in rig.cameras]


def _folder(values: Mapping[str, str], mode: str) -> Path:
    """Where the samples are kept."""
    start = "runs/calibrate" if values["backend"] == "sim" else "calibration/samples"
    return Path(values["samples"] or f"{start}/{values['camera']}_{mode}").resolve()


def _practice_rig(values: Mapping[str, str]) -> Path:
    if values["camera"] not in CAMERAS:
        raise ConfigError(f"camera:={values['camera']}: wanted one of {', '.join(CAMERAS)}")
    mode = MOUNTS["hand" if values["camera"] == "wrist" else "fixed"]
    return write_twin_rig(_folder(values, mode) / "rig.yaml", values["camera"])
