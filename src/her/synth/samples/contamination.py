"""Which scenes hold a case of CoSER's test set: by its numbers, by its words, by its place in the book.

Knows the test set's cases and the books that rows come from. Refuses to throw out a book for its title: where book and
case have one title but no words in common, it says so and lets the book pass, unless whole books are to stay out.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Literal

from her.checks.units import run_length, runs, unit_spans
from her.coser import Case, cases
from her.errors import SceneError
from her.markup import Style, parse
from her.rows.record import Record, Source
from her.scene import fold, read_json
from her.synth.reading.book import Book
from her.synth.samples.editions import Edition, same_book
from her.turn import ENVIRONMENT, Kind

By = Literal["numbers", "words", "place", "book"]
"""CoSER's own numbers; shared words; a span that touches the case's place in the text; a book kept out whole."""

RUN = 8
"""Words in a run (characters of Chinese: half as many again, as in `units`). In *Pride and Prejudice* 10 of 122,917
runs of eight words come twice, chapter headings aside, and 26 test cases of other books share none with it."""
SAME_BOOK = 2
"""Shared runs that tell in the case's own book, nine words on end: a set phrase comes again there, rarely longer."""
ELSEWHERE = 6
"""Shared runs that tell in any other book: 13 words on end, the usual length where text of test sets is looked for in
training text (docs/sources.md)."""
ELSEWHERE_PART = 0.1
"""And the part of the shorter one's runs: two novels may quote one prayer."""
GAP = 3_000
"""Characters without a shared run that end a place: longer than a letter that a dialogue leaves out, shorter than a
chapter."""
MARGIN = 500
"""Characters before and after, in its chapter, that belong to a place: the first and last lines of a dialogue are
often too short, or too much changed, to be found."""

Run = tuple[str, ...]

_STRAIGHT = str.maketrans("’‘“”—–…", '\' ""---')
"""What keeps most English text from being ASCII; a left quotation mark is never an apostrophe."""
_ASCII = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
"""What a unit of `her.checks.units` is where all is ASCII, found three times as fast."""


@dataclass(frozen=True, slots=True)
class Tested:
    """A case of a test set: CoSER's plot and conversation, and the runs of `size` units in what its characters say."""

    id: str
    edition: Edition
    numbers: tuple[int, int]
    runs: frozenset[Run]
    size: int


class Place(Record):
    """Where in a book's text a case stands, in characters; `shared` is how many of its runs stand there."""

    slug: str
    start: int
    end: int
    shared: int


class Sign(Record):
    """One sign that a scene holds a case; `shared` counts runs, `part` is their part of the shorter one's runs."""

    scene: str
    case: str
    by: By
    shared: int = 0
    part: float = 0.0


class Finding(Record):
    """What is known of one case: books that have or may have it, places, scenes kept out, and by what signs."""

    case: str
    book: str
    books: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    scenes: tuple[str, ...] = ()
    by: tuple[By, ...] = ()


