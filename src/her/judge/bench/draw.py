"""What a judge is asked: the pairs themselves, openers, triples, and some of the pairs once more.

Knows how a few are drawn so that every part is there. Refuses to know how questions are asked.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from her.errors import InputError
from her.judge.bench.attacks import OPENER, TRIPLE, openers, spread, triples
from her.judge.pairs import Pair, distinct

MOST = {OPENER: 400, "again": 200, TRIPLE: 100}
"""How many are asked where nothing limits them. Of openers at least 183 places are needed to tell that no more than
2 in 100 win (`unseen`)."""
_AGAIN = "again"


@dataclass(frozen=True, slots=True)
class Questions:
    """All that a judge is asked, each in both orders. `again` are ids of `pairs`, asked a second time."""

    pairs: tuple[Pair, ...]
    openers: tuple[Pair, ...]
    triples: tuple[tuple[Pair, Pair, Pair], ...]
    again: tuple[str, ...]

    @property
    def once(self) -> tuple[Pair, ...]:
        """All pairs that are asked once, in order."""
        return (*self.pairs, *self.openers, *(edge for three in self.triples for edge in three))

    @property
    def repeated(self) -> tuple[Pair, ...]:
        """The pairs that are asked once more."""
        known = {pair.id: pair for pair in self.pairs}
        return tuple(known[id] for id in self.again)

    @property
    def size(self) -> int:
        """How many pairs are put to the judge."""
        return len(self.pairs) + len(self.openers) + 3 * len(self.triples) + len(self.again)


def questions(
    pairs: Sequence[Pair], rng: random.Random, *, limit: int | None = None, repeats: bool = True
) -> Questions:
    """What to ask of these pairs, at most `limit` in all: natural pairs, each family of broken ones, neutral ones,
    twins, openers, triples and repeats then take turns.

    Without `repeats` nothing is asked twice: for judges that draw nothing. Raises InputError for no pair, and for an
    id that stands twice.
    """
    if not pairs:
        raise InputError("there is no pair to ask about")
    parts: dict[str, list[Pair]] = {}
    for pair in distinct(pairs):
        parts.setdefault(_part(pair), []).append(pair)
    main = {name: spread(found, _within, rng) for name, found in sorted(parts.items())}
    attacks, threes = openers(pairs, rng), triples(pairs, rng)
    available = {name: len(found) for name, found in main.items()}
    available |= {OPENER: len(attacks), _AGAIN: len(pairs) if repeats else 0, TRIPLE: len(threes)}
    counts = _shared(available, limit)
    drawn = [pair for name, found in main.items() for pair in found[: counts[name]]]
    again = spread(drawn, _part, rng)[: counts[_AGAIN]]
    asked = {pair.id for pair in drawn}
    return Questions(
        pairs=tuple(pair for pair in pairs if pair.id in asked),
        openers=tuple(attacks[: counts[OPENER]]),
        triples=tuple(threes[: counts[TRIPLE]]),
        again=tuple(pair.id for pair in again),
    )


def _shared(available: dict[str, int], limit: int | None) -> dict[str, int]:
    """How many of each part, a round at a time, until the limit is reached or nothing is left; a triple costs 3."""
    most = {name: min(count, MOST.get(name, count)) for name, count in available.items()}
    if limit is None:
        return most
    left, counts = limit, dict.fromkeys(most, 0)
    while True:
        before = left
        for name, enough in most.items():
            cost = 3 if name == TRIPLE else 1
            if counts[name] < enough and left >= cost:
                counts[name] += 1
                left -= cost
        if left == before:
            return counts


def _part(pair: Pair) -> str:
    return f"{pair.kind} {pair.family}" if pair.kind == "broken" else pair.kind


def _within(pair: Pair) -> str:
    """What takes turns inside a part."""
    return "/".join((pair.source, pair.subset, pair.family, str(pair.grade), pair.at.scene.language, pair.base))
