"""Rewards and advantages of a group: candidates for one place, and the comparisons between them.

Knows gates' refusals, edges and penalties. Refuses to know models, prompts and trainers.

The rules, with m the candidates that passed the gate:
- m = 0: the group is skipped. m = 1: calls against the reference; where none can be made, 0.5. m ≥ 2: see `rings`.
- A reward lies in 0..1: the chance of winning against the reference where one was in the comparisons, else against
  the group's own middle; less the penalties. One that was refused at the gate has 0.
- Whoever has no readable verdict has no reward, an advantage of exactly 0 and no part in the mean. No missing verdict
  is a win, a loss or a tie.
- So it is with those whom no chain of verdicts joins to the reference (where nobody was compared with one: to the
  largest part of the group, and of two of one size to that of the first candidate): their strengths are on a scale of
  their own.
- An advantage is a reward less the mean. It is not divided by the deviation: that blows up differences that are noise
  (Liu et al., Understanding R1-Zero-Like Training, arXiv 2503.20783).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from her.errors import InputError
from her.judge.reward import rings
from her.judge.reward.bradley_terry import RIDGE, Offsets, fit, parts
from her.judge.reward.rings import REFERENCE, Call, Edge
from her.judge.verdict import Verdict, Winner
from her.rows.record import Refusal

MOST_PENALTY = 0.2
"""The most that one penalty may take; ours: no penalty alone turns a clear win into a tie."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of a candidate before anyone compares it. `units` are the words that a judge sees; the penalties
    are 0..1 (`penalties`)."""

    refusals: tuple[Refusal, ...] = ()
    units: int = 0
    overlong: float = 0.0
    pattern: float = 0.0
    repetition: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the gate let it through."""
        return not self.refusals


@dataclass(frozen=True, slots=True)
class Design:
    """How groups are compared and rewarded. `paper` is HER's own rule; the rest does not apply to it."""

    rings: int = 2
    anchors: int = 4
    overlong: float = 0.15
    pattern: float = 0.1
    repetition: float = 0.1
    ridge: float = RIDGE
    paper: bool = False

    def __post_init__(self) -> None:
        """Raises InputError for a penalty that is no share of MOST_PENALTY, and for fewer than no calls."""
        for name in ("overlong", "pattern", "repetition"):
            if not 0 <= getattr(self, name) <= MOST_PENALTY:
                raise InputError(f"{name}: a penalty takes 0 to {MOST_PENALTY}, not {getattr(self, name)}")
        if min(self.rings, self.anchors) < 0:
            raise InputError(f"rings and anchors are 0 or more, not {self.rings} and {self.anchors}")

    def calls(self, passing: Sequence[int], rng: random.Random, *, reference: bool = True) -> tuple[Call, ...]:
        """Who is to be compared with whom, of the candidates that passed; `reference` says whether there is one."""
        if self.paper:
            return tuple((one, REFERENCE) for one in passing) if reference else ()
        return rings.calls(passing, rng, rings=self.rings, anchors=self.anchors if reference else 0)


OURS = Design()
HER = Design(paper=True)
PRESETS = {"ours": OURS, "her": HER}
"""`her`: one call a candidate against the reference, +1, 0 or -1 (the paper on RL, second-hand: docs/sources.md);
the candidate is shown first. Refused ones, which the paper does not have, get -1."""


@dataclass(frozen=True, slots=True)
class Reward:
    """What one candidate gets. `value` None: no verdict joins it to those who are rewarded. `strength` is in logits,
    None outside a fit. `read` and `unread` count the answers to its comparisons."""

    value: float | None
    advantage: float = 0.0
    strength: float | None = None
    read: int = 0
    unread: int = 0


