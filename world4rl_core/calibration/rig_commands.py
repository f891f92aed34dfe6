"""`world4rl rig init | check | show`: a rig file by questions, strictly validated, and drawn."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from world4rl_core.calibration.rig_picture import draw_rig
from world4rl_core.errors import ConfigError, RigError
from world4rl_core.files import replace_file
from world4rl_core.rig import RIGS, Rig, load_rig, rig_path

OLD_AFTER_DAYS = 30
HOSTS = {"panda": "172.16.0.2", "fr3": "172.16.0.2"}
TEMPLATE = """\
# {name}: written by `world4rl rig init`; every key is explained in world4rl_core/rig.py.
name: {name}
robot:
  model: {model}
  host: {host}
  realtime: true            # refuse to run without a real-time kernel
limits:                     # of the end effector, in the base's frame
  linear_mps: 0.25
  angular_radps: 1.0
  linear_mps2: 2.0
  angular_radps2: 8.0
  box_low_m: [{low}]
  box_high_m: [{high}]
  margin_m: 0.03
  max_tilt_rad: 0.6
action:                     # what an action of 1 means
  rate_hz: 10
  translation_m: 0.025
  rotation_rad: 0.1
cameras:
{cameras}"""
CAMERA = """\
  - name: {name}
    serial: "{serial}"
    mount: {mount}
    width: 640
    height: 480
    fps: 30
    crop: [0.0, 1.0, 0.125, 0.875]
    size: 128
"""


def init(
    name: str, *, folder: Path = RIGS, model: Literal["panda", "fr3"] | None = None, host: str | None = None
) -> str:
    """Write a new rig file by asking; Enter takes the safe default in brackets. Never replaces a file."""
    if not name.isidentifier() or not name.islower():
        raise ConfigError(f"a rig is called like a variable, for example lab_a, got {name!r}")
    path = folder / f"{name}.yaml"
    if path.exists():
        raise RigError(f"{path} exists; choose another name, or change the file with an editor")
    text = _filled(name, _ask, model=model, host=host)
    replace_file(path, text.encode(), error=RigError, kept="nothing was written")
    try:
        load_rig(path)
    except RigError:
        path.unlink()
        raise
    return f"{path}\nnow: world4rl rig show {path}, and calibrate the cameras (calibration/README.md)"


def check(rig: str) -> list[str]:
    """List what is wrong or missing in a rig file; exit 1 when there is anything."""
    return problems(load_rig(rig), now=datetime.datetime.now(datetime.UTC))


def show(rig: str, *, out: Path | None = None) -> Path:
    """Draw a rig from above and from the side: workspace box, arm, what the cameras see."""
    path = rig_path(rig)
    return draw_rig(load_rig(rig), out or Path(f"{path.stem}.png"))


def problems(rig: Rig, *, now: datetime.datetime) -> list[str]:
    """What a valid rig file still lacks for a session."""
    found = []
    for camera in rig.cameras:
        name = f"camera {camera.name}"
        if set(camera.serial) <= set("01") and len(camera.serial) >= 8:
            found.append(f"{name}: serial {camera.serial} is the example's; `world4rl doctor` lists the real ones")
        if camera.intrinsics is None:
            found.append(f"{name}: no intrinsics; `world4rl calibrate intrinsics` estimates them")
        elif (camera.intrinsics.width, camera.intrinsics.height) != (camera.width, camera.height):
            sizes = f"{camera.intrinsics.width}x{camera.intrinsics.height}, not {camera.width}x{camera.height}"
            found.append(f"{name}: its intrinsics are for {sizes}; calibrate at the size that is recorded")
        if camera.T_parent_cam is None:
            found.append(f"{name}: no pose; `world4rl calibrate hand-eye` finds it")
        elif camera.calibration is None:
            found.append(f"{name}: its pose has no record of when and how well it was found; calibrate again")
        else:
            age = (now - datetime.datetime.fromisoformat(camera.calibration.date)).days
            if age > OLD_AFTER_DAYS:
                found.append(f"{name}: calibrated {age} days ago, limit {OLD_AFTER_DAYS}; calibrate again")
    return found


def _filled(name: str, ask: Callable[[str, str], str], *, model: str | None, host: str | None) -> str:
    """The text of a rig file by questions (question, default) -> answer."""
    model = model or _one_of(ask, "robot model (panda, fr3)", "panda", ("panda", "fr3"))
    host = host or ask("address of the robot's controller", HOSTS[model])
    low = _three(ask, "lowest corner of the workspace box in m (x y z in base)", "0.30 -0.30 0.02")
    high = _three(ask, "highest corner of the workspace box in m", "0.65 0.30 0.50")
    cameras = []
    count = int(_one_of(ask, "number of cameras (1 to 4)", "2", ("1", "2", "3", "4")))
    for number in range(count):
        default = ("external", "wrist", "left", "right")[number]
        camera = ask(f"name of camera {number + 1}", default)
        serial = ask(f"serial number of {camera} (printed on it; `world4rl doctor` lists them)", f"{number:012b}")
        mount = "hand" if camera == "wrist" else "fixed"
        mount = _one_of(ask, f"mount of {camera} (fixed, hand)", mount, ("fixed", "hand"))
        cameras.append(CAMERA.format(name=camera, serial=serial, mount=mount))
    return TEMPLATE.format(name=name, model=model, host=host, low=low, high=high, cameras="".join(cameras))


def _ask(question: str, default: str) -> str:
    try:
        return input(f"{question} [{default}]: ").strip() or default
    except EOFError:  # no one to ask: the defaults are safe
        return default


def _one_of(ask: Callable[[str, str], str], question: str, default: str, known: tuple[str, ...]) -> str:
    answer = ask(question, default)
    if answer not in known:
        raise ConfigError(f"{question}: got {answer!r}, wanted one of {', '.join(known)}")
    return answer


def _three(ask: Callable[[str, str], str], question: str, default: str) -> str:
    words = ask(question, default).replace(",", " ").split()
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise ConfigError(f"{question}: got {' '.join(words)!r}, wanted three numbers") from error
    if len(values) != 3:
        raise ConfigError(f"{question}: got {len(values)} numbers, wanted three")
    return ", ".join(f"{value:g}" for value in values)
