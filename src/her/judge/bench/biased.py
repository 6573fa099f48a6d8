"""Judges of known bias: what a bench must find out, planted.

Knows the answers, and how far from them a judge is led. Refuses to read: it judges by the pair's id, places and
lengths alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from her.errors import InputError
from her.judge.bench.attacks import OPENERS
from her.judge.case import Case
from her.judge.compare import judgement
from her.judge.pairs import Pair
from her.judge.verdict import Judged, Judgement, Reason, Unscored, Verdict, Winner

SCHEME = "biased:"
"""How the address of such a judge begins: `biased:position=0.2,length=0.1`."""


@dataclass(frozen=True, slots=True)
class Biases:
    """Chances in 0..1, all 0 for a judge that is always right.

    `position`: an answer is for what is shown first, and nothing else counts. `random`: an answer is a coin's.
    `unreadable`: an answer is none. `opener`: a bare opener wins. `tie_averse`: of two equal ones a coin says which is
    better, the same in both orders. `blind`: a twin is judged as its broken pair was to be. `length`: of two equal
    ones the longer wins, this more often than not for each doubling; may be below 0.
    """

    position: float = 0.0
    random: float = 0.0
    unreadable: float = 0.0
    opener: float = 0.0
    tie_averse: float = 0.0
    blind: float = 0.0
    length: float = 0.0

    def __post_init__(self) -> None:
        """Raises InputError for what is no chance."""
        for one in fields(self):
            value = getattr(self, one.name)
            if not (-1 if one.name == "length" else 0) <= value <= 1:
                raise InputError(f"{SCHEME}{one.name}={value}: a chance is 0 to 1")

    @classmethod
    def of(cls, address: str) -> Biases:
        """The biases of an address such as `biased:position=0.2`; raises InputError for one that names others."""
        names = [one.name for one in fields(cls)]
        found: dict[str, float] = {}
        for part in filter(None, address.removeprefix(SCHEME).split(",")):
            name, _, value = part.partition("=")
            try:
                found[name.strip()] = float(value)
            except ValueError:
                name = ""
            if name.strip() not in names:
                raise InputError(f"{address}: say {SCHEME}NAME=CHANCE,… with names of: {', '.join(names)}")
        return cls(**found)


class Biased:
    """A judge that knows the answers of these pairs and is led astray by chance; both orders, one answer each.

    Of a pair without a known answer the text that sorts first is better, which is transitive.
    """

    def __init__(self, pairs: Iterable[Pair], biases: Biases, rng: random.Random) -> None:
        known = list(pairs)
        self._better: Mapping[str, Winner | None] = {pair.id: pair.better for pair in known}
        self._broken = {pair.id: pair.twin_of for pair in known if pair.kind == "twin"}
        self._biases = biases
        self._rng = rng

    async def judge(self, case: Case) -> Judgement:
        """What both orders come to."""
        opinion = self._opinion(case)
        given, exchanged = self._answer(opinion), self._answer(opinion.other)
        return judgement([given], [exchanged])

    def _opinion(self, case: Case) -> Winner:
        """What it thinks of the texts, wherever they stand."""
        bare = [text in OPENERS.values() for text in (case.first, case.second)]
        if bare[0] != bare[1] and self._happens(self._biases.opener):
            return Winner.FIRST if bare[0] else Winner.SECOND
        better = self._better.get(case.id)
        if better is None:
            return Winner.FIRST if case.first <= case.second else Winner.SECOND
        broken = self._better.get(self._broken.get(case.id, ""))
        if broken is not None and self._happens(self._biases.blind):
            return broken
        if better is not Winner.TIE:
            return better
        if self._happens(self._biases.tie_averse):
            return self._coin(0.5)
        return self._led_by_length(case)

    def _led_by_length(self, case: Case) -> Winner:
        sizes = [len(case.shown(text)) for text in (case.first, case.second)] if self._biases.length else [0, 0]
        if not all(sizes):
            return Winner.TIE
        lead = self._biases.length * math.log2(sizes[0] / sizes[1])
        # A lead of 0.1 moves the mean of 1 (won), 0 (lost) and 0.5 (tie) from 0.5 to 0.6.
        return self._coin(1.0 if lead > 0 else 0.0) if self._happens(2 * abs(lead)) else Winner.TIE

    def _answer(self, opinion: Winner) -> Judged:
        """What it says where `opinion` is told of the places as they are shown."""
        if self._happens(self._biases.unreadable):
            return Unscored(Reason.UNREADABLE, "planted")
        if self._happens(self._biases.random):
            return _verdict(self._coin(0.5))
        return _verdict(Winner.FIRST if self._happens(self._biases.position) else opinion)

    def _happens(self, chance: float) -> bool:
        return self._rng.random() < chance

    def _coin(self, first: float) -> Winner:
        return Winner.FIRST if self._happens(first) else Winner.SECOND


def _verdict(winner: Winner) -> Verdict:
    return Verdict({Winner.FIRST: 1, Winner.SECOND: -1}.get(winner, 0))
