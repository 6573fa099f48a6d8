"""The report of a run of synthesis as one page: rows by stage, layouts, lengths, refusals, splits, scenes to read.

Knows which figures stand where and what they are called. Refuses to count (`reports`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from her.errors import InputError, StorageError
from her.pages.flow import Passing, counted, flow
from her.pages.page import KINDS, NOTHING, duration, number, render, share, write
from her.pages.plots import bars, histogram
from her.pages.svg import Drawing
from her.pages.tables import tables
from her.rows.record import SceneRow
from her.synth.reading.library import Library
from her.synth.reports.beside import is_of, scene_view
from her.synth.reports.measures import COUNTS, Measured, figures, measure, summary, wrong
from her.synth.reports.run_folder import RunFolder
from her.turn import Kind

__all__ = ["flow_drawing", "flow_svg", "summary", "write_report"]

TURNS = 6
"""Of a scene to read."""
_SHOWN = (Kind.SYSTEM_THINKING, Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SPEECH)

Cells = list[tuple[str, ...]]


def write_report(folder: Path) -> Path:
    """Writes `report.html` into the folder of a run, whole or half done, and gives its place back.

    Raises InputError where no run is, StorageError where its files cannot be read, MissingExtra.
    """
    run = RunFolder(folder)
    measured = measure(run.rows(), run.lost())
    found = figures(run, measured)
    rows = _read(run, found["to_read"])
    texts, notes = _texts(folder / "books", rows)
    scenes = [scene_view(row, texts.get(row.source.slug), f"scene-{at}", TURNS) for at, row in enumerate(rows, 1)]
    page = render(
        "synth/report.html",
        title=_title(found),
        lead=_lead(found),
        warnings=wrong(found),
        notes=notes,
        facts=_facts(found),
        flow=flow_drawing(found),
        **_tables(found),
        **_plots(measured),
        samples=list(tables(found["samples"], "Samples")),
        options=list(tables(found["run"], "Options, sources and models")),
        scenes=scenes,
    )
    return write(folder / "report.html", page)


def flow_drawing(found: Mapping[str, Any]) -> Drawing:
    """The way of the rows through the stages of a summary, for a page."""
    stages = []
    for stage in found["stages"]:
        takes = "passages" if stage["stage"] == "scenes" else "scenes"
        stages.append(Passing(stage["stage"], **{name: stage[name] for name in COUNTS}, takes=takes, gives="scenes"))
    if found["sampled"]:
        stages.append(Passing("samples", **found["sampled"], takes="scenes", gives="rows"))
    return flow(stages, title="Rows through the stages")


def flow_svg(found: Mapping[str, Any]) -> str:
    """The same as an SVG file's text, for documents; it is light or dark as the reader's screen is.

    Raises InputError where no stage has run.
    """
    return flow_drawing(found).alone()


def _read(run: RunFolder, ids: Sequence[str]) -> list[SceneRow]:
    """The rows of these ids in their order; the file is read once more, and only as far as needed."""
    wanted: dict[str, SceneRow] = {}
    for row in run.rows():
        if row.id in ids:
            wanted[row.id] = row
            if len(wanted) == len(ids):
                break
    return [wanted[id] for id in ids]


def _texts(folder: Path, rows: Sequence[SceneRow]) -> tuple[dict[str, str], list[str]]:
    """The texts of the rows' books as far as they are here and unchanged, and what is missing in a sentence each."""
    library, texts, notes = Library(folder), {}, []
    for row in rows:
        slug = row.source.slug
        if row.source.start is None or slug in texts:
            continue
        try:
            texts[slug] = library.book(slug).text
        except (InputError, StorageError):
            notes.append(f"{row.source.book}: its text is not with the run any more; its scenes stand alone.")
            texts[slug] = ""
            continue
        if not is_of(row, texts[slug]):
            notes.append(f"{row.source.book}: its text is not the one that its scenes were made of; they stand alone.")
    return texts, notes


def _title(found: Mapping[str, Any]) -> str:
    books = found["books"]
    return f"Scenes of {books[0]['book']}" if len(books) == 1 else "A run of synthesis"


def _lead(found: Mapping[str, Any]) -> str:
    if not found["scenes"]:
        return "No scene has come through yet."
    words = sum(kind["count"] * kind["mean"] for kind in found["after"]["words"].values() if kind["mean"])
    books = counted(len(found["books"]), "books")
    return (
        f"{counted(found['scenes'], 'scenes')} with {counted(found['turns'], 'turns')} out of {books}, "
        f"{number(round(words))} words of the characters in all, as the stage “{found['measured']}” left them."
    )


