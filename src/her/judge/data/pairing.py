"""Which candidates of a place are compared, and which is shown first.

Knows that every candidate should meet as many others as any does. Refuses to pair a candidate that a gate refused,
and two that a judge would see as one.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import Field

from her.errors import InputError
from her.judge.case import Case
from her.judge.data.candidates import Drawn
from her.judge.pairs import Pair
from her.rows.files import read_rows
from her.rows.record import Record

PAIRS = 4
"""Pairs of a place: with eight candidates each is in one, as in the release's data (docs/sources.md)."""


class Paired(Record):
    """What became of candidates: `candidates` is the sum of `refused`, `same` and `usable`; `places` that of
    `with_pairs` and `too_few`; `possible` that of `pairs` and `left_out`."""

    candidates: int = 0
    refused: int = Field(default=0, description="By the gate.")
    same: int = Field(default=0, description="Which a judge would see as another of their place.")
    usable: int = 0
    places: int = 0
    with_pairs: int = 0
    too_few: int = Field(default=0, description="Places with fewer than two usable candidates.")
    possible: int = Field(default=0, description="Pairs of two usable candidates of a place.")
    pairs: int = 0
    left_out: int = Field(default=0, description="Of these, beyond the number asked for.")

    def plus(self, other: Paired) -> Paired:
        """Both counts together."""
        return Paired(**{name: getattr(self, name) + getattr(other, name) for name in Paired.model_fields})


def grouped(paths: Sequence[Path]) -> Iterator[list[Drawn]]:
    """What several models were drawn for each place, place by place in the order of the first file that has it.

    Raises InputError where one file has a place twice or two files mean different places by one id.
    """
    if len(paths) == 1:
        for row in _once(paths[0]):
            yield [row]
        return
    # Several files are held in memory: their places need not stand in the same order.
    found: dict[str, list[Drawn]] = {}
    for path in paths:
        for row in _once(path):
            others = found.setdefault(row.id, [])
            if others and others[0].at != row.at:
                raise InputError(f"{path}: {row.id} is another place than in {paths[0]}; draw both from one data set")
            others.append(row)
    yield from found.values()


def _once(path: Path) -> Iterator[Drawn]:
    seen: set[str] = set()
    for row in read_rows(path, Drawn):
        if row.id in seen:
            raise InputError(f"{path}: the place {row.id!r} stands twice; take one of the two out")
        seen.add(row.id)
        yield row


def paired(place: Sequence[Drawn], most: int, seed: int) -> tuple[tuple[Pair, ...], Paired]:
    """At most `most` pairs of one place, unlabelled, and what became of its candidates.

    The same candidates and seed give the same pairs, whatever other places there are. A pair's id follows from its
    two texts, so that no label can be taken for that of another pair.
    """
    texts = [(row.model, one.text) for row in place for one in row.candidates if not one.refused]
    drawn = sum(len(row.candidates) for row in place)
    at, shown = place[0], set[str]()
    usable: list[tuple[str, str]] = []
    for model, text in texts:
        seen = Case(at.id, at.at.scene, at.at.speaker, (), text, "").shown(text)
        if seen not in shown:
            shown.add(seen)
            usable.append((model, text))
    rng = random.Random(f"{seed}/{at.id}")
    possible = len(usable) * (len(usable) - 1) // 2
    pairs = tuple(_pair(at, usable[one], usable[other]) for one, other in meetings(len(usable), most, rng))
    return pairs, Paired(
        candidates=drawn,
        refused=drawn - len(texts),
        same=len(texts) - len(usable),
        usable=len(usable),
        places=1,
        with_pairs=int(bool(pairs)),
        too_few=int(not pairs),
        possible=possible,
        pairs=len(pairs),
        left_out=possible - len(pairs),
    )


def meetings(count: int, most: int, rng: random.Random) -> list[tuple[int, int]]:
    """At most `most` pairs of the numbers below `count`, no two the same, each number in as many as any other.

    Within one for an even count, within two for an odd one. Which of the two comes first is drawn. Raises
    InputError where none is asked for.
    """
    if most < 1:
        raise InputError(f"at least 1 pair is made of a place, not {most}")
    seats: list[int | None] = [*range(count), *([None] * (count % 2))]
    rng.shuffle(seats)
    found: list[tuple[int, int]] = []
    # Everyone but the first moves on one seat each round: after all rounds each has met each once.
    for _ in range(max(0, len(seats) - 1)):
        for one, other in zip(seats[: len(seats) // 2], reversed(seats[len(seats) // 2 :]), strict=True):
            if one is not None and other is not None:
                found.append((one, other) if rng.random() < 0.5 else (other, one))
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return found[:most]


def _pair(at: Drawn, first: tuple[str, str], second: tuple[str, str]) -> Pair:
    name = hashlib.sha256("\0".join((first[1], second[1])).encode()).hexdigest()[:12]
    return Pair(
        id=f"{at.id}/{name}",
        at=at.at,
        first=first[1],
        second=second[1],
        better=None,
        book=at.book,
        source=", ".join(sorted({first[0], second[0]})),
        subset=at.split,
    )


def all_paired(paths: Iterable[Path], most: int, seed: int) -> Iterator[tuple[tuple[Pair, ...], Paired]]:
    """The pairs of all places of these files, place by place; raises as `grouped`."""
    for place in grouped(tuple(paths)):
        yield paired(place, most, seed)
