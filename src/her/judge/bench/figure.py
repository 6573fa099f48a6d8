"""A measured number with its interval, over the books or scenes that it was measured on.

Knows what is drawn anew, and what can be said where nothing varied. Refuses to know what is measured.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from her.checks.intervals import DRAWS, LEAST_SCENES, Statistic, interval, total, unseen

MANY, FEWER_DRAWS = 400, 500
"""From so many books or scenes on, fewer draws: their percentiles then move by less than the interval's rounding."""


_NORMAL = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one case adds to a figure: its sums, and where it was seen. `place` is the place in a dialogue."""

    book: str
    scene: str
    place: str
    sums: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number. `value` None: there was nothing to measure. `low` and `high`: the 95 % interval, None where
    none can be made. `cases` were counted, of so many `units`, which are books or scenes."""

    value: float | None
    low: float | None = None
    high: float | None = None
    cases: int = 0
    units: int = 0
    unit: str = "books"


def share(sums: Sequence[float]) -> float | None:
    """A sum by its whole; None for none."""
    return sums[0] / sums[1] if sums[1] else None


def measured(
    seen: Iterable[Seen],
    statistic: Statistic,
    rng: random.Random,
    *,
    within: tuple[float, float] = (0.0, 1.0),
    reach: float = 1.0,
) -> Figure:
    """The figure of all cases, which lies `within` bounds.

    Books are drawn anew where there are enough of them, else scenes. A few may be alike by chance: the interval of a
    share is never narrower than that of as many independent places. Where every case says the same there is no spread
    at all: the interval then tells how far the figure could be off if as many cases as can have gone unseen among
    these places differed, each by `reach`.
    """
    rows = list(seen)
    groups, unit = _groups(rows)
    value = statistic(total([row.sums for row in rows])) if rows else None
    if value is None:
        return Figure(None, cases=len(rows), units=len(groups), unit=unit)
    draws = DRAWS if len(groups) < MANY else FEWER_DRAWS
    ends = interval(groups, statistic, rng, draws)
    if ends is None and len(groups) >= LEAST_SCENES and _alike(rows, statistic, value):
        far = reach * unseen(len({row.place for row in rows}))
        ends = max(value - far, within[0]), min(value + far, within[1])
    if ends is None:
        return Figure(value, cases=len(rows), units=len(groups), unit=unit)
    far = _independent(rows, value) if statistic is share else 0.0
    low, high = min(ends[0], max(value - far, within[0])), max(ends[1], min(value + far, within[1]))
    return Figure(value, low, high, len(rows), len(groups), unit)


def _groups(rows: Sequence[Seen]) -> tuple[list[list[float]], str]:
    """The sums by book, or by scene where there are too few books (or none is told)."""
    books = {row.book for row in rows if row.book}
    by_book = len(books) >= LEAST_SCENES
    groups: dict[str, list[tuple[float, ...]]] = {}
    for row in rows:
        groups.setdefault(row.book or row.scene if by_book else row.scene, []).append(row.sums)
    return [total(groups[name]) for name in sorted(groups)], "books" if by_book else "scenes"


def _independent(rows: Sequence[Seen], value: float) -> float:
    """Half the 95 % interval of a ratio of sums over independent places (linearised)."""
    places: dict[str, list[tuple[float, ...]]] = {}
    for row in rows:
        places.setdefault(row.place, []).append(row.sums)
    sums = [total(found) for found in places.values()]
    return _NORMAL * math.sqrt(sum((part - value * whole) ** 2 for part, whole in sums)) / sum(one[1] for one in sums)


def _alike(rows: Sequence[Seen], statistic: Statistic, value: float) -> bool:
    alone = {statistic(row.sums) for row in rows}
    return alone - {None} == {value}
