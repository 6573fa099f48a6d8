"""Measurements side by side: the same turns, and how far two models differ on them.

Knows folders of measurements. Refuses to call a difference one that other scenes might turn round.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from her.checks.intervals import LEAST_SCENES, Sums, interval, total
from her.errors import InputError
from her.rows.files import read_rows
from her.train.measure.figures import FIGURES, Observation, by_scene, columns_of, has, statistic
from her.train.measure.measure import MEASURES, TURNS
from her.train.measure.table import between, label, told

COMPARED = tuple(name for name in FIGURES if name != "layouts")
"""The number of different layouts has no interval."""


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
    """Every figure of each folder after the first, set against the first. Raises InputError, StorageError."""
    if len(folders) < 2:
        raise InputError("name two folders of measurements, or more; the first is what the others are compared with")
    first, *others = [(folder, _read(folder)) for folder in folders]
    found = (_difference(name, str(folder), first[1], seen) for folder, seen in others for name in COMPARED)
    return [difference for difference in found if difference is not None]


def comparison(folders: Sequence[Path], differences: Sequence[Difference]) -> str:
    """The differences as Markdown, a table for each folder after the first."""
    lines: list[str] = []
    unlike = len({folder.name for folder in folders}) == len(folders)
    names = {folder: folder.name if unlike else str(folder) for folder in folders}
    for folder in folders[1:]:
        lines += [
            f"# `{_model(folder)}` against `{_model(folders[0])}`",
            "",
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


def as_json(differences: Sequence[Difference]) -> str:
    """The differences for programs."""
    return json.dumps([asdict(each) for each in differences], ensure_ascii=False)


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
    if not (folder / TURNS).is_file():
        raise InputError(f"{folder}: holds no measurement; make one with: her train measure … --out {folder}")
    return [each for each in read_rows(folder / TURNS, Observation) if not each.gold]


def _model(folder: Path) -> str:
    try:
        report: dict[str, Any] = json.loads((folder / MEASURES).read_text(encoding="utf-8"))
        return str(report["model"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder / MEASURES}: cannot be read ({error}); measure again") from error


def _difference(
    name: str, folder: str, first: Sequence[Observation], other: Sequence[Observation]
) -> Difference | None:
    """None where no turn has the figure on both sides."""
    sides = [[each for each in seen if has(each, name)] for seen in (first, other)]
    turns = {each.turn for each in sides[0]} & {each.turn for each in sides[1]}
    if not turns:
        return None
    kept = [[each for each in seen if each.turn in turns] for seen in sides]
    columns = columns_of(name, [each for seen in kept for each in seen])
    scenes = [by_scene(name, seen, columns) for seen in kept]
    rows = [[*scenes[0][scene], *scenes[1][scene]] for scene in scenes[0]]
    made, size = statistic(name, columns), len(columns)

    def apart(sums: Sums) -> float | None:
        one, two = made(sums[:size]), made(sums[size:])
        return None if one is None or two is None else two - one

    sums = total(rows)
    one, two = made(sums[:size]), made(sums[size:])
    if one is None or two is None:
        return None
    ends = interval(rows, apart, random.Random(0))
    low, high = ends or (None, None)
    resolved = len(rows) >= LEAST_SCENES and one != two if ends is None else not ends[0] <= 0 <= ends[1]
    return Difference(name, folder, one, two, two - one, low, high, len(turns), len(rows), resolved)
