"""Gathers demo runs on Meta-World: `python -m results.metaworld_refine runs/demo/<task>-<seed> …` rewrites
results/metaworld_refine.json, one record a run, and for each task the mean difference over its seeds.
"""

import sys
from pathlib import Path

from results.refine_runs import gather

if __name__ == "__main__":
    gather(Path(__file__).with_suffix(".json"), sys.argv[1:], "metaworld")
