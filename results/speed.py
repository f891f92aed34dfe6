"""Speed and memory on this machine: `python -m results.speed` runs the benchmarks of imagination, training and loader
one after the other and rewrites results/speed.json, with what the project wants of each. Run nothing else meanwhile.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_suffix(".json")
WANTED: dict[str, dict[str, float]] = {
    "imagination": {"cpu_frames_per_s": 450.0, "paper_speedup": 2.0},
    "training": {"cpu_samples_per_s": 450.0, "paper_speedup": 1.5},
    "loader": {"ratio_to_trainer": 10.0},
}
"""Least values; the loader holds its memory limit itself."""


def measure(benchmark: str) -> dict[str, Any]:
    """The benchmark's line, and whether it is as fast as wanted."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark}"]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures = json.loads(told.strip().splitlines()[-1])
    missed = {key: least for key, least in WANTED[benchmark].items() if figures[key] < least}
    return {
        "command": f"python -m benchmarks.{benchmark}",
        "date": datetime.now(UTC).date().isoformat(),
        "figures": figures,
        "wanted": WANTED[benchmark],
        "ok": not missed and figures.get("memory_ok", True),
    }


if __name__ == "__main__":
    records = [measure(benchmark) for benchmark in WANTED]
    OUT.write_text(json.dumps({"records": records}, indent=1) + "\n")
    print(OUT.read_text())
