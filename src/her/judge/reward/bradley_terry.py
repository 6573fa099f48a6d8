"""Strengths from comparisons: Bradley and Terry's model with Davidson's ties, and offsets for slot and length.

Knows verdicts between numbered candidates. Refuses to know what a strength is used for.

Of two candidates whose strengths differ by d (in logits, slot and length included), the first wins in e^(d/2) of
e^(d/2) + e^(-d/2) + v cases, and v of them are ties (Davidson, On Extending the Bradley-Terry Model to Accommodate
Ties in Paired Comparison Experiments, 1970). An answer counts by its margin: three for the largest, one for the
slightest and for a tie.

The ridge belongs to the comparisons: each that was answered holds its two candidates to 0 a little. So comparisons
that are lost at random take their share of the ridge with them, and leave what is expected of a strength where it
was; a ridge of a fixed size would pull harder the less is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from her.errors import InputError
from her.judge.reward.rings import Edge
from her.judge.verdict import MOST, Verdict, Winner

RIDGE = 0.1
"""The ridge of one comparison on each of its two, in 1/logits²; ours: in the simulation of docs/judge.md 0.05 to 0.2
differ by less than 0.01."""
LOOSE = 0.03
MEMORY = 50.0
"""The ridge while offsets are learnt, a smaller one, because what it takes off the strengths is missing in the offsets
too; and how firmly old offsets are held: like two hundred comparisons of equals at full weight. Both ours; with them a
planted slot comes back within a third (tests/test_judge_bradley_terry.py)."""
MOST_LENGTH = 0.5
"""The most, in logits, that a difference in length may be made up for; ours."""
_STEPS, _ENOUGH = 60, 1e-6


@dataclass(frozen=True, slots=True)
class Offsets:
    """What moves verdicts beside strength, for all groups alike.

    `first`: what the first slot is worth, in logits. `tie`: log v, how ready the judge is with ties, as they are
    weighed beside wins. `length`: logits for each unit of log length, as measured on pairs of equal quality before
    training, and never learnt from the rewards themselves: where good turns are longer, a fit takes merit for bias.
    """

    first: float = 0.0
    tie: float = -0.7
    length: float = 0.0

    def between(self, first: float, second: float) -> float:
        """What is added to the difference of two strengths, given the log lengths; the length's part is capped."""
        return self.first + max(-MOST_LENGTH, min(MOST_LENGTH, self.length * (first - second)))


@dataclass(frozen=True, slots=True)
class _Told:
    """A readable edge: `score` is ½, 0 or -½ for the first, `offset` all that is not strength."""

    first: int
    second: int
    score: float
    weight: float
    offset: float

    def slopes(self, apart: float, tie: float) -> tuple[float, float, float, float]:
        """Log-likelihood, expected score, variance of the score, and chance of a tie, with strengths so far apart."""
        d = apart + self.offset
        top = max(abs(d) / 2, tie)
        win, lose, even = math.exp(d / 2 - top), math.exp(-d / 2 - top), math.exp(tie - top)
        total = win + lose + even
        expected = (win - lose) / total / 2
        own = self.score * d if self.score else tie
        return own - top - math.log(total), expected, (win + lose) / total / 4 - expected**2, even / total


def fit(
    edges: Iterable[Edge],
    offsets: Offsets | None = None,
    *,
    ridge: float = RIDGE,
    lengths: Mapping[int, float] | None = None,
) -> dict[int, float]:
    """Each candidate's strength in logits, around 0 in every part of the group that hangs together.

    Whoever has no readable comparison is not among them. `lengths` are log lengths; one that is missing counts as the
    other side's. Raises InputError for a ridge that is not above 0.
    """
    if not ridge > 0:
        raise InputError(f"a ridge is above 0, not {ridge}: without one, whoever always wins has no finite strength")
    known = offsets or Offsets()
    told = _told(edges, known, lengths or {})
    names = sorted({name for one in told for name in (one.first, one.second)})
    places = {name: place for place, name in enumerate(names)}
    rows = [(places[one.first], places[one.second], one) for one in told]
    here, there, best = [0.0] * len(names), [0.0] * len(names), -math.inf
    for _ in range(_STEPS):
        value, gradient, curvature = _slopes(rows, there, known.tie, ridge)
        if value < best - 1e-12:  # Newton's step went too far
            there = [(old + new) / 2 for old, new in zip(here, there, strict=True)]
            continue
        here, best, step = there, value, _solved(curvature, gradient)
        there = [old + move for old, move in zip(here, step, strict=True)]
        if max(map(abs, step), default=0.0) < _ENOUGH:
            break
    return dict(zip(names, there, strict=True))


