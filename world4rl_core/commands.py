"""The commands of `world4rl`, in the order of the loop: a table of names, so that reading it imports nothing heavy."""

import functools
from dataclasses import dataclass
from importlib import metadata

GROUP = "world4rl.commands"
"""Entry points of other packages: each is a table like COMMANDS, joined to it where that package is installed."""
ROBOT_VERBS = ("up", "doctor", "arm", "samples", "verdict")
ROBOT_PACKAGE = "the robot side, which is not installed here: pip install -e ros2_ws/src/world4rl"


@dataclass(frozen=True)
class Command:
    """One line of `world4rl --help`.

    `run` and `config` are 'module:attribute'. `config` names the frozen dataclass whose fields are the options; without
    one, the parameters of `run` are. A module with a dict `PRESETS` of configs beside `config` gains `--preset NAME`.
    """

    help: str
    example: str
    run: str
    config: str | None = None
    finds_problems: bool = False  # its answer is a list of problems: any means exit 1
    refusal: str | None = None  # an answer that begins so means exit 1


def _loop(help: str, example: str, module: str, *, refusal: str | None = None) -> Command:
    """A step of the loop: `Config` and `run` of one module."""
    return Command(help, example, run=f"{module}:run", config=f"{module}:Config", refusal=refusal)


COMMANDS: dict[str, Command] = {
    "collect metaworld": _loop(
        "Record expert, policy or random episodes in Meta-World.",
        "--task faucet-open-v3 --source expert --episodes 10 --out datasets/expert",
        "world4rl_core.train.collect",
    ),
    "collect twin": _loop(
        "Record expert, policy or random episodes on the digital twin, in lock step.",
        "--task press_button --source expert --episodes 10 --out datasets/press",
        "world4rl_core.train.collect_twin",
    ),
    "train bc": _loop(
        "Clone a Gaussian policy from demonstrations.",
        "--data datasets/expert --out runs/bc",
        "world4rl_core.train.bc",
    ),
    "train world-model": _loop(
        "Train the diffusion world model.",
        "--preset cpu --data datasets/expert datasets/policy datasets/random --out runs/world-model",
        "world4rl_core.train.world_model",
    ),
    "train reward": _loop(
        "Train the success classifier on real and imagined frames.",
        "--data datasets/expert datasets/policy datasets/random --world-model runs/world-model --out runs/reward",
        "world4rl_core.train.reward",
    ),
    "trust": _loop(
        "Judge whether the world model may be refined in: go or no-go, with the evidence.",
        "--world-model runs/world-model --reward runs/reward --out runs/trust",
        "world4rl_core.evaluation.trust",
        refusal="no-go",
    ),
    "dream": _loop(
        "Drive the world model by recorded actions, by typed keys, or live by keyboard or SpaceMouse.",
        "--world-model runs/world-model --out runs/dream --keys wwwwaaqqc",
        "world4rl_core.evaluation.dream",
    ),
    "refine": _loop(
        "Improve a policy by PPO inside the frozen world model, in rounds if you like.",
        "--policy runs/bc --world-model runs/world-model --reward runs/reward "
        "--data datasets/expert datasets/policy datasets/random --out runs/refined",
        "world4rl_core.train.rounds",
    ),
    "evaluate metaworld": _loop(
        "Compare policies in the real simulator from the same initial states.",
        "--policy runs/bc --policy runs/refined --episodes 200 --out runs/evaluation",
        "world4rl_core.evaluation.real",
    ),
    "evaluate twin": _loop(
        "Compare policies on the digital twin from the same initial states.",
        "--policy runs/bc --policy runs/refined --episodes 100 --out runs/evaluation",
        "world4rl_core.evaluation.twin",
    ),
    "export": _loop(
        "Write a policy as a deployment bundle that answers as the original does.",
        "--policy runs/refined --out runs/bundle",
        "world4rl_core.export.bundle",
    ),
    "bundle check": Command(
        "Prove a bundle on this machine: golden vectors, latency, provider, rig.",
        "runs/bundle",
        run="world4rl_core.export.check:check",
    ),
    "report": Command(
        "Show a trial session: counts, intervals, tests, power, and every trial with its film.",
        "runs/session",
        run="world4rl_core.evaluation.session_report:report",
    ),
    "calibrate board": Command(
        "Write the ChArUco board as a page to print.",
        "--out board.pdf",
        run="world4rl_core.calibration.calibrate:board",
    ),
    "calibrate intrinsics": Command(
        "Estimate a camera's intrinsics from a folder of samples, or say what is missing.",
        "calibration/samples/wrist_intrinsics --rig panda",
        run="world4rl_core.calibration.calibrate:intrinsics",
    ),
    "calibrate hand-eye": Command(
        "Find a camera's pose on the hand or in the base from a folder of samples, or say what is wrong.",
        "calibration/samples/wrist_hand_eye --rig panda",
        run="world4rl_core.calibration.calibrate:hand_eye",
    ),
    "calibrate practice": Command(
        "Draw a calibration session in MuJoCo, to learn on without hardware.",
        "runs/practice --mount hand",
        run="world4rl_core.calibration.sessions:practice",
    ),
    "calibrate reference": Command(
        "Store what a calibrated camera sees, for the drift check.",
        "live.png panda external --data datasets/expert",
        run="world4rl_core.calibration.drift_commands:reference",
    ),
    "calibrate drift": Command(
        "Compare a live picture with the reference: OK, WARN or FAIL, with a picture; FAIL exits 1.",
        "live.png panda external",
        run="world4rl_core.calibration.drift_commands:drift",
    ),
    "rig init": Command(
        "Write a rig file by asking.",
        "lab",
        run="world4rl_core.calibration.rig_commands:init",
    ),
    "rig check": Command(
        "List what is wrong or missing in a rig file; exit 1 when there is anything.",
        "panda",
        run="world4rl_core.calibration.rig_commands:check",
        finds_problems=True,
    ),
    "rig show": Command(
        "Draw a rig from above and from the side: workspace box, arm, what the cameras see.",
        "panda --out rig.png",
        run="world4rl_core.calibration.rig_commands:show",
    ),
    "demo metaworld": _loop(
        "Run the whole loop on one Meta-World task and write a report.",
        "--task button-press-topdown-v3 --seed 0 --out runs/demo",
        "world4rl_core.train.demo",
    ),
    "demo twin": _loop(
        "Run the whole loop on one task of the digital twin and write a report.",
        "--task press_button --seed 0 --out runs/twin",
        "world4rl_core.train.demo_twin",
    ),
    "data info": Command(
        "Say what a dataset holds.",
        "datasets/expert",
        run="world4rl_core.data.info:info",
    ),
    "data check": Command(
        "Look for faults in a dataset; exit 1 when there are any.",
        "datasets/expert",
        run="world4rl_core.data.check:check",
        finds_problems=True,
    ),
    "data view": Command(
        "Draw an episode as a film strip.",
        "datasets/expert --episode 0 --out runs/view",
        run="world4rl_core.data.view:view",
    ),
}


def commands() -> dict[str, Command]:
    """Every command there is: this table and those of the installed packages."""
    return COMMANDS | _joined()


@functools.cache
def _joined() -> dict[str, Command]:
    tables = (entry.load() for entry in metadata.entry_points(group=GROUP))
    return {name: command for table in tables for name, command in table.items()}