class Contamination(Record):
    """What a look at all scenes has found.

    `findings` are the cases whose book is among the sources, or that were found in another. `books` stay out whole.
    `unread` are cases that could not be read, with the reason.
    """

    tests: tuple[str, ...] = ()
    cases: int = 0
    findings: tuple[Finding, ...] = ()
    signs: tuple[Sign, ...] = ()
    books: tuple[Edition, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def not_found(self) -> tuple[str, ...]:
        """Cases whose book is among the sources by its title, but which no sign was found of: a translation, say."""
        return tuple(finding.case for finding in self.findings if not finding.scenes and not finding.places)

    @cached_property
    def _signed(self) -> dict[str, frozenset[By]]:
        by: dict[str, set[By]] = defaultdict(set)
        for sign in self.signs:
            by[sign.scene].add(sign.by)
        return {scene: frozenset(signs) for scene, signs in by.items()}

    def keeps_out(self, scene: str, edition: Edition) -> frozenset[By]:
        """By what signs a scene stays out; empty where it may pass."""
        whole: frozenset[By] = frozenset({"book"}) if edition in self.books else frozenset()
        return self._signed.get(scene, frozenset()) | whole


def read_tests(paths: Iterable[Path]) -> tuple[list[Tested], list[str]]:
    """The cases of test sets, and a line for each that cannot be read. Raises SceneError for a file of other shape."""
    tested: dict[str, Tested] = {}
    unread: list[str] = []
    for path in paths:
        try:
            for where, case, _ in cases(read_json(path), path.stem):
                if isinstance(case, Case):
                    id = case.id if case.id not in tested else f"{case.id} ({path.name}, {where})"
                    tested[id] = _tested(id, case)
                else:
                    unread.append(f"{path.name}: {case}")
        except SceneError as error:
            raise SceneError(f"{path}: {error}") from error
    return list(tested.values()), unread


def _tested(id: str, case: Case) -> Tested:
    """What the Environment says is left out: it is a summary that somebody wrote later."""
    lines = (line for line in case.dialogues if fold(line.character) != fold(ENVIRONMENT))
    turns = (parse(line.message, style=Style.BRACKETS, speaker=line.character).turn for line in lines)
    texts = [words(s.text) for turn in turns for s in turn.segments if s.kind is Kind.SPEECH]
    size = run_length([word for text in texts for word in text], RUN)
    found = frozenset(run for text in texts for run in runs(text, size))
    return Tested(id, Edition(case.book), (case.i_p or 0, case.i_c or 0), found, size)


def words(text: str) -> list[str]:
    """The units of a text (`her.checks.units`); ligatures, full-width letters and composition do not count."""
    straight = text.translate(_STRAIGHT)
    if straight.isascii():
        return _ASCII.findall(straight.lower())
    return [word for word, _, _ in word_spans(text)]


def word_spans(text: str) -> list[tuple[str, int, int]]:
    """The same with the character offsets they stand at."""
    return [
        span if span[0].isascii() else (unicodedata.normalize("NFKC", span[0]).casefold(), *span[1:])
        for span in unit_spans(text)
    ]


class Search:
    """Looks at scenes one by one, in any order, and settles at the end what they hold.

    `text_of` gives the book behind a slug, or None where there is no text; it is asked once for each book.
    """

    def __init__(self, tested: Sequence[Tested], text_of: Callable[[str], Book | None]) -> None:
        self._tested, self._text_of = tested, text_of
        self._by_run: dict[int, dict[Run, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._by_numbers: dict[tuple[int, int], list[int]] = defaultdict(list)
        for n, case in enumerate(tested):
            self._by_numbers[case.numbers].append(n)
            for run in case.runs:
                self._by_run[case.size][run].append(n)
        self._places: dict[tuple[Edition, str], list[tuple[int, Place]]] = {}
        self._home: dict[Edition, set[int]] = {}
        self._signs: list[tuple[Edition, int, Sign]] = []

    def look(self, scene: str, source: Source, texts: Sequence[Sequence[str]]) -> None:
        """Takes in one scene by its id and source; `texts` are the units of what is said in it."""
        edition, start, end = Edition(source.book, source.author), source.start, source.end
        places = self._places_in(edition, source.slug)
        home = self._home[edition]
        signs: list[tuple[int, By, int, float]] = []
        if source.plot is not None and source.conversation is not None:
            alike = self._by_numbers.get((source.plot, source.conversation), [])
            signs += [(n, "numbers", 0, 0.0) for n in alike if same_book(edition, self._tested[n].edition)]
        signs += [(n, "words", shared, part) for n, shared, part in self._overlaps(texts)]
        home |= {n for n, by, shared, part in signs if by == "words" and tells(shared, part, home=False)}
        if start is not None and end is not None:
            signs += [(n, "place", p.shared, 0.0) for n, p in places if start < p.end and p.start < end]
        for n, by, shared, part in signs:
            sign = Sign(scene=scene, case=self._tested[n].id, by=by, shared=shared, part=round(part, 4))
            self._signs.append((edition, n, sign))

    def _overlaps(self, texts: Sequence[Sequence[str]]) -> Iterator[tuple[int, int, float]]:
        """Each case that shares runs with the texts, how many, and the part of the shorter one's."""
        for size, known in self._by_run.items():
            if all(known.keys().isdisjoint(runs(text, size)) for text in texts):
                continue
            mine = {run for text in texts for run in runs(text, size)}
            shared = Counter(n for run in mine & known.keys() for n in known[run])
            for n, count in sorted(shared.items()):
                yield n, count, count / min(len(mine), len(self._tested[n].runs))

    def _places_in(self, edition: Edition, slug: str) -> list[tuple[int, Place]]:
        """The places of cases in the text behind a slug; cases of that title, and those with a place, are at home."""
        if (edition, slug) not in self._places:
            alike = {n for n, case in enumerate(self._tested) if same_book(edition, case.edition)}
            book = self._text_of(slug) if slug and self._tested else None
            places = list(self._found_in(book, alike)) if book else []
            self._places[edition, slug] = places
            self._home.setdefault(edition, set()).update(alike, (n for n, _ in places))
        return self._places[edition, slug]

    def _found_in(self, book: Book, alike: set[int]) -> Iterator[tuple[int, Place]]:
        spans = word_spans(book.text)
        text = [word for word, _, _ in spans]
        for size, known in self._by_run.items():
            hits: dict[int, list[int]] = defaultdict(list)
            for at, run in enumerate(runs(text, size)):
                for n in known.get(run, ()):
                    hits[n].append(at)
            for n, ats in sorted(hits.items()):
                for stretch in _stretches(ats, lambda at: spans[at][1]):
                    shared = len({tuple(text[at : at + size]) for at in stretch})
                    if tells(shared, shared / len(self._tested[n].runs), home=n in alike):
                        start, end = _with_margin(book, spans[stretch[0]][1], spans[stretch[-1] + size - 1][2])
                        yield n, Place(slug=book.slug, start=start, end=end, shared=shared)

    def settle(self, *, strict_books: bool = False) -> Contamination:
        """What all looks have found; with `strict_books` a book that has a case, or has its title, stays out whole."""
        kept: dict[int, list[Sign]] = defaultdict(list)
        for edition, n, sign in self._signs:
            if sign.by != "words" or tells(sign.shared, sign.part, home=n in self._home[edition]):
                kept[n].append(sign)
        books: dict[int, set[str]] = defaultdict(set)
        for edition, home in self._home.items():
            for n in home:
                books[n].add(edition.title)
        places: dict[int, list[Place]] = defaultdict(list)
        for n, place in chain.from_iterable(self._places.values()):
            places[n].append(place)
        found = [
            Finding(
                case=self._tested[n].id,
                book=self._tested[n].edition.title,
                books=tuple(sorted(books[n])),
                places=tuple(sorted(places[n], key=lambda place: (place.slug, place.start))),
                scenes=tuple(sorted({sign.scene for sign in kept[n]})),
                by=tuple(sorted({sign.by for sign in kept[n]})),
            )
            for n in sorted(books.keys() | kept.keys(), key=lambda n: self._tested[n].id)
        ]
        return Contamination(
            cases=len(self._tested),
            findings=tuple(found),
            signs=tuple(sorted(chain.from_iterable(kept.values()), key=lambda s: (s.scene, s.case, s.by))),
            books=tuple(sorted((e for e, home in self._home.items() if home and strict_books), key=lambda e: e.title)),
        )


def tells(shared: int, part: float, *, home: bool) -> bool:
    """Whether so many shared runs are a sign; `home` is the case's own book."""
    return shared >= SAME_BOOK if home else shared >= ELSEWHERE and part >= ELSEWHERE_PART


def _stretches(ats: Sequence[int], place: Callable[[int], int]) -> Iterator[list[int]]:
    """The positions in groups, with no more than GAP characters between two of one group."""
    group: list[int] = []
    for at in ats:
        if group and place(at) - place(group[-1]) > GAP:
            yield group
            group = []
        group.append(at)
    yield group


def _with_margin(book: Book, start: int, end: int) -> tuple[int, int]:
    """The stretch with its margins, which stay in its chapters."""
    inside = [chapter for chapter in book.chapters if chapter.start < end and start < chapter.end]
    low = min((chapter.start for chapter in inside), default=0)
    high = max((chapter.end for chapter in inside), default=book.size)
    return min(start, max(low, start - MARGIN)), max(end, min(high, end + MARGIN))
