"""The closed loop, from picture to command and from nothing to a judged policy: `python -m benchmarks.loop`.

Prints one JSON line. A policy that looks at both cameras of the simulated rig acts at 10 Hz for a while: how old the
oldest reading was when the command left, and how far the time between two decisions is from the period, on the
simulation's clock. Then the seconds of each stage of a finished demo, whose folder is given.
"""

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from std_msgs.msg import String
from std_srvs.srv import Trigger

from benchmarks.cell import START_S, Rig
from benchmarks.policy import made_up
from benchmarks.timing import report
from world4rl import convert, qos
from world4rl.bringup import Process
from world4rl_core.rig import load_rig
from world4rl_core.train.loop import TIMES

LAST = "judge both on the simulated arm, through ROS and franky"


@dataclass(frozen=True)
class Config:
    """Options of `python -m benchmarks.loop`."""

    demo: Path | None = None
    """Folder of a finished `make demo` whose stages are told."""
    bundle: Path | None = None
    """The policy that acts (default: an untrained one of the usual architecture)."""
    seconds: float = 90.0
    """How long it acts, on the simulation's clock."""


def main(config: Config) -> None:
    """Prints the figures. Leaves with a message for a demo folder that tells no times."""
    stages = stage_times(config.demo) if config.demo is not None else {}
    with tempfile.TemporaryDirectory() as folder:
        figures = decisions(config, Path(folder))
    report(figures | {"stages_s": stages})


def stage_times(demo: Path) -> dict[str, float]:
    """Seconds of each stage, and of all. Leaves with a message where the folder holds no demo."""
    file = demo / TIMES
    stages = json.loads(file.read_text()) if file.is_file() else {}
    if not (demo / "report.html").is_file() or LAST not in stages:
        raise SystemExit(f"{demo} is no finished demo: run `make demo` to its end, and give its folder")
    return stages | {"all": round(sum(stages.values()), 1)}


def decisions(config: Config, folder: Path) -> dict[str, Any]:
    """What the policy node says of its own times."""
    rig = Rig(folder)
    rig_file = folder / "rig.yaml"
    bundle = config.bundle or made_up(folder, load_rig(str(rig_file)))
    common = {"rig": str(rig_file), "use_sim_time": True}
    acts = {"bundles": str(bundle), "follows_recorder": False, "time_limit_s": 600.0}
    rig.processes["policy"] = Process("policy", "policy", common | acts)
    told: dict[str, Any] = {}
    rig.listen(String, "policy/status", lambda message: told.update(convert.json_of(message)), qos.STATUS)
    try:
        rig.start()
        rig.wait(lambda: rig.hand and rig.status and told, "the nodes", timeout_s=START_S)
        rig.get_ready()
        rig.call(Trigger, "policy/start")
        began_s, wall_s = rig.now_s(), time.monotonic()
        rig.sleep(config.seconds)
        pace = (rig.now_s() - began_s) / (time.monotonic() - wall_s)
        rig.call(Trigger, "policy/stop")
    finally:
        rig.close()
    if not told.get("period_ms"):
        raise SystemExit(f"the policy made no decision: {told}")
    return {
        "cameras": rig.cameras,
        "decisions": told["step"],
        "observation_to_command_p50_ms": told["observation_to_command_ms"][0],
        "observation_to_command_p99_ms": told["observation_to_command_ms"][1],
        "inference_p50_ms": told["inference_ms"][0],
        "period_p50_ms": told["period_ms"][0],
        "period_jitter_p99_ms": told["period_jitter_ms"][1],
        "simulated_s_per_s": pace,
    }


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
