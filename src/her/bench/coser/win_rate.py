"""How often one run beats another, case by case: a win counts 1, a tie a half.

Knows pairs and their interval. Refuses to compare what only one of the two has a value for; it is counted.
Source: the win rate of CoSER's paper (its code at 93c1474); pairs and intervals are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from her.bench.figures import Unscored, Value, Why, between
from her.checks.intervals import Interval


@dataclass(frozen=True, slots=True)
class WinRate:
    """The share of cases that the first run wins, ties as halves, and its interval (None: too few books).

    `wins`, `ties` and `losses` add up to the pairs; `alone` counts cases of which one run has no value.
    """

    share: Value
    interval: Interval
    wins: int
    ties: int
    losses: int
    alone: int


def win_rate(ours: Mapping[str, Value], theirs: Mapping[str, Value], clusters: Mapping[str, str]) -> WinRate:
    """The win rate of `ours` over `theirs`: the case scores of two runs by case.

    `clusters` names the book of each case: cases of one book share their luck. A case without one stands alone.
    """
    outcomes: list[tuple[float, str]] = []
    cases = sorted(ours.keys() | theirs.keys())
    for case in cases:
        mine, other = ours.get(case), theirs.get(case)
        if isinstance(mine, float | int) and isinstance(other, float | int):
            outcomes.append((0.5 if mine == other else float(mine > other), clusters.get(case, case)))
    wins, ties = (sum(value == point for value, _ in outcomes) for point in (1.0, 0.5))
    share: Value = Unscored(Why.UNDEFINED, "no case has a score in both runs")
    if outcomes:
        share = sum(value for value, _ in outcomes) / len(outcomes)
    losses = len(outcomes) - wins - ties
    return WinRate(share, between(outcomes), wins, ties, losses, len(cases) - len(outcomes))
