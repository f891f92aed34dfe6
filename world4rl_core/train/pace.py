"""How much longer a list of stages takes: what each usually needs, corrected by those that are done."""

from collections.abc import Mapping

from world4rl_core.train.recipes import Recipe

EPISODE_S = 0.08
CLONE_STEP_S = 0.013
TRUST_S = 10.0
COMPARISON_S = 16.0

ENOUGH_S = 20.0
"""Typical duration of the finished stages from which on they tell how fast this machine is."""


def left_s(typical_s: Mapping[str, float], spent_s: Mapping[str, float], *, now: str) -> float:
    """Seconds until the end of all stages, at the start (or the continuation) of stage `now`.

    typical_s: what each stage takes on two quiet cores, in order; spent_s: what stages took here so far, those of
    interrupted runs included. Finished stages say how much slower or faster than typical this machine is.
    """
    names = list(typical_s)
    done, ahead = names[: names.index(now)], names[names.index(now) :]
    usual_s = sum(typical_s[name] for name in done)
    factor = sum(spent_s.get(name, 0.0) for name in done) / usual_s if usual_s >= ENOUGH_S else 1.0
    return sum(max(0.0, factor * typical_s[name] - spent_s.get(name, 0.0)) for name in ahead)


def about(seconds: float) -> str:
    """A rough duration for people."""
    return f"about {seconds / 60.0:.0f} min" if seconds >= 90.0 else f"about {max(seconds, 1.0):.0f} s"


def world_model_s(recipe: Recipe) -> float:
    """Typical duration of the world model's training on two quiet cores, as of everything here."""
    return 0.215 * (recipe.size / 48) ** 2 * recipe.world_model_steps


def reward_s(recipe: Recipe) -> float:
    """Typical duration of the classifier's training, its imagined replays included."""
    return 15.0 + 0.125 * recipe.reward_steps


def refine_s(recipe: Recipe) -> float:
    """Typical duration of the refinement."""
    return 4.0 * recipe.iterations * recipe.horizon / 25 * recipe.envs / 64
