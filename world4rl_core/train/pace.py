"""How much longer a list of stages takes, judged by those that are done."""

from collections.abc import Mapping

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
