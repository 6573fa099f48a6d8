"""The report as one page: figures, differences, places, curves, what is unscored, and cases to read.

Knows which figures stand where. Refuses to measure (`cells`, `differences`) and to choose what is read (`transcripts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from her.bench.figures import Unscored
from her.bench.report.drawings import bars, curves, gaps
from her.bench.report.records import ACTOR, FINISHED
from her.bench.report.report import Group, Report, Shown, headline
from her.bench.report.transcripts import Shelf, anchor, cut, name, shelves
from her.bench.report.written import between, reasons, told, verdict
from her.pages.flow import counted as some
from her.pages.page import NOTHING, number, render, write
from her.pages.svg import Drawing
from her.pages.tables import Table, tables

LISTED = 500
"""Rows of a table of cases at most."""
EXAMPLES, LINKS = 3, 8
"""Of a reason why something is unscored: the details and the cases that are named."""
_DETAIL = 200

Cells = Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Written:
    """A cell of the table of figures, as texts; `counts` has a line for each reason."""

    value: str
    interval: str
    counts: tuple[str, ...]
    struck: bool


@dataclass(frozen=True, slots=True)
class Linked:
    """A text, and where on the page it leads; empty for nowhere."""

    text: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A group of runs that were measured alike, as the page shows it."""

    anchor: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Written, ...]], ...]
    drawings: tuple[Drawing, ...]
    places: tuple[tuple[str, Cells], ...]
    differences: Cells
    gaps: tuple[Drawing, ...]
    curves: tuple[Drawing, ...]
    conditions: tuple[Table, ...]
    labels: tuple[str, ...]
    cases: tuple[tuple[str, tuple[Linked, ...]], ...]
    by: str
    more_cases: int


@dataclass(frozen=True, slots=True)
class Missing:
    """Cases of a run that have no value for the same reason."""

    label: str
    why: str
    figures: str
    details: tuple[str, ...]
    count: str
    cases: tuple[Linked, ...]
    more: int


def write_page(found: Report, target: Path) -> Path:
    """Writes the page and gives its place back. Raises StorageError, MissingExtra."""
    read = shelves(found)
    known = {case.anchor for shelf in read for case in shelf.cases}
    text = render(
        "bench/report.html",
        title=found.title,
        lead=_lead(found),
        facts=_facts(found),
        warnings=[cut(text, 600) for text in found.warnings],
        notes=[cut(text, 600) for text in found.notes],
        runs=[_run(one) for one in found.runs],
        sections=list(_sections(found, known)),
        apart=[(", ".join(one.first), ", ".join(one.second), _unlike(one.unlike)) for one in found.apart],
        missing=list(_missing(found, known)),
        shelves=read,
        left_out=[_left_out(shelf) for shelf in read if len(shelf.cases) < shelf.of],
    )
    return write(target, text)


def _lead(found: Report) -> str:
    runs, cases = len(found.runs), sum(one.run.done for one in found.runs)
    planned = sum(one.run.planned for one in found.runs)
    whole = "" if cases == planned else f" of {number(planned)} that were planned"
    return f"{some(runs, 'runs')}, {some(cases, 'cases')} done{whole}. " + (
        "Runs that were measured alike stand side by side." if len(found.groups) > 1 else ""
    )


def _facts(found: Report) -> Cells:
    judges = {
        one.run.seats[part].address for one in found.runs for part in one.run.sheet.judges if part in one.run.seats
    }
    rows = {
        "benchmark": {one.run.sheet.benchmark for one in found.runs},
        "preset": {one.run.sheet.preset for one in found.runs},
        "measured": {one.run.actor.address for one in found.runs},
        "judged by": judges or {"no model"},
    }
    return [(word, ", ".join(sorted(texts))) for word, texts in rows.items()]


def _run(one: Shown) -> tuple[str, ...]:
    run = one.run
    others = [f"{part}: {seat.address}" for part, seat in run.seats.items() if part != ACTOR]
    sampling = ", ".join(f"{key} {value}" for key, value in run.actor.settings.items())
    status = "whole" if run.whole else ("with gaps" if run.status == FINISHED else run.status)
    tokens = [sum(used[side] for used in run.tokens.values()) for side in (0, 1)]
    return (
        one.label,
        f"{run.sheet.benchmark}, {run.sheet.preset}",
        "\n".join((f"{run.actor.name}{f' ({sampling})' if sampling else ''}", *others)),
        status,
        run.created[:19].replace("T", " "),
        Path(run.log).name,
        number(run.done),
        number(run.planned),
        *(number(count) for count in tokens),
    )


