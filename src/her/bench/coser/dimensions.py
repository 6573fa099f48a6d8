"""The four dimensions of CoSER's rubric, the types of their flaws, and the score that flaws come to.

Knows names and one formula. Refuses to know where flaws come from (`judge`, `rescore`).
Source: github.com/Neph0s/CoSER at 624efc5, gca_evaluation; the names are the rubric's, the sentences that explain them
to a judge are ours (prompts/coser-judge).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from her.bench.figures import Figure, Unscored, Value, Why

PER_SEVERITY = 5.0
"""Points that one degree of severity costs."""
PER_TURN = 0.3
"""Severity that each turn of a character takes off again: a longer scene has more room for flaws."""
SEVEREST = 5
BEST = 100.0


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension: `name` in results, `title` as the rubric and its stored files have it, the types of its flaws."""

    name: str
    title: str
    types: tuple[str, ...]


DIMENSIONS = (
    Dimension("storyline-consistency", "Storyline Consistency", ("Storyline Consistency",)),
    Dimension(
        "anthropomorphism",
        "Anthropomorphism",
        ("Self-identity", "Emotional Depth", "Persona Coherence", "Social Interaction"),
    ),
    Dimension(
        "character-fidelity",
        "Character Fidelity",
        (
            "Character Language",
            "Knowledge & Background",
            "Personality & Behavior",
            "Relationship & Social Status",
        ),
    ),
    Dimension("storyline-quality", "Storyline Quality", ("Flow & Progression", "Logical Consistency")),
)
AVERAGE = "average"
FIGURES = (
    *(Figure(one.name, one.title, "higher", "points") for one in DIMENSIONS),
    Figure(AVERAGE, "Average", "higher", "points", headline=True),
    Figure("bleu", "BLEU", "higher", "share"),
    Figure("rouge-l", "ROUGE-L", "higher", "share"),
    Figure("turns", "Turns of characters", "neither", "count"),
    Figure("empty", "Empty turns", "lower", "count"),
    Figure("fallbacks", "Speakers drawn by lot", "lower", "count"),
)


def points(severities: Sequence[float], turns: int, cap: float | None = BEST) -> float:
    """100 - 5 * (sum of severities - 0.3 * turns), not below 0, and not above `cap` where there is one.

    `turns` are the simulated turns of characters, the Environment's not among them.
    """
    reached = max(0.0, BEST - PER_SEVERITY * (sum(severities) - PER_TURN * turns))
    return reached if cap is None else min(reached, cap)


def average(values: Mapping[str, Value]) -> Value:
    """The mean of the four dimensions; Unscored where any of them is, with the first one's reason."""
    found: list[float] = []
    for one in DIMENSIONS:
        value = values.get(one.name, Unscored(Why.UNDEFINED, "it was not judged"))
        if isinstance(value, Unscored):
            return Unscored(value.why, f"{one.title} has no value: {value.detail}".removesuffix(": "))
        found.append(value)
    return math.fsum(found) / len(found)
