"""The drawings of a report: figures with intervals, differences, and curves by turn.

Knows which figures share a scale. Refuses to draw what is struck out: a reader would rank by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from her.bench.estimate import SPAN
from her.bench.figures import Figure, Unit
from her.bench.report.cells import Mean, ends, mean
from her.bench.report.records import Run
from her.bench.report.report import Group, Report, Shown
from her.bench.report.written import mark, whole
from her.errors import MissingExtra
from her.pages.plots import Line, lines
from her.pages.ranges import Range, ranges
from her.pages.svg import Drawing

LEAST_SHARE = 0.5
"""A turn that fewer than this share of the dialogues reach is left out of a curve: those that reach it are no fair
sample of all."""
LEGEND = 20
"""Letters of a name in a legend, where three stand side by side."""


def bars(group: Group) -> Iterator[Drawing]:
    """Figures with intervals: of one run all that share a unit, of several a drawing for each figure."""
    shown = [one for one in group.runs if not one.struck]
    if len(shown) == 1:
        for unit in dict.fromkeys(cell.figure.unit for cell in shown[0].cells):
            rows = [_range(one.figure.title, one.mean, unit) for one in shown[0].cells if one.figure.unit == unit]
            yield _drawn(rows, unit, f"{shown[0].label}, {_NAMED[unit]}")
    elif shown:
        for figure in group.run.sheet.figures:
            rows = [_range(one.label, one.cell(figure.name).mean, figure.unit) for one in shown]
            yield _drawn(rows, figure.unit, figure.title)


def gaps(group: Group) -> Iterator[Drawing]:
    """Paired differences with their intervals, a drawing for each figure; those not resolved are in another colour."""
    for figure in group.run.sheet.figures:
        rows = []
        for one in group.differences:
            if one.figure == figure and one.mean.value is not None:
                named = f"{one.first} − {one.second}"
                rows.append(_range(named, one.mean, figure.unit, sign=True, good=one.resolved))
        if rows:
            yield _drawn(rows, figure.unit, f"Differences: {figure.title}", sign=True)


def curves(group: Group) -> Iterator[Drawing]:
    """Means by turn with their intervals, a drawing for each figure that has curves."""
    shown = [one for one in group.runs if not one.struck]
    names = dict.fromkeys(name for one in shown for case in one.run.cases for name in case.curve)
    known = {figure.name: figure for figure in group.run.sheet.figures}
    for name in names:
        figure = known.get(name, Figure(name, name.replace("_", " "), unit="count"))
        found = [line for one in shown if (line := _curve(one, figure)) is not None]
        if found:
            yield lines(found, title=f"{figure.title}, turn by turn", x="turn", y=figure.title)


def write_plots(found: Report, folder: Path) -> list[Path]:
    """Writes every drawing into the folder as SVG, and as PNG where matplotlib is there; gives the files' places.

    Raises StorageError.
    """
    written = []
    for at, group in enumerate(found.groups, 1):
        for sort, drawings in (("figure", bars(group)), ("difference", gaps(group)), ("curve", curves(group))):
            for nth, drawing in enumerate((one for one in drawings if one.svg), 1):
                target = folder / f"{at}-{sort}-{nth}.svg"
                written.append(drawing.write(target))
                try:
                    written.append(drawing.write(target.with_suffix(".png")))
                except MissingExtra:
                    continue
    return written


_LEAST = 5e-4
"""What is less is written as 0, in any unit."""
_NAMED: Mapping[Unit, str] = {
    "points": "points",
    "share": "shares",
    "bits": "bits",
    "count": "counts",
    "seconds": "seconds",
}


def _range(label: str, found: Mean, unit: Unit, *, sign: bool = False, good: bool = True) -> Range:
    return Range(label, whole(found, unit, sign=sign), found.value, found.low, found.high, good=good)


def _drawn(rows: Sequence[Range], unit: Unit, title: str, *, sign: bool = False) -> Drawing:
    low, high = _scale(rows, unit, sign=sign)
    marks = [low + (high - low) * at / 4 for at in range(5)]
    return ranges(rows, title=title, ends=(low, high), marks=[(at, mark(at, unit, sign=sign)) for at in marks])


def _scale(rows: Iterable[Range], unit: Unit, *, sign: bool) -> tuple[float, float]:
    """Of what has two ends from one to the other; differences on both sides of 0; all else as far as it goes."""
    known = [value for row in rows for value in (row.value, row.low, row.high) if value is not None]
    far = _round_up(max((abs(value) for value in known), default=0.0))
    if sign:
        return -far, far
    if unit in SPAN:
        return (-SPAN[unit] if min(known, default=0.0) < -_LEAST else 0.0), SPAN[unit]
    return (-far if min(known, default=0.0) < -_LEAST else 0.0), far


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5 and 8 at its power of ten; 1 for nothing."""
    if value < _LEAST:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 2, 4, 5, 8) if value <= step * power * (1 + 1e-9)), 10 * power)


def _curve(one: Shown, figure: Figure) -> Line | None:
    turns = by_turn(one.run, figure)
    if len(turns) < 2:
        return None
    lows, highs = ([getattr(found, side) for _, found in turns] for side in ("low", "high"))
    name = one.label if len(one.label) <= LEGEND else f"{one.label[: LEGEND // 2]}…{one.label[-LEGEND // 2 + 1 :]}"
    return Line(name, [turn for turn, _ in turns], [found.value for _, found in turns], lows, highs)


def by_turn(run: Run, figure: Figure) -> list[tuple[int, Mean]]:
    """The mean of each turn, counted from 1, as far as LEAST_SHARE of the dialogues go."""
    rows = [(case.cluster, case.curve[figure.name]) for case in run.cases if figure.name in case.curve]
    found = []
    for turn in range(max((len(values) for _, values in rows), default=0)):
        reached = [(cluster, values[turn]) for cluster, values in rows if turn < len(values)]
        known = [(value, cluster) for cluster, value in reached if value is not None]
        if known and len(reached) >= LEAST_SHARE * len(rows):
            found.append((turn + 1, mean(known, ends(figure.unit))))
    return found
