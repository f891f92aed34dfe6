"""`world4rl dream`: drive the world model by recorded actions, beside what really happened, by keys, or live."""

import contextlib
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import ConfigError, DataError
from world4rl_core.evaluation import dream_live
from world4rl_core.evaluation.dream_live import GRIPPER, KEYS, STILL
from world4rl_core.evaluation.held_out import held_out_episodes
from world4rl_core.evaluation.video import (
    Film,
    comparison_strip,
    difference,
    film_strip,
    side_by_side,
    write_mp4,
    write_png,
)
from world4rl_core.evaluation.window import Window
from world4rl_core.imagination.replay import frame_logits, replay, unroll
from world4rl_core.nets.device import device_of
from world4rl_core.reward.classifier import load_reward
from world4rl_core.world_model.model import WorldModel, load_world_model

logger = logging.getLogger(__name__)
HELP = "w/s x, a/d y, q/e z (forward/back, left/right, up/down), o/c opens/closes the gripper, . stays"


@dataclass(frozen=True)
class Config:
    """Options of `world4rl dream`."""

    world_model: Path
    """Run folder or file of the world model."""
    out: Path
    """Folder for the films (dream-<episode>.mp4) and strips (.png)."""
    reward: Path | None = None
    """Run folder of a success classifier, whose probability is told for each film."""
    data: tuple[Path, ...] = ()
    """The datasets of the training, whose held-out episodes are dreamt (the default), or only new ones."""
    episodes: int = 4
    """How many recorded episodes are dreamt again."""
    keys: str | None = None
    """Drive by these keys instead, one step a key, from the first episode's start; `-` reads them from the terminal.
    w/s x, a/d y, q/e z (forward/back, left/right, up/down), o/c opens/closes the gripper, . stays."""
    live: Literal["", "keyboard", "spacemouse"] = ""
    """Drive it live instead, at the recording's rate: by the same keys, x ends; or by a SpaceMouse, whose left button
    is the gripper and whose right one ends. In a window where there is a display."""
    spacemouse: str = ""
    """Path of the SpaceMouse, such as /dev/hidraw3 (default: the first one found)."""
    steps: int = 300
    """Most steps of a live dream."""
    speed: float = 0.5
    """Size of the action a key or a fully pushed SpaceMouse stands for, in (0, 1]."""
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if min(self.episodes, self.steps) < 1 or not 0.0 < self.speed <= 1.0:
            raise ConfigError(
                f"wanted episodes and steps >= 1 and 0 < speed <= 1, got {self.episodes}, {self.steps} and {self.speed}"
            )
        if self.live and self.keys is not None:
            raise ConfigError("--live and --keys both drive the dream; pass one of them")


def run(config: Config) -> str:
    """Writes a film and a strip for each dream; the answer names them."""
    device = device_of(config.device)
    model = load_world_model(config.world_model, device=device)
    cache, held_out = held_out_episodes(config.data, world_model=config.world_model, reward=config.reward)
    if not len(held_out):
        raise DataError("no episode is left that neither model has seen; pass --data with a new dataset")
    judge = Judge(config.reward, device) if config.reward is not None else None
    if config.live:
        film = _live(config, model, cache, int(held_out[0]), device)
        return _show(config.out / "dream-live", {"imagined": film}, cache.fps, judge)
    if config.keys is not None:
        keys = sys.stdin.read().strip() if config.keys == "-" else config.keys
        actions = actions_of(keys, action_dim=cache.actions.shape[1], speed=config.speed)
        film = by_keys(model, cache, int(held_out[0]), actions, seed=config.seed, device=device)
        return _show(config.out / "dream-keys", {"imagined": film}, cache.fps, judge)
    chosen = held_out[: config.episodes]
    dreams = replay(model, cache, chosen, seed=config.seed, device=device)
    lines = []
    for episode, frames, valid in zip(chosen, dreams.frames, dreams.valid, strict=True):
        films = {"real": np.asarray(cache.frames[cache.rows(int(episode))]), "imagined": frames[valid]}
        lines.append(_show(config.out / f"dream-{episode}", films, cache.fps, judge))
    return "\n".join(lines)


def _live(config: Config, model: WorldModel, cache: FrameCache, episode: int, device: object) -> Film:
    options = {"action_dim": cache.action_dim, "speed": config.speed}
    with contextlib.ExitStack() as stack:
        if config.live == "keyboard":
            pressed = stack.enter_context(dream_live.terminal_keys())
            hand: dream_live.Hand = dream_live.Keyboard(**options, pressed=pressed)
            logger.info("%s, x ends", HELP)
        else:
            puck = dream_live.spacemouse(config.spacemouse)
            stack.callback(puck.close)
            hand = dream_live.Puck(puck, **options)
        window = Window("World4RL dream", logger.info)
        stack.callback(window.close)
        return dream_live.live(
            model, cache, episode, hand, window.show, steps=config.steps, seed=config.seed, device=device
        )


def actions_of(keys: str, *, action_dim: int, speed: float) -> Float[np.ndarray, "steps action_dim"]:
    """One action a key; the gripper keeps what its last key said, open at first. Raises ConfigError for other keys."""
    unknown = sorted(set(keys) - set(KEYS) - set(GRIPPER) - {STILL})
    if unknown or not keys:
        raise ConfigError(f"{'unknown keys ' + ' '.join(unknown) if unknown else 'no keys'}; known: {HELP}")
    hand = dream_live.Keyboard(action_dim=action_dim, speed=speed, pressed=lambda: "")
    return np.stack([np.asarray(hand.act(key)) for key in keys])


def by_keys(
    model: WorldModel, cache: FrameCache, episode: int, actions: np.ndarray, *, seed: int, device: object = "cpu"
) -> Film:
    """The frames of a dream from the episode's first frame, that frame included."""
    begin, first = dream_live.start_of(model, cache, episode, device)
    imagined = unroll(model.eval(), begin, actions[:, None], seed=seed)
    return np.concatenate([first[None], *imagined])


class Judge:
    """The classifier's highest probability of success in a film."""

    def __init__(self, reward: Path, device: object) -> None:
        self._device = str(device)
        self._classifier, self._decision = load_reward(reward, device=self._device)

    def __call__(self, film: Film) -> str:
        peak = self._decision.probabilities(frame_logits(self._classifier, film, device=self._device)).max()
        return f"{peak:.2f} (success from {self._decision.threshold:.2f})"


def _show(path: Path, films: dict[str, Film], fps: float, judge: Judge | None) -> str:
    imagined, title = films["imagined"], path.name
    if judge is not None:
        title += ", success " + ", ".join(f"{name} {judge(film)}" for name, film in films.items())
    if "real" in films:
        strip = comparison_strip(films["real"], imagined, fps=fps, title=title)
        films = films | {"difference": difference(films["real"], imagined)}
    else:
        steps = sorted({int(step) for step in np.linspace(0, len(imagined) - 1, num=10)})
        strip = film_strip(films, steps=steps, fps=fps, title=title)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path.with_suffix(".png"), strip)
    film = write_mp4(path.with_suffix(".mp4"), side_by_side(films), fps=fps)
    return f"{film}: {title}"
