"""Who is compared with whom: oriented rings among candidates, and calls against a reference.

Knows places, slots and how often each candidate stands in which. Refuses to know what is said of them.

A ring seats the candidates in a circle and shows each with the one `offset` seats further on, itself first: everyone
is shown first once and second once, so that a judge who favours a slot favours nobody. Of m candidates that passed
the gate:

| m | calls among them |
|---|---|
| 0, 1 | none |
| 2 | the one pair, in both orders |
| 3, 4 | one ring |
| 5 and more | as many rings as are asked for, while no pair would come twice: (m - 1) // 2 at most |
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from her.errors import InputError
from her.judge.verdict import Judged

REFERENCE = -1
"""The reference's place among candidates that are numbered from 0."""

Call = tuple[int, int]
"""Who is shown first, and who second."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A call and what came of it; `verdict` is in the order of the call."""

    first: int
    second: int
    verdict: Judged

    def __post_init__(self) -> None:
        """Raises InputError where one is compared with itself, and for a place that is none."""
        if self.first == self.second or min(self.first, self.second) < REFERENCE:
            raise InputError(f"{self.first} and {self.second} cannot be compared: give two places, or {REFERENCE}")


def ring(size: int, offset: int) -> tuple[Call, ...]:
    """Each of `size` with the one `offset` seats on; a ring of two is a pair in both orders.

    Raises InputError for an offset that leads back to the same seat.
    """
    if offset % size == 0:
        raise InputError(f"an offset of {offset} in a ring of {size} compares everyone with itself; take another")
    return tuple((seat, (seat + offset) % size) for seat in range(size))


@cache
def offsets(size: int, rings: int) -> tuple[int, ...]:
    """The offsets of so many rings of `size`, fewer where a pair would come twice; empty where nobody can be compared.

    Each ring is the one that leaves the least uncertainty about strengths, given those before it: the sum of the
    inverse eigenvalues of the circle's Laplacian, which for equal answers is the mean variance of a strength.
    """
    most = 1 if 2 <= size <= 4 else max(0, (size - 1) // 2)
    chosen: list[int] = []
    while len(chosen) < min(rings, most):
        left = [offset for offset in range(1, max(2, (size + 1) // 2)) if offset not in chosen]
        chosen.append(min(left, key=lambda offset: (_uncertainty(size, [*chosen, offset]), offset)))
    return tuple(chosen)


def _uncertainty(size: int, chosen: Sequence[int]) -> float:
    waves = range(1, size)
    known = [sum(2 - 2 * math.cos(2 * math.pi * wave * offset / size) for offset in chosen) for wave in waves]
    # Rounded, because offsets that are each other's mirror differ in the last digit.
    return math.inf if min(known) < 1e-9 else round(sum(1 / one for one in known), 9)


def calls(passing: Sequence[int], rng: random.Random, *, rings: int = 2, anchors: int = 4) -> tuple[Call, ...]:
    """The calls for a group, in an order of seats that `rng` draws: rings first, then `anchors` against the reference.

    Anchored calls go round the candidates; slots alternate, and a candidate that comes again stands in the other one.
    """
    seats = rng.sample(passing, len(passing))
    among = [
        (seats[first], seats[second])
        for offset in offsets(len(seats), rings)
        for first, second in ring(len(seats), offset)
    ]
    begins = rng.randrange(2)
    for number in range(anchors if seats else 0):
        lap, seat = divmod(number, len(seats))
        call = (seats[seat], REFERENCE)
        among.append(call[::-1] if (begins + lap + seat) % 2 else call)
    return tuple(among)
