"""Measurements side by side: the same turns, and how far two models differ on them.

Knows folders of measurements, and says how each was made. Refuses to set measurements on other data beside each other,
and to call a difference one that other scenes might turn round.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from her.checks.intervals import LEAST_SCENES, Sums, interval, total
from her.errors import InputError
from her.rows.files import read_rows
from her.train.measure.figures import FIGURES, Observation, has, joint
from her.train.measure.measure import MEASURES, TURNS
from her.train.measure.table import NONE, between, how, label, told

COMPARED = tuple(name for name in FIGURES if name != "layouts")
"""The number of different layouts has no interval."""
SAME = ("split", "data")
"""What must be the same for measurements to be set side by side, by its name in `how`."""
_WEIGHED_BY = {
    "binding": "binding under",
    "binding_shuffled": "binding under",
    "slop_list": "list of stock phrases",
}
"""Figures that say nothing of each other where these were not the same."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of two folders on the `turns` that both have it for: `other` less `first`, with its 95 % interval.

    `resolved`: the interval does not hold 0. Where there is no spread at all (`low` None) a difference counts as
    resolved from six scenes on, all of which then differ in the same way.
    """

    name: str
    folder: str
    first: float
    other: float
    difference: float
    low: float | None
    high: float | None
    turns: int
    scenes: int
    resolved: bool


def compare(folders: Sequence[Path]) -> list[Difference]:
    """Every figure of each folder after the first, set against the first.

    Raises InputError, for other data or another split too, and StorageError.
    """
    if len(folders) < 2:
        raise InputError("name two folders of measurements, or more; the first is what the others are compared with")
    reports = [_report(folder) for folder in folders]
    first, *others = [_read(folder) for folder in folders]
    found: list[Difference | None] = []
    for folder, report, other in zip(folders[1:], reports[1:], others, strict=True):
        unlike = _unlike(reports[0], report)
        if odd := [f"{name} {one} and {two}" for name, (one, two) in unlike.items() if name in SAME]:
            raise InputError(
                f"{folder} and {folders[0]} were not measured on the same ({'; '.join(odd)}); measure one of them again"
            )
        names = [name for name in COMPARED if _WEIGHED_BY.get(name, "") not in unlike]
        found += (_difference(name, str(folder), first, other) for name in names)
    return [difference for difference in found if difference is not None]


def comparison(folders: Sequence[Path], differences: Sequence[Difference]) -> str:
    """The differences as Markdown, a table for each folder after the first, and before it how both were measured."""
    lines: list[str] = []
    unlike = len({folder.name for folder in folders}) == len(folders)
    names = {folder: folder.name if unlike else str(folder) for folder in folders}
    first = _report(folders[0])
    for folder in folders[1:]:
        other = _report(folder)
        lines += [
            f"# `{other['model']}` against `{first['model']}`",
            "",
            f"| measured | {names[folders[0]]} | {names[folder]} |",
            "|---|---|---|",
            *(f"| {name} | {value} | {how(other)[name]} |" for name, value in how(first).items()),
            "",
            *_warning(first, other),
            f"| | {names[folders[0]]} | {names[folder]} | difference | 95 % | n | |",
            "|---|--:|--:|--:|:-:|--:|---|",
            *(_line(each) for each in differences if each.folder == str(folder)),
            "",
        ]
    lines += [
        "On turns that both have a figure for. Intervals: 95 %, by drawing whole scenes anew. Of twenty differences "
        "that are none, one may look resolved.",
        "",
    ]
    return "\n".join(lines)


def as_json(folders: Sequence[Path], differences: Sequence[Difference]) -> str:
    """The differences for programs, and how each folder was measured."""
    measured = {str(folder): {"model": (report := _report(folder))["model"], **how(report)} for folder in folders}
    return json.dumps({"measured": measured, "differences": [asdict(each) for each in differences]}, ensure_ascii=False)


def _unlike(first: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """In what two measurements were not made alike, as `how` names it, with both sides.

    How many turns each has is nothing: what is compared are turns that both have.
    """
    sides = zip(how(first).items(), how(other).values(), strict=True)
    return {name: (one, two) for (name, one), two in sides if one != two and name != "turns"}


def _warning(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """A line that says in what they are unlike, and what was left out for it; nothing where they are alike."""
    unlike = _unlike(first, other)
    if not unlike:
        return []
    line = f"Not measured alike: {', '.join(unlike)}. A difference may come of that, and not of the models."
    left_out = [label(name) for name, by in _WEIGHED_BY.items() if NONE not in unlike.get(by, (NONE,))]
    return [f"{line} Left out: {'; '.join(left_out)}." if left_out else line, ""]


def _line(each: Difference) -> str:
    cells = (
        label(each.name),
        told(each.name, each.first),
        told(each.name, each.other),
        told(each.name, each.difference, sign=True),
        between(each.name, each.low, each.high, sign=True),
        f"{each.turns:,}",
        "" if each.resolved else "not resolved",
    )
    return f"| {' | '.join(cells)} |"


def _read(folder: Path) -> list[Observation]:
    return [each for each in read_rows(folder / TURNS, Observation) if not each.gold]


def _report(folder: Path) -> dict[str, Any]:
    if not (folder / TURNS).is_file():
        raise InputError(f"{folder}: holds no measurement; make one with: her train measure … --out {folder}")
    try:
        report: dict[str, Any] = json.loads((folder / MEASURES).read_text(encoding="utf-8"))
        how(report)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / MEASURES}: cannot be read ({error!r}); measure again") from error
    return report


def _difference(
    name: str, folder: str, first: Sequence[Observation], other: Sequence[Observation]
) -> Difference | None:
    """None where no turn has the figure on both sides."""
    sides = [[each for each in seen if has(each, name)] for seen in (first, other)]
    turns = {each.turn for each in sides[0]} & {each.turn for each in sides[1]}
    if not turns:
        return None
    rows, made = joint(name, [[each for each in seen if each.turn in turns] for seen in sides])

    def apart(sums: Sums) -> float | None:
        one, two = made(sums)
        return None if one is None or two is None else two - one

    one, two = made(total(rows))
    if one is None or two is None:
        return None
    ends = interval(rows, apart, random.Random(0))
    low, high = ends or (None, None)
    resolved = len(rows) >= LEAST_SCENES and one != two if ends is None else not ends[0] <= 0 <= ends[1]
    return Difference(name, folder, one, two, two - one, low, high, len(turns), len(rows), resolved)
