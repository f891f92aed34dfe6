"""The figures of the reports as PNG bytes. Each draws numbers it is given and computes none."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from world4rl_core.evaluation.open_loop import HorizonError
from world4rl_core.evaluation.outcomes import CheckpointRates
from world4rl_core.evaluation.statistics import Interval

COLORS = ("#2563a8", "#d1662a", "#3f8f5b", "#8a5ab0", "#b23a48", "#6b7280")
STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.facecolor": "white",
}


def open_loop(errors: Sequence[HorizonError]) -> bytes:
    """One panel a metric: error over the horizon per source, dashed where the first frame is repeated."""
    with rc_context(STYLE):
        names = list(dict.fromkeys(item.metric for item in errors))
        figure, panels = _panels(len(names), width=3.6, height=2.9)
        for axes, metric in zip(panels, names, strict=True):
            for source, color in _colored({item.source for item in errors}):
                rows = [item for item in errors if item.metric == metric and item.source == source]
                steps = [item.horizon for item in rows]
                axes.plot(steps, [item.error.estimate for item in rows], "o-", ms=3, color=color, label=source)
                low, high = [item.error.low for item in rows], [item.error.high for item in rows]
                axes.fill_between(steps, low, high, color=color, alpha=0.18, linewidth=0)
                axes.plot(steps, [item.still.estimate for item in rows], "--", lw=1, color=color, alpha=0.7)
            axes.set(title=metric, xlabel="steps since the last real frame")
        panels[0].plot([], [], "--", color="#6b7280", lw=1, label="first frame repeated")
        panels[0].legend()
        return _png(figure)


def peak_probability(real: Sequence[bool], peaks: Sequence[float], *, threshold: float) -> bytes:
    """Highest imagined success probability of each episode, by its real outcome."""
    with rc_context(STYLE):
        figure, (axes,) = _panels(1, width=4.4, height=2.9)
        for outcome, name, color in ((False, "really a failure", COLORS[1]), (True, "really a success", COLORS[0])):
            chosen = [peak for peak, happened in zip(peaks, real, strict=True) if happened is outcome]
            axes.hist(chosen, bins=20, range=(0, 1), color=color, alpha=0.65, label=f"{name} ({len(chosen)})")
        axes.axvline(threshold, color="black", lw=1, ls="--", label=f"threshold {threshold:.2f}")
        axes.set(xlabel="highest imagined success probability", ylabel="episodes", xlim=(0, 1))
        axes.set_ylim(top=1.45 * axes.get_ylim()[1])  # room for the legend
        axes.legend()
        return _png(figure)


def shuffled_actions(own: Sequence[float], shuffled: Sequence[float]) -> bytes:
    """Error of each episode with its own actions against another episode's actions, on logarithmic axes."""
    with rc_context(STYLE):
        figure, (axes,) = _panels(1, width=3.6, height=3.4)
        axes.plot(own, shuffled, "o", ms=4, alpha=0.7, color=COLORS[0])
        _scale(axes, [*own, *shuffled], [*own, *shuffled])
        limits = min(*own, *shuffled) * 0.8, max(*own, *shuffled) * 1.25
        axes.plot(limits, limits, color="black", lw=1, ls="--", label="actions ignored")
        axes.set(xlim=limits, ylim=limits, xlabel="squared error, own actions", ylabel="squared error, other actions")
        axes.legend(loc="lower right")
        return _png(figure)


def uncertainty(spread: Sequence[float], error: Sequence[float]) -> bytes:
    """Spread over repeated denoising against the true error, one point a step."""
    with rc_context(STYLE):
        figure, (axes,) = _panels(1, width=3.8, height=3.2)
        axes.plot(spread, error, "o", ms=3.5, alpha=0.6, color=COLORS[3])
        _scale(axes, spread, error)
        axes.set(xlabel="deviation over repeated denoising", ylabel="error of their mean (RMSE)")
        return _png(figure)


