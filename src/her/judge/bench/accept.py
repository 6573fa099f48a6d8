"""Whether a judge is accepted, line by line: a figure passes where its whole 95 % interval is on the right side.

Knows bars. Refuses to pass what was not measured, or not on enough pairs to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from her.judge.bench.figure import Figure
from her.judge.bench.measures import FIGURES


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach: its lower end `least`, its upper end `most`; None: there is no such end."""

    name: str
    least: float | None = None
    most: float | None = None


BARS = (
    Bar("natural", least=0.70),
    Bar("broken", least=0.85),
    Bar("consistent", least=0.90),
    Bar("length", least=-0.02, most=0.02),
    Bar("first_slot", least=-0.02, most=0.02),
    Bar("opener", most=0.02),
    Bar("unscored", most=0.01),
)
"""HER's own, written down before any judge was measured. A first-slot win rate of 52 % is a preference of 2 points."""


@dataclass(frozen=True, slots=True)
class Line:
    """One bar and what came of it. `why` is a sentence where it is not accepted."""

    bar: Bar
    figure: Figure
    accepted: bool
    why: str = ""


def lines(figures: Mapping[str, Figure]) -> tuple[Line, ...]:
    """Every bar, in order, with its figure; a judge is accepted where all of them are."""
    return tuple(_line(bar, figures[bar.name]) for bar in BARS)


def _line(bar: Bar, figure: Figure) -> Line:
    if figure.value is None:
        return Line(bar, figure, False, f"not measured: there are no {FIGURES[bar.name].of}")
    if figure.low is None or figure.high is None:
        return Line(bar, figure, False, "there are too few books and scenes for an interval")
    if (bar.least is None or figure.low >= bar.least) and (bar.most is None or figure.high <= bar.most):
        return Line(bar, figure, True)
    missed = (bar.least is not None and figure.high < bar.least) or (bar.most is not None and figure.low > bar.most)
    why = "missed" if missed else "the bar is inside the interval; more pairs are needed"
    return Line(bar, figure, False, why)
