"""The page about a judge: accepted or not, line by line, and all that was measured.

Knows which figures stand where and how they are written. Refuses to measure (`metrics`) and to decide (`accept`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from her.judge.bench.accept import Bar, Line
from her.judge.bench.figure import Figure
from her.judge.bench.measures import FIGURES, Account, Bin, Family, Measures, Unit
from her.judge.bench.preferences import Read
from her.pages.flow import counted
from her.pages.page import NOTHING, number, render, share, write
from her.pages.plots import bars
from her.pages.ranges import Range, ranges
from her.pages.svg import Drawing
from her.pages.tables import tables

PAGE = "page.html"
_SHARES = tuple((at / 4, f"{25 * at} %") for at in range(5))
_POINTS = tuple((at / 100, f"{at:+d}" if at else "0") for at in (-10, -5, 0, 5, 10))
_KINDS = {
    "natural": "natural",
    "broken": "broken",
    "neutral": "neutral edits",
    "twin": "twins",
    "attack": "bare openers",
}

Cells = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Probed:
    """How much of a family's answers the text alone tells."""

    family: str
    right: Figure
    surface: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """A judge, what it was asked, and what came of it. `how` is what makes the trial repeatable, ready for JSON;
    `drawn` counts the pairs that were put to the judge."""

    judge: str
    measures: Measures
    lines: tuple[Line, ...]
    files: tuple[Read, ...]
    probe: tuple[Probed, ...]
    drawn: int
    how: dict[str, Any]

    @property
    def accepted(self) -> bool:
        """Whether every line is met."""
        return all(line.accepted for line in self.lines)

    @property
    def readable(self) -> bool:
        """Whether no greater share of pairs is without a verdict than the bar for it allows."""
        line = next(line for line in self.lines if line.bar.name == "unscored")
        return line.figure.value is None or line.bar.most is None or line.figure.value <= line.bar.most


def write_page(trial: Trial, folder: Path) -> Path:
    """Writes the page into the folder and gives its place back. Raises StorageError, MissingExtra."""
    measures = trial.measures
    text = render(
        "judge/bench.html",
        title=f"{trial.judge}: {'accepted' if trial.accepted else 'not accepted'}",
        lead=_lead(trial),
        facts=_facts(trial),
        warnings=_warnings(trial),
        notes=_notes(trial),
        lines=[_line(line) for line in trial.lines],
        line_plots=_line_plots(trial.lines),
        accounts=[_account(one) for one in measures.accounts],
        account_plot=_account_plot(measures.accounts),
        unlabelled=[
            (one.name, *(number(n) for n in (one.asked, one.scored, one.unscored))) for one in measures.unlabelled
        ],
        reasons=[(reason, number(count)) for reason, count in measures.reasons.items()],
        families=[_family(one) for one in measures.families],
        family_plot=_family_plot(measures.families),
        probe=[
            (one.family, "surface" if one.surface else "", share(one.right.value), between(one.right, "share"))
            for one in trial.probe
        ],
        length_plots=[
            _length_plot(measures.lengths, equal=True),
            _length_plot(measures.lengths, equal=False),
        ],
        figures=[_figure(name, figure) for name, figure in measures.figures.items()],
        files=[_file(one) for one in trial.files],
        how=list(tables(trial.how, "How it was asked")),
    )
    return write(folder / PAGE, text)


def summary(trial: Trial) -> str:
    """The lines as text for a terminal, the verdict last."""
    rows = [_line(line) for line in trial.lines]
    widths = [max(len(row[at]) for row in rows) for at in (0, 3, 4, 5)]
    shown = [
        f"{row[0]:<{widths[0]}}  {row[3]:>{widths[1]}}  {row[4]:>{widths[2]}}  {row[5]:<{widths[3]}}  {row[2]}"
        for row in rows
    ]
    return "\n".join([*shown, "accepted" if trial.accepted else "not accepted"]).replace("\u00a0", " ")


def told(value: float | None, unit: Unit) -> str:
    """A value as the page writes it: a share in per cent, points and margins with their sign; a dash for None."""
    if value is None:
        return NOTHING
    if unit == "share":
        return share(value)
    return f"{value * (100 if unit == 'points' else 1):+.{1 if unit == 'points' else 2}f}".replace("-", "−")


def between(figure: Figure, unit: Unit) -> str:
    """The interval of a figure, or a dash."""
    if figure.low is None or figure.high is None:
        return NOTHING
    return f"{told(figure.low, unit)} … {told(figure.high, unit)}"


def _lead(trial: Trial) -> str:
    met = sum(line.accepted for line in trial.lines)
    return f"{met} of {len(trial.lines)} lines are met, on {counted(trial.drawn, 'pairs')}. " + (
        "This judge may be used." if trial.accepted else "What it says is not to be relied on as it is."
    )


def _facts(trial: Trial) -> Cells:
    tokens = trial.measures.tokens
    told_tokens = ", ".join(
        f"{number(round(value))} {name.removesuffix('_tokens')}" for name, value in tokens.items() if value is not None
    )
    return [
        ("judge", trial.judge),
        ("pairs with a known answer", number(sum(one.asked for one in trial.measures.accounts))),
        ("tokens per pair, both orders", told_tokens or NOTHING),
    ]


def _warnings(trial: Trial) -> list[str]:
    found = []
    for line in trial.lines:
        if line.figure.value is None:
            found.append(f"{FIGURES[line.bar.name].label.capitalize()}: {line.why}.")
    return found


