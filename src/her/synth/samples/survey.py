"""The first look at all scenes: which books they are of, which of them hold test cases, and what each book is for.

Knows counts, titles and shared words; afterwards every scene's place is settled. Refuses to write anything, and to
depend on the order of rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from her.errors import InputError
from her.rows.files import sha_of
from her.rows.record import Source
from her.synth.options import PURPOSES, SHARES
from her.synth.reading.book import Book
from her.synth.reading.library import Library
from her.synth.samples.contamination import Contamination, Search, read_tests, words
from her.synth.samples.editions import Edition, title_key, works
from her.synth.samples.splits import Fingerprints, assign
from her.turn import Kind


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """What can be set.

    `shares` are of scenes, by purpose. `pins` settle the purpose of books, by slug or title. `tests` are files in the
    shape of CoSER's test set; `strict_books` keeps their books out whole. `library` is the folder of the books' texts,
    None for `books` beside the target. `licence` is the rows' SPDX identifier, `licences` are the sources', by slug or
    title; empty and absent mean unknown.
    """

    seed: int = 0
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    pins: Mapping[str, str] = field(default_factory=dict)
    tests: tuple[Path, ...] = ()
    strict_books: bool = False
    library: Path | None = None
    licence: str = ""
    licences: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first look has settled: `purpose` by work, for every work that has a scene left."""

    contamination: Contamination
    work: Mapping[Edition, str]
    purpose: Mapping[str, str]


class _Heard(BaseModel):
    kind: Kind
    text: str


class _Spoken(BaseModel):
    segments: tuple[_Heard, ...]


class Glimpse(BaseModel):
    """What the first look takes of a SceneRow's line, at a third of the time that the whole takes."""

    id: str
    source: Source
    turns: tuple[_Spoken, ...]
    original: tuple[_Spoken, ...] = ()

    @property
    def edition(self) -> Edition:
        """The book, as the row names it."""
        return edition_of(self.source)

    @property
    def said(self) -> list[list[str]]:
        """The units of every speech, as it is and as it came in, each text once."""
        turns = (*self.turns, *self.original)
        texts = dict.fromkeys(s.text for turn in turns for s in turn.segments if s.kind is Kind.SPEECH)
        return [words(text) for text in texts]


def survey(rows: Iterable[Glimpse], options: SampleOptions, library: Path) -> Survey:
    """Looks at every scene once. Raises InputError for shares, pins or test sets that cannot be used."""
    tested, unread = read_tests(options.tests)
    search, fingerprints = Search(tested, _texts(library)), Fingerprints()
    scenes: dict[str, Edition] = {}
    slugs: dict[Edition, set[str]] = defaultdict(set)
    for row in rows:
        edition, texts = row.edition, row.said
        search.look(row.id, row.source, texts)
        fingerprints.add(edition, texts)
        scenes.setdefault(row.id, edition)
        slugs[edition].add(row.source.slug)
    tests = tuple(f"{path.name}@{sha_of(path)}" for path in options.tests)
    found = search.settle(strict_books=options.strict_books)
    found = found.model_copy(update={"tests": tests, "unread": tuple(unread)})
    work = works(slugs, fingerprints.together())
    counts = Counter(work[edition] for id, edition in scenes.items() if not found.keeps_out(id, edition))
    pins = _pinned(options.pins, slugs, work)
    return Survey(found, work, assign(counts, shares=options.shares, seed=options.seed, pins=pins))


def edition_of(source: Source) -> Edition:
    """The book of a row, as the row names it."""
    return Edition(source.book, source.author)


def _texts(folder: Path) -> Callable[[str], Book | None]:
    library = Library(folder)
    slugs = frozenset(library.slugs())
    return lambda slug: library.book(slug) if slug in slugs else None


def _pinned(pins: Mapping[str, str], slugs: Mapping[Edition, set[str]], work: Mapping[Edition, str]) -> dict[str, str]:
    """The purpose of each pinned work. Raises InputError for a pin that names no book, and for two on one work."""
    settled: dict[str, str] = {}
    for name, purpose in pins.items():
        if purpose not in PURPOSES:
            raise InputError(f"pins: {name!r} cannot be for {purpose!r}; the purposes are: {', '.join(PURPOSES)}")
        key = title_key(name)
        meant = {work[edition] for edition, known in slugs.items() if name in known or edition.key == key}
        if not meant:
            known = ", ".join(sorted({slug or edition.title for edition, all in slugs.items() for slug in all}))
            raise InputError(f"pins: no scene is of a book {name!r}; there are: {known}")
        for one in meant:
            if settled.setdefault(one, purpose) != purpose:
                told = f"{name!r} is pinned to {purpose}, and as the same book as another to {settled[one]}"
                raise InputError(f"pins: {told}; one book has one purpose")
    return settled
