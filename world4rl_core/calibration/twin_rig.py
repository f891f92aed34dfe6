"""The rig file of a twin in which calibration is practised. Needs no OpenCV."""

from pathlib import Path

import yaml

from world4rl_core.errors import RigError
from world4rl_core.files import replace_file
from world4rl_core.rig import RIGS

WIDTH, HEIGHT, FPS = 640, 480, 5
"""Of the camera that is calibrated: a board cannot be read in the small pictures that a policy sees."""


def write_twin_rig(path: Path, camera: str, *, host: str | None = None) -> Path:
    """The twin's rig file with large pictures of one camera, not calibrated; a file that is there is left as it is."""
    if path.exists():
        return path
    facts = yaml.safe_load((RIGS / "twin.yaml").read_text())
    facts["robot"]["host"] = host or facts["robot"]["host"]
    cameras = facts.pop("cameras")
    for one in cameras:
        if one["name"] == camera:
            one |= {"width": WIDTH, "height": HEIGHT, "fps": FPS}
    text = (
        "# The digital twin with large pictures, for practising calibration.\n"
        + yaml.safe_dump(facts, sort_keys=False, default_flow_style=None)
        + yaml.safe_dump({"cameras": cameras}, sort_keys=False, default_flow_style=False)
    )
    replace_file(path, text.encode(), error=RigError, kept="nothing was changed")
    return path