def checkpoints(rates: Sequence[CheckpointRates]) -> bytes:
    """Imagined against real success per policy, with intervals and the diagonal of perfect agreement."""
    with rc_context(STYLE):
        figure, (axes,) = _panels(1, width=3.8, height=3.6)
        axes.plot((0, 1), (0, 1), color="black", lw=1, ls="--")
        for item, color in zip(rates, _cycle(len(rates)), strict=True):
            axes.errorbar(
                [item.imagined.estimate],
                [item.real.estimate],
                xerr=_bars([item.imagined]),
                yerr=_bars([item.real]),
                fmt="o",
                color=color,
                capsize=2,
                label=item.policy,
            )
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="imagined success", ylabel="real success", aspect="equal")
        axes.legend(loc="upper left")
        return _png(figure)


def success_rates(rates: Mapping[str, Interval], *, ylabel: str = "success in the real simulator") -> bytes:
    """Real success per policy as bars with intervals."""
    with rc_context(STYLE):
        figure, (axes,) = _panels(1, width=1.4 + 1.1 * len(rates), height=2.9)
        intervals = list(rates.values())
        heights = [item.estimate for item in intervals]
        axes.bar(list(rates), heights, color=_cycle(len(rates)), width=0.6)
        axes.errorbar(list(rates), heights, yerr=_bars(intervals), fmt="none", ecolor="black", capsize=4, lw=1.2)
        for index, item in enumerate(intervals):
            axes.annotate(f"{item.estimate:.1%}", (index, item.high), (0, 3), textcoords="offset points", ha="center")
        axes.set(ylim=(0, 1.12), ylabel=ylabel, yticks=np.linspace(0, 1, 6))
        axes.grid(axis="x", visible=False)
        return _png(figure)


def success_over_time(times: Mapping[str, tuple[Sequence[float], int]], *, limit_s: float) -> bytes:
    """Share of trials that had succeeded by each time: {name: (ascending times of the successes, trials)}."""
    with rc_context(STYLE):
        figure, (axes,) = _panels(1, width=4.4, height=2.9)
        for (name, (seconds, trials)), color in zip(times.items(), _cycle(len(times)), strict=True):
            shares = np.arange(len(seconds) + 1) / max(1, trials)
            axes.step([0.0, *seconds, limit_s], [*shares, shares[-1]], where="post", color=color, lw=1.6, label=name)
        axes.set(xlabel="time since the start in s", ylabel="share of trials succeeded", ylim=(0, 1.02))
        axes.set_xlim(0, limit_s)
        axes.legend(loc="upper left")
        return _png(figure)


def curves(panels_of: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]], *, xlabel: str) -> bytes:
    """One panel a title, one line a name: {title: {name: (x, y)}}. Panels stand three in a row."""
    with rc_context(STYLE):
        figure, panels = _panels(len(panels_of), width=3.6, height=2.5)
        for axes, (title, lines) in zip(panels, panels_of.items(), strict=True):
            for (name, (steps, values)), color in zip(lines.items(), _cycle(len(lines)), strict=True):
                axes.plot(steps, values, color=color, lw=1.4, label=name)
            axes.set(title=title, xlabel=xlabel)
            if len(lines) > 1:
                axes.legend()
        return _png(figure)


def _panels(count: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in grid[count:]:
        axes.set_visible(False)
    return figure, list(grid[:count])


def _scale(axes: Axes, horizontal: Sequence[float], vertical: Sequence[float]) -> None:
    """Logarithmic where values span a factor of ten and more; a handful of plain numbers as ticks."""
    for axis, values, set_scale in (
        (axes.xaxis, horizontal, axes.set_xscale),
        (axes.yaxis, vertical, axes.set_yscale),
    ):
        if min(values) > 0 and max(values) >= 10 * min(values):
            set_scale("log")
            axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        else:
            axis.set_major_locator(MaxNLocator(4))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        axis.set_minor_formatter(NullFormatter())


def _bars(intervals: Sequence[Interval]) -> np.ndarray:
    below = [item.estimate - item.low for item in intervals]
    above = [item.high - item.estimate for item in intervals]
    return np.maximum(np.array([below, above]), 0)


def _colored(names: set[str]) -> list[tuple[str, str]]:
    return list(zip(sorted(names), _cycle(len(names)), strict=True))


def _cycle(count: int) -> list[str]:
    return [COLORS[index % len(COLORS)] for index in range(count)]


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
