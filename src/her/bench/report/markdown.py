"""The report as Markdown: for a README, an issue, a terminal.

Knows tables of Markdown and what must not stand in a cell. Refuses to show dialogues: they are on the page and in logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from her.bench.report.report import Group, Report, Shown
from her.bench.report.written import between, counted, told, verdict, whole
from her.pages.page import visible

_MARKS = re.compile(r"([\\`*_{}\[\]<>|#~$&!])")
NOTE = (
    "Means with their 95 % intervals (whole clusters, such as books, drawn anew); n cases have a value, and those that "
    "have none stand behind it by reason and are in no mean. A dash: nothing was scored, or there are too few clusters "
    "for an interval. Differences are paired by case and epoch, those of shares are in percentage points; one whose "
    "interval holds 0, or that is smaller than so many clusters can show, is not resolved."
)


def markdown(found: Report) -> str:
    """The report in Markdown, one section for each group of runs that were measured alike."""
    lines = [f"# {escaped(found.title)}", ""]
    for text in found.warnings:
        lines += [f"**Warning.** {escaped(text)}", ""]
    for text in found.notes:
        lines += [escaped(text), ""]
    for group in found.groups:
        lines += _group(group)
    if found.apart:
        lines += ["## Not compared", ""]
        for one in found.apart:
            unlike = "; ".join(f"{name}: {first or 'none'} / {second or 'none'}" for name, first, second in one.unlike)
            lines.append(f"- {escaped(', '.join(one.first))} and {escaped(', '.join(one.second))}: {escaped(unlike)}")
        lines.append("")
    return "\n".join([*lines, NOTE, ""])


def escaped(text: str) -> str:
    """A text that means nothing to Markdown, on one line."""
    return _MARKS.sub(r"\\\1", " ".join(visible(text).split()))


def _group(group: Group) -> Iterator[str]:
    sheet = group.run.sheet
    yield from (f"## {escaped(sheet.benchmark)}, preset {escaped(sheet.preset)}", "")
    heads = ["", *(figure.title for figure in sheet.figures)]
    yield from _table(heads, (_row(one) for one in group.runs))
    for figure, ranked in group.places:
        told_places = (
            (str(one.place), one.label, whole(one.mean, figure.unit), ", ".join(one.better_than)) for one in ranked
        )
        yield from _table(("Place", f"by {figure.title}", "", "better than"), told_places)
    if group.differences:
        rows = (
            (
                one.figure.title,
                f"{one.first} − {one.second}",
                told(one.mean.value, one.figure.unit, sign=True),
                between(one.mean, one.figure.unit, sign=True),
                told(one.smallest, one.figure.unit, sign=True).removeprefix("+"),
                str(one.mean.count),
                verdict(one),
            )
            for one in group.differences
        )
        yield from _table(("Figure", "", "difference", "95 %", "can show", "n", ""), rows)
    conditions = ((name, value) for name, value in group.run.conditions().items() if value)
    yield from _table(("Measured with", ""), conditions)


def _row(one: Shown) -> list[str]:
    cells = []
    for cell in one.cells:
        text = f"{whole(cell.mean, cell.figure.unit)}; {counted(cell)}"
        cells.append(f"struck out: {text}" if one.struck else text)
    return [one.label, *cells]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(escaped(head) for head in heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(escaped(cell) for cell in row)} |"
    yield ""
