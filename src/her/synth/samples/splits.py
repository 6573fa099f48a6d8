"""Who gets which book: four purposes that share no book, and books that share text are one book.

Knows counts of scenes by book. Refuses to cut inside a book: a turn, a scene or a chapter on one side gives away its
neighbours on the other.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, islice
from operator import add
from zlib import crc32

from her.checks.units import run_length
from her.errors import InputError
from her.synth.options import PURPOSES, SHARES
from her.synth.samples.editions import Edition

RUN = 8
"""Words in a run that counts as shared text: two novels share almost none by chance (docs/sources.md)."""
SAMPLED = 32
"""One run in so many is kept as a fingerprint: about eight a scene, 25 MB for 30,000 scenes."""
SHARED_RUNS = 4
"""Fingerprints that two books must share to be one: about 130 shared runs, more than any quotation or poem."""
SHARED_PART = 0.05
"""And the part of the smaller book's fingerprints: an omnibus shares whole novels, a motto is far below."""


def assign(
    books: Mapping[str, int],
    *,
    shares: Mapping[str, float] = SHARES,
    seed: int = 0,
    pins: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The purpose of every book that has scenes; depends on names, counts, shares, seed and pins alone.

    Books come in an order by hash, each to the purpose that is furthest below its share of scenes. A purpose that is
    then left without a book gets the smallest one of a purpose that has several, as long as there are enough books.
    `pins` are books whose purpose is settled. Raises InputError for shares that cannot be met.
    """
    targets, pins = _targets(shares, sum(books.values())), pins or {}
    order = sorted((book for book, scenes in books.items() if scenes), key=lambda book: _rank(seed, book))
    chosen: dict[str, str] = {book: pins[book] for book in order if book in pins}
    filled = Counter[str]()
    for book, purpose in chosen.items():
        filled[purpose] += books[book]
    for book in order:
        if book not in chosen:
            purpose = max(targets, key=lambda name: targets[name] - filled[name])
            chosen[book] = purpose
            filled[purpose] += books[book]
    for purpose in targets:
        if purpose in chosen.values():
            continue
        count = Counter(chosen.values())
        free = [book for book in order if book not in pins and count[chosen[book]] > 1]
        # With fewer books than purposes the first purposes have them.
        free = free or [book for book in order if book not in pins and _later(chosen[book], purpose)]
        if free:
            chosen[min(free, key=lambda book: (books[book], _rank(seed, book)))] = purpose
    return {book: chosen[book] for book in sorted(chosen)}


def _later(one: str, other: str) -> bool:
    return PURPOSES.index(one) > PURPOSES.index(other)


def _targets(shares: Mapping[str, float], scenes: int) -> dict[str, float]:
    if strange := sorted(set(shares) - set(PURPOSES)):
        raise InputError(f"shares: there is no purpose {strange[0]!r}; the purposes are: {', '.join(PURPOSES)}")
    total = sum(shares.values())
    if any(not share >= 0 for share in shares.values()) or not 0 < total < float("inf"):
        raise InputError(f"shares: {dict(shares)} must be numbers from 0 up, at least one of them above 0")
    return {purpose: scenes * shares[purpose] / total for purpose in PURPOSES if shares.get(purpose, 0) > 0}


def _rank(seed: int, book: str) -> str:
    return hashlib.sha256(f"{seed}/{book}".encode()).hexdigest()


class Fingerprints:
    """A sample of the runs of words in each book, by which books that share text are found.

    The same run is sampled wherever it stands, so two extracts of one text meet however they were cut.
    """

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        self._others: dict[int, set[int]] = {}
        self._editions: dict[Edition, int] = {}
        self._marks = _Marks()

    def add(self, edition: Edition, texts: Iterable[Sequence[str]]) -> None:
        """Takes in texts of a book, each as its units."""
        number = self._editions.setdefault(edition, len(self._editions))
        for words in texts:
            size = RUN if all(map(str.isascii, words)) else run_length(words, RUN)
            if len(words) < size:
                continue
            marks = list(map(self._marks.__getitem__, words))
            sums = map(add, marks, islice(marks, size - 1, None))
            for at in [at for at, total in enumerate(sums) if total == SAMPLED - 1]:
                digest = crc32(" ".join(words[at : at + size]).encode())
                if self._first.setdefault(digest, number) != number:
                    self._others.setdefault(digest, set()).add(number)

    def together(self) -> list[tuple[Edition, Edition]]:
        """The pairs of books that share text."""
        size, shared = Counter(self._first.values()), Counter[tuple[int, int]]()
        for digest, others in self._others.items():
            size.update(others)
            shared.update(combinations(sorted({self._first[digest], *others}), 2))
        by_number = list(self._editions)
        return [
            (by_number[one], by_number[other])
            for (one, other), count in sorted(shared.items())
            if count >= SHARED_RUNS and count >= SHARED_PART * min(size[one], size[other])
        ]


class _Marks(dict[str, int]):
    """A number below SAMPLED for every word, the same in every run of the program."""

    def __missing__(self, word: str) -> int:
        mark = self[word] = crc32(word.encode()) % SAMPLED
        return mark


def by_purpose(chosen: Mapping[str, str]) -> dict[str, list[str]]:
    """The books of each purpose, empty ones too."""
    found: dict[str, list[str]] = defaultdict(list)
    for book, purpose in chosen.items():
        found[purpose].append(book)
    return {purpose: sorted(found[purpose]) for purpose in PURPOSES}
