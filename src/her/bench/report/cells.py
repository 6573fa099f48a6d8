"""One figure of one run: its mean with an interval, and what has no value, by reason.

Knows means over cases and which cases share their luck. Refuses to put anything in the place of a missing value.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from her.bench.estimate import SPAN
from her.bench.figures import Figure, Unit, Unscored, between
from her.bench.report.records import Run
from her.checks.intervals import LEAST_SCENES, Interval, unseen


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over `count` values of `clusters` clusters; None where there is no value. `low` and `high` are its 95 %
    interval, None where none can be made."""

    value: float | None
    low: float | None = None
    high: float | None = None
    count: int = 0
    clusters: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of a run. `unscored` counts cases by reason, those that never ran are in no count."""

    figure: Figure
    mean: Mean
    unscored: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Cases without a value."""
        return sum(self.unscored.values())


def cells(run: Run) -> tuple[Cell, ...]:
    """The figures of a run in the order of its sheet."""
    found = []
    for figure in run.sheet.figures:
        values = [(case.cluster, case.values[figure.name]) for case in run.cases]
        scored = [(value, cluster) for cluster, value in values if not isinstance(value, Unscored)]
        reasons = Counter(str(value.why) for _, value in values if isinstance(value, Unscored))
        found.append(Cell(figure, mean(scored, ends(figure.unit)), dict(reasons.most_common())))
    return tuple(found)


def ends(unit: Unit) -> tuple[float, float]:
    """Between which values a mean of this unit lies."""
    return (0.0, SPAN[unit]) if unit in SPAN else (-math.inf, math.inf)


def mean(values: Sequence[tuple[float, str]], within: tuple[float, float]) -> Mean:
    """The mean of values and their clusters.

    Where all are alike there is no spread to draw from; between two ends the interval then tells how far the mean
    could be off, if as many clusters as can have gone unseen were at the other end. Where there is a value below the
    lower end, as of a change in a share, it lies as far below 0 as the upper one lies above.
    """
    clusters = len({cluster for _, cluster in values})
    if not values:
        return Mean(None)
    middle = math.fsum(value for value, _ in values) / len(values)
    if min(value for value, _ in values) < within[0]:
        within = -within[1], within[1]
    found: Interval = between(values)
    if found is None and clusters >= LEAST_SCENES and alike(values) and math.isfinite(within[1] - within[0]):
        far = (within[1] - within[0]) * unseen(clusters)
        found = max(middle - far, within[0]), min(middle + far, within[1])
    low, high = found or (None, None)
    return Mean(middle, low, high, len(values), clusters)


def alike(values: Sequence[tuple[float, str]]) -> bool:
    """Whether there is one value alone."""
    return len({value for value, _ in values}) == 1
