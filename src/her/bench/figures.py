"""What a benchmark says of one case: figures, each a number or the reason why there is none.

Knows figures, reasons, and how Inspect is handed both. Refuses to know how anything is measured, and to put a number
where there was nothing to read.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

from inspect_ai.scorer import Metric, SampleScore, Score, metric

from her.checks.intervals import Interval, interval

Unit = Literal["points", "share", "bits", "count", "seconds"]
KEY = "her"
"""Under this name the metadata of a task holds its sheet, and nobody else's."""


class Why(StrEnum):
    """Why a figure has no value for a case."""

    CONTEXT = "context"
    """The prompt does not fit the model's window."""
    EMPTY = "empty"
    """The model said nothing."""
    UNREADABLE = "unreadable"
    """A judge's answer is not what was asked for."""
    FORMAT = "format"
    """An answer that is not in the form it was asked in."""
    FAILED = "failed"
    """The model or its server failed."""
    NO_JUDGE = "no-judge"
    ABSENT = "absent"
    """Something that is optional is not installed, or the backend does not tell."""
    UNDEFINED = "undefined"
    """The case has nothing that the figure could be made of."""


@dataclass(frozen=True, slots=True)
class Unscored:
    """No value, and why."""

    why: Why
    detail: str = ""


Value = float | Unscored


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a benchmark; points go from 0 to 100, shares from 0 to 1, the others have no end."""

    name: str
    title: str
    better: Literal["higher", "lower", "neither"] = "higher"
    unit: Unit = "share"
    headline: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a benchmark says of itself; stands in every result.

    `settings` are all that a number depends on, `judges` the roles whose models judge. Two results are comparable
    where benchmark, preset, settings and judges agree.
    """

    benchmark: str
    preset: str
    figures: tuple[Figure, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    judges: tuple[str, ...] = ()

    def metadata(self) -> dict[str, Any]:
        """The metadata of a task."""
        return {KEY: asdict(self)}

    @classmethod
    def of(cls, metadata: Mapping[str, Any] | None) -> Sheet:
        """The sheet that the metadata of a task hold. Raises KeyError, TypeError where they hold none."""
        told = dict((metadata or {})[KEY])
        told |= {"figures": tuple(Figure(**one) for one in told["figures"]), "judges": tuple(told["judges"])}
        return cls(**told)


def score(
    values: Mapping[str, Value],
    *,
    cluster: str,
    answer: str | None = None,
    explanation: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> Score:
    """Inspect's score of a case: NaN, which its metrics pass over, where a figure has no value.

    `cluster` names what the case shares its luck with, such as its book. The metadata holds it, the reasons of what is
    unscored, and `more`. Raises ValueError for a number that is not finite: that is no way to say that there is none.
    """
    for name, value in values.items():
        if not isinstance(value, Unscored) and not math.isfinite(value):
            raise ValueError(f"{name} is {value}; say Unscored and why")
    missing = {name: asdict(value) for name, value in values.items() if isinstance(value, Unscored)}
    return Score(
        value={name: math.nan if isinstance(value, Unscored) else float(value) for name, value in values.items()},
        answer=answer,
        explanation=explanation,
        reason=",".join(sorted({str(one["why"]) for one in missing.values()})) or None,
        metadata={**(more or {}), "cluster": cluster, "unscored": missing},
    )


def metrics() -> dict[str, list[Metric]]:
    """What Inspect shows of each figure: its mean and the ends of its interval, over the cases that have a value.

    How many have none is Inspect's own count.
    """
    return {"*": [mean_scored(), low(), high()]}


@metric(name="mean", scores="unreduced")
def mean_scored() -> Metric:
    """The mean over the cases that have a value; NaN where none has."""

    def of(scores: list[SampleScore]) -> float:
        return _mean(value for value, _ in _scored(scores))

    return of


@metric(name="low", scores="unreduced")
def low() -> Metric:
    """The lower end of the 95 % interval; NaN where there is none."""

    def of(scores: list[SampleScore]) -> float:
        return (between(_scored(scores)) or (math.nan, math.nan))[0]

    return of


@metric(name="high", scores="unreduced")
def high() -> Metric:
    """The upper end of the 95 % interval; NaN where there is none."""

    def of(scores: list[SampleScore]) -> float:
        return (between(_scored(scores)) or (math.nan, math.nan))[1]

    return of


def between(values: Sequence[tuple[float, str]]) -> Interval:
    """The interval of a mean of values and their clusters, the same for the same values; None as for `interval`."""
    if not values:
        return None
    sums: dict[str, list[float]] = {}
    for value, cluster in values:
        row = sums.setdefault(cluster, [0.0, 0.0])
        row[0] += value
        row[1] += 1
    rows = [sums[cluster] for cluster in sorted(sums)]
    return interval(rows, lambda both: both[0] / both[1] if both[1] else None, random.Random(len(values)))


def _scored(scores: Sequence[SampleScore]) -> list[tuple[float, str]]:
    both = ((one.score.as_float(), str((one.score.metadata or {}).get("cluster", one.sample_id))) for one in scores)
    return [(value, cluster) for value, cluster in both if not math.isnan(value)]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found) if found else math.nan
