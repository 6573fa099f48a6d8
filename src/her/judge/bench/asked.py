"""A pair and what a judge said of it, read in the ways that the measures need.

Knows the rule of two orders and what counts as right. Refuses to average over pairs.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from her.judge.bench.figure import Seen
from her.judge.pairs import Pair
from her.judge.verdict import Judged, Judgement, Verdict, Winner, settled


class Outcome(StrEnum):
    """What became of a pair with a known answer; each has exactly one."""

    CORRECT = "correct"
    WRONG = "wrong"
    """The other side won; of two that are equal, one won, or each in turn."""
    TIE = "tie"
    """No winner, or another one in each order, where one is better."""
    UNSCORED = "unscored"


@dataclass(frozen=True)
class Asked:
    """A pair, its judgement, and the tokens that all its answers took; None where nobody told. An order whose margin
    is within `band` of 0 is a tie."""

    pair: Pair
    judgement: Judgement
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    band: float = 0.0

    @property
    def verdict(self) -> Verdict | None:
        """What both orders come to; None without a verdict."""
        return self.judgement.verdict if isinstance(self.judgement.verdict, Verdict) else None

    @cached_property
    def orders(self) -> tuple[Verdict, Verdict] | None:
        """What each order came to, as if both had been asked in the given one; None where either says nothing."""
        sides: tuple[list[Judged], list[Judged]] = ([], [])
        for answer, swapped in zip(self.judgement.asked, self.judgement.swapped, strict=True):
            sides[swapped].append(answer)
        if not all(sides):
            return None
        given, exchanged = (settled(side, ()) for side in sides)
        if not isinstance(given, Verdict) or not isinstance(exchanged, Verdict):
            return None
        return self._banded(given), self._banded(exchanged)

    @property
    def outcome(self) -> Outcome:
        """Whether the judge is right: the summed signs of both orders favour the better one; of two that are equal,
        both orders say so. Ties and missing verdicts are never right where one is better (JudgeBench's rule,
        docs/sources.md). The pair's answer must be known.
        """
        signs, better = self.signs, self.pair.better
        if signs is None:
            return Outcome.UNSCORED
        if better is Winner.TIE:
            return Outcome.CORRECT if self.ties else Outcome.WRONG
        if signs == 0:
            return Outcome.TIE
        return Outcome.CORRECT if (signs > 0) is (better is Winner.FIRST) else Outcome.WRONG

    @property
    def signs(self) -> int | None:
        """How many orders are for the first, less those for the second; None without a verdict."""
        if self.verdict is None:
            return None
        return sum((verdict.margin > 0) - (verdict.margin < 0) for verdict in self.orders or (self.verdict,))

    @property
    def ties(self) -> bool:
        """Whether it is a tie that both orders agree on."""
        return self.signs == 0 and self.agrees is not False

    @property
    def agrees(self) -> bool | None:
        """Whether both orders have the same winner; None where not both have a verdict."""
        return None if self.orders is None else self.orders[0].winner is self.orders[1].winner

    @property
    def flips(self) -> bool:
        """Whether one order has the first as winner and the other the second."""
        return self.orders is not None and {one.winner for one in self.orders} == {Winner.FIRST, Winner.SECOND}

    @property
    def first_slot(self) -> float | None:
        """How much more than half the candidate shown first won, −0.5 to 0.5, ties as halves; None as `orders`."""
        if self.orders is None:
            return None
        given, exchanged = (_points(verdict) for verdict in self.orders)
        return (given + 1 - exchanged) / 2 - 0.5

    @property
    def points(self) -> float | None:
        """1 where the verdict is for the first, 0 for the second, 0.5 for a tie; None without a verdict."""
        return None if self.verdict is None else _points(self.verdict)

    @cached_property
    def doublings(self) -> float | None:
        """How many times the first is to be halved to be as long as the second, by characters that a judge is shown;
        negative where it is the shorter one, None where either is empty."""
        sizes = [len(self.pair.case.shown(text)) for text in (self.pair.first, self.pair.second)]
        return math.log2(sizes[0] / sizes[1]) if all(sizes) else None

    @cached_property
    def place(self) -> str:
        """The place in a dialogue, the same for all pairs that stand there."""
        return place_of(self.pair)

    def _banded(self, verdict: Verdict) -> Verdict:
        return Verdict(0, verdict.findings) if abs(verdict.margin) <= self.band else verdict

    def seen(self, *sums: float) -> Seen:
        """What this pair adds to a figure."""
        return Seen(self.pair.book, self.pair.at.scene.id, self.place, sums)


def place_of(pair: Pair) -> str:
    """A key of the place in a dialogue where the pair stands."""
    return hashlib.sha256(pair.at.model_dump_json().encode()).hexdigest()[:16]


def _points(verdict: Verdict) -> float:
    return {Winner.FIRST: 1.0, Winner.SECOND: 0.0}.get(verdict.winner, 0.5)
