"""The figures of a measurement: their names and units, and how those of many turns become one, with an interval.

Knows observations of turns, and scenes as what is drawn. Refuses to know how a figure was got.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from her.checks import Layouts
from her.checks.intervals import Statistic, Sums, interval, total
from her.rows.record import Record
from her.train.measure.rates import Part
from her.turn import Kind

Unit = Literal["share", "words", "per 1000", "bits", "bits/character", "seconds", "count"]


@dataclass(frozen=True, slots=True)
class Figure:
    """What a figure is called in tables, and what it is counted in."""

    label: str
    unit: Unit


_LAYERS = tuple(kind.short for kind in Kind)
LAYOUT_FIGURES = {
    "layout_entropy": Figure("entropy of layouts", "bits"),
    "layout_top": Figure("turns with the commonest layout", "share"),
    "layouts": Figure("different layouts", "count"),
}
"""Figures of all layouts together; the last grows with the number of turns and has no interval."""
FIGURES: dict[str, Figure] = {
    "valid": Figure("valid turns", "share"),
    "for_others": Figure("speaks or acts for others", "share"),
    "mind_reading": Figure("states another's mind as fact", "share"),
    "no_speech": Figure("says nothing aloud", "share"),
    "wrong_language": Figure("in another language", "share"),
    "loop": Figure("goes round in circles", "share"),
    "repeated_sentences": Figure("sentences repeated inside the turn", "share"),
    "own_copy": Figure("speech copied from own earlier speech", "share"),
    "partner_copy": Figure("speech copied from others' speech", "share"),
    "prompt_copy": Figure("words copied from the system message", "share"),
    "slop": Figure("stock phrases, our list", "per 1000"),
    "slop_list": Figure("stock phrases, list given", "per 1000"),
    **{f"{name}_length": Figure(f"length of {name}, where there is one", "words") for name in _LAYERS},
    **LAYOUT_FIGURES,
    "binding": Figure("bound to its scene", "bits/character"),
    "binding_shuffled": Figure("bound to its scene, replies of other turns", "bits/character"),
    **{f"bits_{name}": Figure(f"{name} as written, with plans", "bits/character") for name in _LAYERS},
    **{f"plain_bits_{name}": Figure(f"{name} as written, no plans", "bits/character") for name in _LAYERS[1:]},
    "tokens": Figure("tokens of a reply", "count"),
    "seconds": Figure("seconds of a reply", "seconds"),
}
"""All figures in the order of tables."""


class Observation(Record):
    """What was seen at one turn: of a model (its reply with a seed, or its weights on the turn), or of the gold."""

    turn: str = Field(description="Scene and turn.")
    scene: str
    gold: bool = False
    seed: int | None = None
    layout: str = ""
    figures: dict[str, Part]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of many turns. `low` and `high` are None where no interval can be made (see `intervals`); `turns`
    counts observations, `scenes` the scenes that they are of."""

    value: float
    low: float | None
    high: float | None
    turns: int
    scenes: int


def estimates(observations: Sequence[Observation]) -> dict[str, Estimate]:
    """Every figure that these observations hold, in the order of tables."""
    found: dict[str, Estimate] = {}
    for name in FIGURES:
        held = [observation for observation in observations if has(observation, name)]
        columns = _columns(name, held)
        scenes = [*_by_scene(name, held, columns).values()]
        made = _statistic(name, columns)
        value = made(total(scenes)) if scenes else None
        if value is None:
            continue
        ends = None if name == "layouts" else interval(scenes, made, random.Random(0))
        low, high = ends or (None, None)
        found[name] = Estimate(value, low, high, len(held), len(scenes))
    return found


def joint(
    name: str, sides: Sequence[Sequence[Observation]]
) -> tuple[list[list[float]], Callable[[Sums], list[float | None]]]:
    """Scenes as rows with the sums of every side, and how a figure of each side is made of such a row's sums.

    All observations must have the figure.
    """
    columns = _columns(name, [each for side in sides for each in side])
    scenes = [_by_scene(name, side, columns) for side in sides]
    made, size, nothing = _statistic(name, columns), len(columns), [0.0] * len(columns)
    rows = [[part for side in scenes for part in side.get(scene, nothing)] for scene in sorted(set().union(*scenes))]
    return rows, lambda sums: [made(sums[at : at + size]) for at in range(0, len(sums), size)]


def has(observation: Observation, name: str) -> bool:
    """Whether a figure applies to an observation."""
    if name in LAYOUT_FIGURES:
        return bool(observation.layout)
    return name in observation.figures and observation.figures[name].whole > 0


def _columns(name: str, observations: Iterable[Observation]) -> tuple[str, ...]:
    """What a figure is made of: the layouts that there are, or a part and its whole."""
    if name in LAYOUT_FIGURES:
        return tuple(sorted({observation.layout for observation in observations}))
    return Part._fields


def _by_scene(name: str, observations: Iterable[Observation], columns: Sequence[str]) -> dict[str, list[float]]:
    """For each scene the sums of a figure's columns; all observations must have the figure."""
    rows: dict[str, list[Sequence[float]]] = {}
    for observation in observations:
        if name in LAYOUT_FIGURES:
            row: Sequence[float] = [float(observation.layout == column) for column in columns]
        else:
            row = observation.figures[name]
        rows.setdefault(observation.scene, []).append(row)
    return {scene: total(found) for scene, found in sorted(rows.items())}


def _statistic(name: str, columns: Sequence[str]) -> Statistic:
    """How a figure is made of the sums of its columns."""
    if name not in LAYOUT_FIGURES:
        return lambda sums: sums[0] / sums[1] if sums[1] else None

    def made(sums: Sequence[float]) -> float | None:
        counts = sorted(((layout, round(n)) for layout, n in zip(columns, sums, strict=True) if n), key=_most)
        found = Layouts(tuple(counts), 0)
        told: Mapping[str, float | None] = {
            "layout_entropy": found.entropy,
            "layout_top": found.top_share,
            "layouts": found.distinct,
        }
        return told[name]

    return made


def _most(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]
