"""Two runs on the same cases: how far apart they are, and whether that can be told from chance.

Knows pairs of values, what can be compared and what cannot, and places that rest on differences alone. Refuses to
compare what was not measured alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from her.bench.estimate import SPAN, detectable
from her.bench.figures import Figure, Unscored
from her.bench.report.cells import Mean, alike, mean
from her.bench.report.records import Run
from her.checks.intervals import LEAST_SCENES, unseen


@dataclass(frozen=True, slots=True)
class Difference:
    """`first` minus `second` over the cases that both have a value for; `first_only` and `second_only` count the
    others. `smallest` is what so many clusters with this spread can show."""

    figure: Figure
    first: str
    second: str
    mean: Mean
    smallest: float | None
    first_only: int = 0
    second_only: int = 0

    @property
    def resolved(self) -> bool:
        """Whether it is told from chance: no 0 in the interval, and not inside the smallest difference."""
        value, low, high = self.mean.value, self.mean.low, self.mean.high
        if value is None or low is None or high is None or self.smallest is None:
            return False
        return not low <= 0 <= high and abs(value) >= self.smallest

    @property
    def better(self) -> str:
        """The label of the better one; empty where that is not resolved, or neither way is better."""
        if not self.resolved or self.figure.better == "neither" or self.mean.value is None:
            return ""
        return self.first if (self.mean.value > 0) == (self.figure.better == "higher") else self.second


@dataclass(frozen=True, slots=True)
class Place:
    """A run's place by one figure: one more than there are runs that are better and resolved so."""

    label: str
    place: int
    mean: Mean
    better_than: tuple[str, ...] = ()
    worse_than: tuple[str, ...] = ()


def differences(runs: Mapping[str, Run]) -> tuple[Difference, ...]:
    """All paired differences of runs that were measured alike, by their labels, figure by figure."""
    figures = next(iter(runs.values())).sheet.figures if runs else ()
    return tuple(
        difference(figure, (one, runs[one]), (other, runs[other]))
        for figure in figures
        for one, other in combinations(runs, 2)
    )


def difference(figure: Figure, one: tuple[str, Run], other: tuple[str, Run]) -> Difference:
    """The difference of two labelled runs in one figure, paired by case and epoch."""
    first, second = scored(one[1], figure.name), scored(other[1], figure.name)
    both = [key for key in first if key in second]
    # The sheet of a run says what shares its luck; the same case does so in the same way everywhere.
    pairs = [(first[key][0] - second[key][0], first[key][1]) for key in both]
    span = SPAN.get(figure.unit, math.inf)
    return Difference(
        figure,
        one[0],
        other[0],
        mean(pairs, (-span, span)),
        _smallest(pairs, 2 * span),
        len(first) - len(both),
        len(second) - len(both),
    )


def places(figure: Figure, means: Mapping[str, Mean], found: Iterable[Difference]) -> tuple[Place, ...]:
    """The places of these runs by one figure, best first; runs without a value have none.

    A place rests on resolved differences alone, so that two runs which cannot be told apart may share one.
    """
    own = [one for one in found if one.figure == figure and one.better]
    beats: dict[str, list[str]] = {label: [] for label in means}
    loses: dict[str, list[str]] = {label: [] for label in means}
    for one in own:
        worse = one.second if one.better == one.first else one.first
        beats[one.better].append(worse)
        loses[worse].append(one.better)
    known = {label: value for label, value in means.items() if value.value is not None}
    ranked = [
        Place(name, 1 + len(loses[name]), of, tuple(beats[name]), tuple(loses[name])) for name, of in known.items()
    ]
    way = -1 if figure.better == "higher" else 1
    return tuple(sorted(ranked, key=lambda one: (one.place, way * (one.mean.value or 0.0), one.label)))


def unlike(one: Run, other: Run) -> tuple[tuple[str, str, str], ...]:
    """What the two were not measured alike in: what it is, and how it was in each; empty where they can be compared."""
    first, second = one.conditions(), other.conditions()
    names = [*first, *(name for name in second if name not in first)]
    return tuple(
        (name, first.get(name, ""), second.get(name, "")) for name in names if first.get(name) != second.get(name)
    )


def deviations(runs: Sequence[Run]) -> dict[str, float]:
    """The standard deviation of the clusters' mean differences, by figure, as far as earlier runs tell.

    Of runs that can be compared it is that of the pair that differs least evenly. One run alone tells its own spread;
    the difference of two such runs that have nothing to do with each other has √2 times that, and this is taken.
    """
    found: dict[str, float] = {}
    alone: dict[str, float] = {}
    for run in runs:
        for figure in run.sheet.figures:
            own = list(scored(run, figure.name).values())
            alone[figure.name] = max(alone.get(figure.name, 0.0), math.sqrt(2) * _deviation(own))
    for one, other in combinations(runs, 2):
        if unlike(one, other):
            continue
        for figure in one.sheet.figures:
            first, second = scored(one, figure.name), scored(other, figure.name)
            pairs = [(first[key][0] - second[key][0], first[key][1]) for key in first if key in second]
            found[figure.name] = max(found.get(figure.name, 0.0), _deviation(pairs))
    known = alone | {name: value for name, value in found.items() if value}
    return {name: value for name, value in known.items() if value}


def scored(run: Run, name: str) -> dict[tuple[str, int], tuple[float, str]]:
    """Each case that has a value for the figure, with the value and the case's cluster."""
    pairs = ((case, case.values.get(name)) for case in run.cases)
    return {
        case.key: (value, case.cluster)
        for case, value in pairs
        if value is not None and not isinstance(value, Unscored)
    }


def _smallest(pairs: Sequence[tuple[float, str]], reach: float) -> float | None:
    """Where every pair differs by the same there is no spread; what can have gone unseen is then the measure."""
    clusters = len({cluster for _, cluster in pairs})
    if len(pairs) and alike(pairs):
        return reach * unseen(clusters) if clusters >= LEAST_SCENES and math.isfinite(reach) else None
    return detectable(_deviation(pairs), clusters)


def _deviation(values: Sequence[tuple[float, str]]) -> float:
    """How far the mean of one cluster is from that of all, as a standard deviation; 0 for fewer than two clusters.

    Clusters of unlike size weigh by their cases (Miller, Adding Error Bars to Evals, 2024, section 2.2).
    """
    rows: dict[str, list[float]] = {}
    for value, cluster in values:
        rows.setdefault(cluster, []).append(value)
    if len(rows) < 2:
        return 0.0
    middle = math.fsum(value for value, _ in values) / len(values)
    squares = math.fsum((math.fsum(row) - len(row) * middle) ** 2 for row in rows.values())
    return math.sqrt(squares * len(rows) / (len(rows) - 1)) / len(values) * math.sqrt(len(rows))