def _sections(found: Report, known: set[str]) -> Iterator[Section]:
    first = 1
    for at, group in enumerate(found.groups, 1):
        sheet = group.run.sheet
        unit = f"{sheet.benchmark}, preset {sheet.preset}"
        cases = list(_cases(group, first, known))
        yield Section(
            anchor=f"group-{at}",
            title=unit if len(found.groups) == 1 else f"{unit} ({at} of {len(found.groups)})",
            heads=tuple(figure.title for figure in sheet.figures),
            rows=tuple((one.label, tuple(_written(one))) for one in group.runs),
            drawings=tuple(bars(group)),
            places=tuple(_places(group)),
            differences=_differences(group),
            gaps=tuple(gaps(group)),
            curves=tuple(curves(group)),
            conditions=tuple(tables(_conditions(group), "Measured with")),
            labels=group.labels,
            cases=tuple(cases[:LISTED]),
            by=headline(group.run)[0].title if headline(group.run) else "",
            more_cases=max(len(cases) - LISTED, 0),
        )
        first += len(group.runs)


def _written(one: Shown) -> Iterator[Written]:
    for cell in one.cells:
        unit = cell.figure.unit
        yield Written(told(cell.mean.value, unit), between(cell.mean, unit), reasons(cell), bool(one.struck))


def _conditions(group: Group) -> dict[str, Any]:
    """Preset, settings and the players of all parts but the measured one; no setting is left out."""
    return {name.removeprefix("setting "): value for name, value in group.run.conditions().items() if value}


def _places(group: Group) -> Iterator[tuple[str, Cells]]:
    for figure, ranked in group.places:
        rows = [
            (
                one.label,
                ", ".join(one.better_than) or NOTHING,
                str(one.place),
                told(one.mean.value, figure.unit),
                between(one.mean, figure.unit),
            )
            for one in ranked
        ]
        yield f"By {figure.title} ({figure.better} is better)", rows


def _differences(group: Group) -> Cells:
    rows = []
    for one in group.differences:
        unit = one.figure.unit
        alone = f"{number(one.first_only)} / {number(one.second_only)}"
        rows.append(
            (
                one.figure.title,
                f"{one.first} − {one.second}",
                verdict(one),
                told(one.mean.value, unit, sign=True),
                between(one.mean, unit, sign=True),
                told(one.smallest, unit, sign=True).removeprefix("+"),
                number(one.mean.count),
                alone,
            )
        )
    return rows


def _cases(group: Group, first: int, known: set[str]) -> Iterator[tuple[str, tuple[Linked, ...]]]:
    """One row a case, one column a run: its value by the headline's first figure, linked to what was said."""
    figure = next(iter(headline(group.run) or group.run.sheet.figures), None)
    places = [{case.key: at for at, case in enumerate(one.run.cases)} for one in group.runs]
    for key in dict.fromkeys(key for found in places for key in found):
        row, named = [], ""
        for nth, (one, found) in enumerate(zip(group.runs, places, strict=True)):
            if key not in found or figure is None:
                row.append(Linked("not run"))
                continue
            case = one.run.cases[found[key]]
            named = named or cut(name(case, one.run.epochs), 80)
            value = case.values[figure.name]
            text = str(value.why) if isinstance(value, Unscored) else told(value, figure.unit)
            to = anchor(first + nth, found[key] + 1)
            row.append(Linked(text, to if to in known else ""))
        yield named, tuple(row)


def _unlike(found: tuple[tuple[str, str, str], ...]) -> str:
    return "\n".join(cut(f"{name}: {first or 'none'} / {second or 'none'}", 400) for name, first, second in found)


def _missing(found: Report, known: set[str]) -> Iterator[Missing]:
    for nth, one in enumerate(found.runs, 1):
        titles = {figure.name: figure.title for figure in one.run.sheet.figures}
        reasons: dict[str, tuple[dict[str, None], dict[str, None], dict[int, None]]] = {}
        for at, case in enumerate(one.run.cases, 1):
            for figure, value in case.values.items():
                if isinstance(value, Unscored):
                    figures, details, cases = reasons.setdefault(str(value.why), ({}, {}, {}))
                    figures[titles[figure]] = None
                    cases[at] = None
                    if value.detail and len(details) < EXAMPLES:
                        details[cut(value.detail, _DETAIL)] = None
        for why, (figures, details, cases) in sorted(reasons.items()):
            links = []
            for at in list(cases)[:LINKS]:
                to = anchor(nth, at)
                links.append(Linked(cut(name(one.run.cases[at - 1], one.run.epochs), 60), to if to in known else ""))
            all_figures = len(figures) == len(titles) > 1
            told_figures = "all figures" if all_figures else ", ".join(figures)
            more = max(len(cases) - LINKS, 0)
            yield Missing(one.label, why, told_figures, tuple(details), number(len(cases)), tuple(links), more)


def _left_out(shelf: Shelf) -> str:
    return (
        f"{shelf.label}: {number(len(shelf.cases))} of {number(shelf.of)} cases are shown, chosen by the hash of their "
        f"ids; all are in {Path(shelf.log).name} (inspect view)."
    )