def parts(edges: Iterable[Edge]) -> tuple[tuple[int, ...], ...]:
    """Who hangs together by readable comparisons, that of the lowest number first; whoever has none is in no part.

    Strengths of two parts cannot be compared: each part has a scale of its own.
    """
    found: list[set[int]] = []
    for edge in edges:
        if isinstance(edge.verdict, Verdict):
            both = {edge.first, edge.second}
            joined = both.union(*(part for part in found if part & both))
            found = [part for part in found if not part & joined] + [joined]
    return tuple(sorted(tuple(sorted(part)) for part in found))


def learned(
    groups: Iterable[Sequence[Edge]], offsets: Offsets, *, ridge: float = LOOSE, memory: float = MEMORY
) -> Offsets:
    """The offsets after a batch of groups: slot and readiness with ties moved towards what the batch shows, the length
    as it was.

    Safe while training, since slots are drawn and not chosen. `memory` is how firmly the old ones are held.
    """
    pulls, weights = [0.0, 0.0], [memory, 0.0, memory]
    for group in groups:
        strengths = fit(group, offsets, ridge=ridge)
        for one in _told(group, offsets, {}):
            _, expected, variance, even = one.slopes(strengths[one.first] - strengths[one.second], offsets.tie)
            pulls[0] += one.weight * (one.score - expected)
            pulls[1] += one.weight * ((one.score == 0) - even)
            weights[0] += one.weight * variance
            weights[1] -= one.weight * expected * even
            weights[2] += one.weight * even * (1 - even)
    first, tie = _solved([[weights[0], weights[1]], [weights[1], weights[2]]], pulls)
    # One step a batch, and a small one: strengths were fitted under the old offsets.
    return replace(offsets, first=offsets.first + _small(first), tie=offsets.tie + _small(tie))


def _small(step: float) -> float:
    return max(-1.0, min(1.0, step))


def _told(edges: Iterable[Edge], offsets: Offsets, lengths: Mapping[int, float]) -> list[_Told]:
    scores = {Winner.FIRST: 0.5, Winner.TIE: 0.0, Winner.SECOND: -0.5}
    told = []
    for edge in edges:
        if isinstance(edge.verdict, Verdict):
            first, second = lengths.get(edge.first), lengths.get(edge.second)
            offset = offsets.between(0.0, 0.0) if first is None or second is None else offsets.between(first, second)
            weight = max(1.0, abs(edge.verdict.margin)) / MOST
            told.append(_Told(edge.first, edge.second, scores[edge.verdict.winner], weight, offset))
    return told


def _slopes(
    rows: Sequence[tuple[int, int, _Told]], strengths: Sequence[float], tie: float, ridge: float
) -> tuple[float, list[float], list[list[float]]]:
    """The penalised log-likelihood, its gradient, and its curvature (minus the second derivatives)."""
    value, gradient = 0.0, [0.0] * len(strengths)
    curvature = [[0.0] * len(strengths) for _ in strengths]
    for i, j, one in rows:
        left, right = strengths[i], strengths[j]
        likely, expected, variance, _ = one.slopes(left - right, tie)
        pull, bend = one.weight * (one.score - expected), one.weight * variance
        value += one.weight * likely - ridge * (left * left + right * right) / 2
        gradient[i] += pull - ridge * left
        gradient[j] -= pull + ridge * right
        curvature[i][i] += bend + ridge
        curvature[j][j] += bend + ridge
        curvature[i][j] -= bend
        curvature[j][i] -= bend
    return value, gradient, curvature


def _solved(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> list[float]:
    """The solution of a symmetric, positive definite system, by elimination."""
    rows = [[*row, value] for row, value in zip(matrix, vector, strict=True)]
    size = len(rows)
    for at in range(size):
        lead = rows[at]
        for row in rows[at + 1 :]:
            if factor := row[at] / lead[at]:
                for column in range(at + 1, size + 1):
                    row[column] -= factor * lead[column]
    found = [0.0] * size
    for at in reversed(range(size)):
        row = rows[at]
        found[at] = (row[size] - sum(row[n] * found[n] for n in range(at + 1, size))) / row[at]
    return found
