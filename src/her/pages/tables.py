"""Any report as tables: what JSON holds, laid out by its shape.

Knows shapes: plain values, groups of them, groups of groups, lists of records. Refuses to know what a report is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from her.pages.page import NOTHING, number

MOST = 60
"""Rows of a table at most; a last one says how many more there are."""
LONGEST = 8
"""Values of a list that are written out in a cell."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption; the first `words` columns hold words, the others numbers."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def tables(found: Mapping[str, object], caption: str) -> Iterator[Table]:
    """The tables of a report: its plain values first, then each of its groups under a caption of its own.

    Groups that are alike and lists of records become one table with a column for each of their names. Empty groups
    are left out, and so are hashes in records.
    """
    plain = {name: value for name, value in found.items() if not _grouped(value)}
    if plain:
        rows = tuple((said(name), cell(value)) for name, value in plain.items())
        yield Table(caption, ("", ""), rows, _words(rows))
    for name, value in found.items():
        if value and _grouped(value):
            yield from _table(value, f"{caption}: {said(name)}")


def cell(value: object) -> str:
    """A value for people: numbers with their commas, yes and no, lists with commas, a dash for nothing."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{said(name)} {cell(one)}" for name, one in value.items()) or NOTHING
    if isinstance(value, Sequence) and not isinstance(value, str):
        more = f" and {len(value) - LONGEST} more" if len(value) > LONGEST else ""
        return ", ".join(cell(one) for one in value[:LONGEST]) + more or NOTHING
    return str(value)


def said(name: object) -> str:
    """A name in a report as people write it."""
    return str(name).replace("_", " ")


def _grouped(value: object) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _table(value: object, caption: str) -> Iterator[Table]:
    if isinstance(value, Mapping):
        inner = list(value.values())
        if not all(isinstance(one, Mapping) for one in inner):
            yield from tables(value, caption)
        elif any(_grouped(one) for each in inner for one in each.values()):
            for name, one in value.items():
                yield from tables(one, f"{caption}, {said(name)}")
        else:
            yield from _records([{"": name, **one} for name, one in value.items()], caption)
    elif isinstance(value, Sequence):
        yield from _records([one for one in value if isinstance(one, Mapping)], caption)


def _records(records: Sequence[Mapping[str, object]], caption: str) -> Iterator[Table]:
    """One row a record; words before numbers, so that a reader knows what is counted."""
    names = list(dict.fromkeys(name for one in records for name in one if not name.endswith("sha")))
    if not names:
        return
    numeric = {name for name in names if all(_is_number(one.get(name)) for one in records)}
    names.sort(key=lambda name: name in numeric)
    rows = [tuple(cell(one.get(name)) for name in names) for one in records[:MOST]]
    if len(records) > MOST:
        rows.append((f"and {len(records) - MOST} more", *("" for _ in names[1:])))
    yield Table(caption, tuple(map(said, names)), tuple(rows), max(1, len(names) - len(numeric)))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _words(rows: Sequence[tuple[str, ...]]) -> int:
    """Two columns of words where any value is one, else the second is of numbers."""
    return 1 if all(row[1][:1].isdigit() or row[1] == NOTHING for row in rows) else 2
