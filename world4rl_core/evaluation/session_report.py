"""`world4rl report`: a trial session as a table in the terminal and as one HTML file that needs nothing but itself."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from world4rl_core.errors import DataError, TrialError
from world4rl_core.evaluation import figures, page
from world4rl_core.evaluation.provenance import provenance
from world4rl_core.evaluation.session import Summary, Versus, succeeded, summarise
from world4rl_core.evaluation.video import film_strip, png_bytes, read_mp4
from world4rl_core.files import replace_file
from world4rl_core.runtime.trial_record import Recorded, TrialResult, read_session

logger = logging.getLogger(__name__)
FILM_BYTES = 24 * 2**20
"""Films are embedded as long as they fit; after that each trial shows a strip of its film."""
STRIP_FRAMES = 6


@dataclass(frozen=True)
class Row:
    """One attempt as the page shows it."""

    result: TrialResult
    start: int
    label: str
    name: str
    mood: str
    is_success: bool
    film: str
    """`data:` address of the MP4; empty where a strip or nothing is shown."""
    strip: str


def report(session: Path, *, out: Path | None = None, unblind: bool = False) -> str:
    """Show a trial session: counts, intervals, tests, power, times, interventions, and every trial with its film.

    Writes `out` (default: report.html in the session's folder). A blinded session that is not over tells only its
    progress unless `unblind` is given. Raises TrialError for a session that is damaged or of another schema.
    """
    recorded = read_session(session)
    summary = summarise(recorded)
    if recorded.sheet.is_blinded and not summary.is_complete and not unblind:
        return _progress(summary)
    path = write_page(out or session / "report.html", recorded, summary, now=datetime.now(UTC))
    return f"{table(summary)}\n\n{path}"


def write_page(out: Path, recorded: Recorded, summary: Summary, *, now: datetime) -> Path:
    """Write the HTML file in one step."""
    sheet = recorded.sheet
    rates = {f"{arm.label} {arm.name}": arm.rate for arm in summary.arms if arm.trials}
    times = {f"{arm.label} {arm.name}": (arm.times_s, arm.trials) for arm in summary.arms if arm.trials}
    html = page.render(
        "session.html.jinja",
        title=f"{sheet.task}: {len(sheet.bundles)} policies, {sheet.trials_each} trials each",
        sheet=sheet,
        summary=summary,
        verdicts=[(versus, *_sentence(versus, summary)) for versus in summary.comparisons],
        rates=page.embed(figures.success_rates(rates, ylabel="success")) if rates else None,
        times=page.embed(figures.success_over_time(times, limit_s=sheet.time_limit_s)) if times else None,
        rows=list(rows_of(recorded)),
        provenance=provenance(now),
        settings=None,
    )
    replace_file(out, html.encode(), error=TrialError, kept="the session is untouched")
    return out


def rows_of(recorded: Recorded) -> Iterable[Row]:
    """Every attempt in order, with its film as long as films fit and a strip of it afterwards."""
    sheet, left = recorded.sheet, FILM_BYTES
    for result in recorded.results:
        trial = sheet.planned(result.number)
        film = strip = ""
        path = recorded.folder / result.film
        if result.film and path.is_file() and path.stat().st_size <= left:
            left -= path.stat().st_size
            film = page.embed_file(path)
        elif result.film:
            strip = _strip(path)
        is_success = succeeded(result, intervention_fails=sheet.intervention_fails)
        mood = "good" if is_success else "bad" if result.outcome.is_final else "note"
        yield Row(result, trial.start + 1, trial.label, sheet.bundle(trial.label).name, mood, is_success, film, strip)


def _strip(path: Path) -> str:
    """A few frames of a film side by side; empty, with a warning, when it cannot be read."""
    try:
        film, fps = read_mp4(path)
    except DataError as error:
        logger.warning("%s", error)
        return ""
    steps = sorted({int(step) for step in np.linspace(0, len(film) - 1, num=STRIP_FRAMES).round()})
    return page.embed(png_bytes(film_strip({"": film}, steps=steps, fps=fps)))


def _sentence(versus: Versus, summary: Summary) -> tuple[str, str]:
    """What the tests allow to say, and its mood. Nothing before the end, since a look at every trial finds too much.

    Interval and McNemar's exact test must both exclude chance; a sheet with a sequential level is decided by that.
    """
    names = {arm.label: f"{arm.label} ({arm.name})" for arm in summary.arms}
    first, second = names[versus.first], names[versus.second]
    if versus.paired is None:
        return f"{second} and {first} share no start scene yet", "note"
    if not summary.is_complete:
        return f"{second} against {first}: no claim before the last trial", "note"
    gain = versus.paired.difference
    if summary.sequential_alpha is not None:
        is_shown, is_better = versus.may_stop, gain.estimate > 0
    else:
        is_shown, is_better = versus.paired.p_value < 0.05 and gain.low * gain.high > 0, gain.low > 0
    if not is_shown:
        return f"{second} and {first} cannot be told apart", "note"
    return f"{second} succeeds {'more' if is_better else 'less'} often than {first}", "good" if is_better else "bad"


def _progress(summary: Summary) -> str:
    lines = [
        f"{summary.task}: {summary.judged} of {summary.planned} trials judged; the session is blinded until its last "
        "trial (--unblind shows it now, and ends the blinding)"
    ]
    if any(versus.may_stop for versus in summary.comparisons):
        lines.append("  the sheet's sequential level is reached: the session may end here")
    return "\n".join(lines)


def table(summary: Summary) -> str:
    """The answer for a terminal."""
    lines = [f"{summary.task}: {summary.judged} of {summary.planned} trials judged, 95 % intervals", ""]
    width = max(len(arm.name) for arm in summary.arms)
    for arm in summary.arms:
        rate = "no trial yet" if not arm.trials else (
            f"{arm.successes:>3}/{arm.trials:<3} {arm.rate.estimate:6.1%} [{arm.rate.low:.1%}, {arm.rate.high:.1%}]"
        )  # fmt: skip
        time = f", median {arm.median_s:.1f} s" if arm.times_s else ""
        lines.append(
            f"  {arm.label} {arm.name:{width}}  {rate}{time}, {arm.timeouts} timeouts, "
            f"{arm.interventions} interventions, {arm.faults} faults repeated"
        )
        if arm.interrupted:
            lines.append(f"    {arm.interrupted} attempts were interrupted and repeated")
    for versus in summary.comparisons:
        lines += ["", *_told(versus)]
    if summary.classifier is not None:
        seen = summary.classifier
        lines += [
            "",
            f"  classifier against verdict: {seen.true_success} true and {seen.false_success} false successes, "
            f"{seen.true_failure} true and {seen.false_failure} false failures",
        ]
    if summary.sequential_alpha is not None:
        lines += ["", "  the sequential test decides; intervals and the other tests hold for a session of fixed size"]
    if summary.stopped:
        lines += ["", f"  stopped early: {summary.stopped}"]
    return "\n".join(lines)


def _told(versus: Versus) -> list[str]:
    lines = []
    if versus.paired is not None:
        gain, counts = versus.paired.difference, versus.paired.counts
        lines.append(
            f"  {versus.second} - {versus.first}: {100 * gain.estimate:+.1f} points [{100 * gain.low:+.1f}, "
            f"{100 * gain.high:+.1f}] over {counts.total} shared starts, {counts.fixed} fixed, {counts.broken} broken, "
            f"McNemar's exact p = {versus.paired.p_value:.2g}"
        )
    lines.append(f"    Fisher's exact p = {versus.fisher_p:.2g}; anytime-valid p = {versus.evidence.p_value:.2g}")
    seen = ", ".join(f"{name} {chance:.0%}" for name, chance in versus.power.chances.items())
    lines.append(f"    {versus.power.trials} trials each would show, from {versus.power.base:.0%}: {seen or 'nothing'}")
    if versus.may_stop:
        lines.append("    the sheet's sequential level is reached: the session may end here")
    return lines
