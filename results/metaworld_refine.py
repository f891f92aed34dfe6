"""Gathers demo runs on Meta-World: `python -m results.metaworld_refine runs/demo/<task>-<seed> …` adds
to results/metaworld_refine.json one record a run, and for each task and recipe the mean difference over its seeds.
"""

import sys
from pathlib import Path

from results.refine_runs import gather

if __name__ == "__main__":
    gather(Path(__file__).with_suffix(".json"), sys.argv[1:], "metaworld")