def rewards(
    candidates: Sequence[Candidate], edges: Sequence[Edge], design: Design = OURS, offsets: Offsets | None = None
) -> tuple[Reward, ...] | None:
    """The rewards of a group in its order; None where nobody passed the gate, and the group is to be skipped.

    Raises InputError for an edge of somebody who is not in the group or was refused.
    """
    passing = [at for at, one in enumerate(candidates) if one.passed]
    _checked(edges, {*passing, REFERENCE}, len(candidates))
    if not passing:
        return None
    found = _against_reference(edges, passing) if design.paper else _compared(candidates, edges, design, offsets)
    lowest = Reward(-1.0 if design.paper else 0.0)
    group = [found.get(at, Reward(None)) if one.passed else lowest for at, one in enumerate(candidates)]
    given = [one.value for one in group if one.value is not None]
    middle = fmean(given) if given else 0.0
    return tuple(
        replace(
            one,
            advantage=0.0 if one.value is None else one.value - middle,
            read=sum(at in (e.first, e.second) and isinstance(e.verdict, Verdict) for e in edges),
            unread=sum(at in (e.first, e.second) and not isinstance(e.verdict, Verdict) for e in edges),
        )
        for at, one in enumerate(group)
    )


def won(edges: Sequence[Edge], one: int, other: int = REFERENCE) -> tuple[float, int]:
    """Wins of one against another, ties as halves, and how many verdicts there are; what cannot be read is neither."""
    points = [_points(edge, one) for edge in edges if {edge.first, edge.second} == {one, other}]
    return sum((point + 1) / 2 for point in points if point is not None), sum(point is not None for point in points)


def _checked(edges: Sequence[Edge], known: set[int], size: int) -> None:
    for number, edge in enumerate(edges):
        if stranger := {edge.first, edge.second} - known:
            at = min(stranger)
            why = "was refused at the gate and takes no part" if 0 <= at < size else f"is not in a group of {size}"
            raise InputError(f"edge {number} ({edge.first}, {edge.second}): candidate {at} {why}; leave the edge out")


def _points(edge: Edge, one: int) -> int | None:
    """+1, 0 or -1 for one of an edge's two; None where there is no verdict."""
    if not isinstance(edge.verdict, Verdict):
        return None
    verdict = edge.verdict if edge.first == one else edge.verdict.swapped
    return {Winner.FIRST: 1, Winner.TIE: 0, Winner.SECOND: -1}[verdict.winner]


def _against_reference(edges: Sequence[Edge], passing: Sequence[int]) -> dict[int, Reward]:
    """HER's rule; several calls for one candidate are averaged."""
    found: dict[int, Reward] = {}
    for at in passing:
        points = [_points(edge, at) for edge in edges if {edge.first, edge.second} == {at, REFERENCE}]
        if read := [point for point in points if point is not None]:
            found[at] = Reward(fmean(read))
    return found


def _compared(
    candidates: Sequence[Candidate], edges: Sequence[Edge], design: Design, offsets: Offsets | None
) -> dict[int, Reward]:
    passing = [at for at, one in enumerate(candidates) if one.passed]
    if len(passing) == 1 and not edges:
        return {passing[0]: Reward(_less(0.5, candidates[passing[0]], design))}
    lengths = {at: math.log(candidates[at].units) for at in passing if candidates[at].units > 0}
    strengths = fit(edges, offsets, ridge=design.ridge, lengths=lengths)
    # Of equals `max` takes the first, which is that of the first candidate.
    part = max(parts(edges), key=lambda one: (REFERENCE in one, len(one)), default=())
    known = [at for at in part if at != REFERENCE]
    middle = strengths[REFERENCE] if REFERENCE in part else fmean([strengths[at] for at in known] or [0.0])
    return {
        at: Reward(_less(_chance(strengths[at] - middle), candidates[at], design), strength=strengths[at])
        for at in known
    }


def _chance(logits: float) -> float:
    if logits < 0:
        return math.exp(logits) / (1 + math.exp(logits))
    return 1 / (1 + math.exp(-logits))


def _less(value: float, one: Candidate, design: Design) -> float:
    """The value less the penalties, in 0..1; a penalty that is not in 0..1 counts as the nearest that is."""
    shares = ((design.overlong, one.overlong), (design.pattern, one.pattern), (design.repetition, one.repetition))
    return min(1.0, max(0.0, value - sum(most * min(1.0, max(0.0, share)) for most, share in shares)))