def _notes(trial: Trial) -> list[str]:
    found = []
    if skipped := sum(sum(one.skipped.values()) for one in trial.files):
        found.append(f"{counted(skipped, 'rows')} of the files could not be used; the reasons are below.")
    unknown = sorted({one.name for one in trial.measures.families if one.kind == "broken" and one.surface is None})
    if unknown:
        found.append(
            "Of these families there are too few pairs or books to tell whether the text alone gives the answer away; "
            f"they stand in an account of their own, and not in the headline: {', '.join(unknown)}."
        )
    return found


def _bar(bar: Bar, unit: Unit) -> str:
    if bar.least is not None and bar.most is not None:
        return f"{told(bar.least, unit)} … {told(bar.most, unit)}"
    return f"≥ {told(bar.least, unit)}" if bar.least is not None else f"≤ {told(bar.most, unit)}"


def _line(line: Line) -> tuple[str, ...]:
    named = FIGURES[line.bar.name]
    unit = named.unit
    verdict = "accepted" if line.accepted else f"not accepted: {line.why}"
    figure = told(line.figure.value, unit)
    return named.label, named.of, verdict, figure, between(line.figure, unit), _bar(line.bar, unit), _n(line.figure)


def _n(figure: Figure) -> str:
    return number(figure.cases)


def _line_plots(lines: Iterable[Line]) -> list[Drawing]:
    found = []
    for unit, ends, marks, title in (
        ("share", (0.0, 1.0), _SHARES, "Shares and their bars"),
        ("points", (-0.1, 0.1), _POINTS, "Preferences that should be none, in points"),
    ):
        rows = [_range(line) for line in lines if FIGURES[line.bar.name].unit == unit]
        found.append(ranges(rows, title=title, ends=ends, marks=marks))
    return found


def _range(line: Line) -> Range:
    named, figure = FIGURES[line.bar.name], line.figure
    ends = figure.value, figure.low, figure.high
    return Range(named.label, told(figure.value, named.unit), *ends, line.bar.least, line.bar.most, line.accepted)


def _account(one: Account) -> tuple[str, ...]:
    counts = (one.asked, one.correct, one.wrong, one.tie, one.unscored, one.flipped)
    return (one.name or NOTHING, _KINDS[one.kind], *map(number, counts))


def _account_plot(accounts: Sequence[Account]) -> Drawing:
    kinds = [kind for kind in _KINDS if any(one.kind == kind for one in accounts)]
    series: dict[str, list[float | None]] = {}
    for label, name in (("right", "correct"), ("wrong", "wrong"), ("tie", "tie"), ("no verdict", "unscored")):
        series[label] = []
        for kind in kinds:
            own = [one for one in accounts if one.kind == kind]
            part = sum(getattr(one, name) for one in own) / sum(one.asked for one in own)
            series[label].append(round(100 * part, 1))
    return bars([_KINDS[kind] for kind in kinds], series, title="What became of the pairs", unit="% of those asked")


def _marked(one: Family) -> str:
    """What is told beside a family's name; empty for one that counts in the headline, and for what is no family."""
    return {True: " (surface)", None: " (not probed)"}.get(one.surface, "") if one.kind == "broken" else ""


def _family(one: Family) -> tuple[str, ...]:
    name = f"{one.name}{_marked(one)}" or NOTHING
    grade = str(one.grade) if one.grade else "all"
    return name, _KINDS[one.kind], grade, share(one.right.value), between(one.right, "share"), _n(one.right)


def _family_plot(families: Sequence[Family]) -> Drawing:
    rows = []
    for one in families:
        if one.grade == 0:
            label = f"{one.name or one.kind}{', ' + _KINDS[one.kind] if one.kind != 'broken' else ''}"
            ends = one.right.value, one.right.low, one.right.high
            rows.append(Range(f"{label}{_marked(one)}", share(one.right.value), *ends))
    return ranges(rows, title="Right, by family or subset", ends=(0.0, 1.0), marks=_SHARES)


def _length_plot(bins: Sequence[Bin], *, equal: bool) -> Drawing:
    rows = []
    for one in bins:
        if one.equal is equal:
            much = (
                f"{_longer(one.low)} to {_longer(one.high)}" if one.high is not None else f"{_longer(one.low)} or more"
            )
            wins, ends = one.wins, (one.wins.value, one.wins.low, one.wins.high)
            rows.append(Range(f"{much} longer (n {number(wins.cases)})", share(wins.value), *ends))
    title = f"How often the longer one wins: {'pairs of equal quality' if equal else 'natural pairs'}"
    return ranges(rows, title=title, ends=(0.0, 1.0), marks=_SHARES)


def _longer(doublings: float) -> str:
    return f"{100 * (2**doublings - 1):.0f} %"


def _figure(name: str, figure: Figure) -> tuple[str, ...]:
    named = FIGURES[name]
    drawn = f"{number(figure.units)} {figure.unit}" if figure.cases else NOTHING
    value = told(figure.value, named.unit)
    return named.label, named.of, value, between(figure, named.unit), _n(figure), drawn


def _file(one: Read) -> tuple[str, ...]:
    skipped = "\n".join(f"{reason}: {number(count)}" for reason, count in one.skipped.items())
    return one.path, one.shape, skipped or NOTHING, number(one.rows), number(len(one.pairs)), number(one.cut)
