"""Draws docs/images/twin/<task>.png: `python scripts/twin_pictures.py`. Both cameras at the start and when solved."""

from pathlib import Path

import numpy as np
from PIL import Image

from world4rl_core.sim.twin.env import TwinConfig, TwinEnv
from world4rl_core.sim.twin.tasks import TASKS

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "twin"
SIZE_PX = 160


def draw(task: str) -> np.ndarray:
    """External and wrist picture of the fixed scene, then the same two at the moment of success."""
    env = TwinEnv(TwinConfig(task=task, size=2 * SIZE_PX, spread_m=0.0))
    env.reset(seed=0)
    start, over = env.render(), False
    while not over:
        _, _, solved, truncated, _ = env.step(env.expert_action())
        over = solved or truncated
    picture = np.concatenate([start, env.render()], axis=1)
    env.close()
    return picture


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in TASKS:
        picture = Image.fromarray(draw(name)).resize((4 * SIZE_PX, SIZE_PX), Image.Resampling.BOX)
        picture.save(FOLDER / f"{name}.png", optimize=True)