def _facts(found: Mapping[str, Any]) -> Cells:
    """What the whole run took."""
    stages = found["stages"]
    spent = {name: sum(stage[name] for stage in stages) for name in ("calls", "from_journal", "seconds")}
    tokens = [sum(stage[name] for stage in stages) for name in ("prompt_tokens", "completion_tokens")]
    costs = [stage["cost"] for stage in stages if stage["cost"] is not None]
    models = sorted({stage["model"] for stage in stages if stage["model"]})
    return [
        ("models", ", ".join(models) or NOTHING),
        ("calls", f"{number(spent['calls'])} made, {number(spent['from_journal'])} replayed"),
        ("tokens", f"{number(tokens[0])} in, {number(tokens[1])} out"),
        ("time", duration(spent["seconds"])),
        ("cost, in the currency of the price that was given", number(sum(costs)) if costs else NOTHING),
        ("turns by language", ", ".join(f"{name} {number(count)}" for name, count in found["languages"].items())),
    ]


def _tables(found: Mapping[str, Any]) -> dict[str, Cells]:
    before, after = found["before"], found["after"]
    stages = found["stages"]
    counts = [(one["stage"], *(number(one[name]) for name in COUNTS)) for one in stages]
    costs = [
        (
            one["stage"],
            *(number(one[name]) for name in ("calls", "from_journal", "prompt_tokens", "completion_tokens")),
            duration(one["seconds"]),
            number(one["cost"]),
        )
        for one in stages
    ]
    gates = [
        (
            one["stage"],
            one["reason"],
            "\n".join(one["examples"]),
            *(number(one[name]) for name in ("asked_again", "left_out", "rows_dropped")),
        )
        for one in found["gates"]
    ]
    stock = [(_layer(kind), _rate(before, kind), _rate(after, kind)) for kind in _SHOWN]
    return {
        "counts": counts,
        "costs": costs,
        "gates": gates,
        "books": [(one["book"], number(one["scenes"]), number(one["turns"])) for one in found["books"]],
        "stock": [*stock, ("all layers", number(before["stock"]["all"], 2), number(after["stock"]["all"], 2))],
        "lengths": [_length(kind, before["words"][kind], after["words"][kind]) for kind in _SHOWN],
        "layout_figures": _layout_figures(before["layouts"], after["layouts"]),
        "layout_table": _layout_table(before["layouts"], after["layouts"]),
    }


def _layer(kind: Kind) -> str:
    return KINDS[kind][0]


def _rate(side: Mapping[str, Any], kind: Kind) -> str:
    return number(side["stock"][kind], 2)


def _length(kind: Kind, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    cells = (side[name] for name in ("count", "median", "p90") for side in (before, after))
    return (_layer(kind), *(number(cell) for cell in cells))


def _layout_figures(before: Mapping[str, Any], after: Mapping[str, Any]) -> Cells:
    rows = (
        ("turns with a layout", number, "turns"),
        ("different layouts", number, "distinct"),
        ("entropy, bits", lambda value: number(value, 2), "entropy"),
        ("share of the most frequent", share, "top_share"),
        ("longest run in a scene, turns", number, "longest_run"),
    )
    return [(label, say(before[name]), say(after[name])) for label, say, name in rows]


def _layout_table(before: Mapping[str, Any], after: Mapping[str, Any]) -> Cells:
    """The layouts that are among the most frequent on either side; a dash where one is not among its side's."""
    sides = [{one["layout"]: one for one in side["top"]} for side in (before, after)]
    names = sorted(sides[0] | sides[1], key=lambda name: -max(side[name]["turns"] for side in sides if name in side))
    rows = []
    for name in names:
        cells = (
            (number(one["turns"]), share(one["share"])) if (one := side.get(name)) else (NOTHING, NOTHING)
            for side in sides
        )
        rows.append((name.replace("-", " · "), *(text for pair in cells for text in pair)))
    return rows


def _plots(measured: Measured) -> dict[str, Drawing | list[Drawing]]:
    before, after = measured.before, measured.after
    totals = before.layouts.total() or 1, after.layouts.total() or 1
    names = [layout for layout, _ in (before.layouts + after.layouts).most_common(6)]
    shares = {
        "as they came": [round(100 * before.layouts[name] / totals[0], 1) for name in names],
        "as they are": [round(100 * after.layouts[name] / totals[1], 1) for name in names],
    }
    labels = [name.replace("-", " · ") for name in names]
    return {
        "layout_bars": bars(labels, shares, title="Layouts before and after", unit="% of the characters’ turns"),
        "length_plots": [
            histogram(
                {"as they came": before.words[kind], "as they are": after.words[kind]},
                title=f"Words of {_layer(kind)} in a turn",
                unit="words",
            )
            for kind in _SHOWN
            if after.words[kind]
        ],
    }
