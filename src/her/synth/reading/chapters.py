"""Where the chapters of a book are: by its headings, by its list of contents, or else by size.

Knows that a heading is known by its neighbours: it counts on from the one before, and text follows it. Refuses to
know what a heading looks like (`headings`) and what kind of file the book was.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from math import ceil
from statistics import median

from her.scene import fold
from her.synth.reading.book import Chapter
from her.synth.reading.headings import LONGEST, Heading, Level, heading
from her.synth.reading.manuscript import Mark

LONGEST_CHAPTER = 120_000
PIECE = 30_000
WIDE_PART = 3
"""Characters from which a chapter is cut, and of a piece, in an alphabet; a third of it in scripts in which a
character is a word. The longest chapter of Ulysses has about 240,000, a chapter of Pride and Prejudice 11,000. Ours."""
SHORTEST_MEDIAN = 300
"""If half of the chapters are shorter than this, the headings were none."""
_EMPTY = 120
_EPIGRAPH = 600
_FRONT = 1_500
_BACK_SHARE = 0.2
"""Characters below which nothing stands under a heading of a list of contents; that may stand between a part's title
and its first chapter; from which a text before the first heading is one itself; share of a book that its end matter
can be. Ours."""
_TITLE, _TITLE_SHARE, _SENTENCE_SHARE = 90, 0.6, 0.9
"""Characters of a title in a paragraph of its own; share of the chapters that must have one; and if it could as well
be a sentence."""

_PARAGRAPH = re.compile(r"[^\n]+(?:\n(?!\n)[^\n]+)*")
_WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\uac00-\ud7a3]")
_LEADERS = re.compile(r"[\s.·…_—–-]+(?:\d{1,4}|[ivxlc]{1,6})[\s.]*$|[\s.·…]+$")
_LASTING = re.compile(r"contents|list of|illustrations|preface|footnotes?|transcriber|目|the project|copyright")


@dataclass(frozen=True, slots=True)
class _Start:
    """A heading in its place: what it begins goes from `body` on."""

    at: int
    body: int
    title: str
    is_: Heading


def chapters(text: str, marks: Sequence[Mark] = (), *, title: str = "") -> tuple[Chapter, ...]:
    """The chapters of a book in order, without what stands before the first and after the last; never none.

    `marks` are the headings that the file itself names. `title` is the book's own, which is no chapter's. A chapter of
    monstrous length is cut at paragraphs; so is a book in which no chapters are found.
    """
    starts = _in_order(_found(text), len(text))
    told = [_marked(mark, title) for mark in marks]
    chosen = _chosen(text, starts)
    if len([start for start in told if start.is_.level is not Level.MATTER]) >= max(2, len(_chapters_of(chosen)) // 3):
        chosen = told
    chosen = chosen or _from_contents(text, starts) or _from_capitals(text)
    spans = list(_spans(text, _titled(text, chosen))) if chosen else []
    if len(spans) > 2 and median(end - start for _, start, end in spans) < SHORTEST_MEDIAN:
        spans = []
    if not spans:
        ends = [start.at for start in starts if start.is_.level is Level.MATTER and _is_end(start, text)]
        spans = [("", 0, ends[-1] if ends else len(text))]
    most = LONGEST_CHAPTER if spans[0][0] or len(spans) > 1 else PIECE
    parts = [part for span in spans for part in _cut(text, span, most)]
    return tuple(Chapter(number, title, start, end) for number, (title, start, end) in enumerate(parts, 1))


def _found(text: str) -> Iterator[_Start]:
    """Every paragraph that looks like a heading."""
    for paragraph in _PARAGRAPH.finditer(text):
        if paragraph.end() - paragraph.start() <= LONGEST and (is_ := heading(paragraph[0])):
            lines = [heading(line) for line in paragraph[0].split("\n")]
            sorts = Counter(line.family for line in lines if line)
            if max(sorts.values(), default=0) < 2:
                yield _Start(paragraph.start(), paragraph.end(), _plain(paragraph[0]), is_)


def _plain(title: str) -> str:
    lines = [" ".join(line.split()) for line in title.strip(" *_=[]\n").split("\n")]
    whole = lines[0]
    for line in lines[1:]:
        whole = _joined(whole, line)
    return whole


def _in_order(found: Iterable[_Start], size: int) -> list[_Start]:
    """The headings without those of lists of contents, and without repeated ones; the text has `size` characters."""
    starts = list(found)
    kept: list[_Start] = []
    at = 0
    while at < len(starts):
        end = at + 1
        while end < len(starts) and starts[end].at - starts[end - 1].body <= _EMPTY:
            end += 1
        run = starts[at:end]
        again = _again(run)
        if again:
            run = run[again:]
        elif _most(run) > 2:
            # Only the last can have text; whether it is listed as well shows where the count begins again.
            rest = {(later.is_.family, later.is_.number) for later in starts[end:]}
            listed = {(run[-1].is_.family, run[-1].is_.number), _first_of(run)} & rest
            empty = end == len(starts) and size - run[-1].body <= _EMPTY
            run = [one for one in run if one.is_.level is Level.MATTER or (one is run[-1] and not listed and not empty)]
        kept += run
        at = end
    return [start for at, start in enumerate(kept) if not at or not _same(kept[at - 1], start)]


def _again(run: Sequence[_Start]) -> int:
    """Where, in headings one behind the other, the count of a sort begins anew: there a list of contents has ended."""
    for at, start in enumerate(run):
        before = [one for one in run[:at] if one.is_.family == start.is_.family and one.is_.number is not None]
        if len(before) > 2 and start.is_.number == before[0].is_.number and start.title == before[0].title:
            first = at
            while first and run[first - 1].is_.level is Level.PART:
                first -= 1
            return first
    return 0


def _most(run: Sequence[_Start]) -> int:
    sorts = Counter(start.is_.family for start in run if start.is_.number is not None)
    return max(sorts.values(), default=0)


def _first_of(run: Sequence[_Start]) -> tuple[str, int | None]:
    sorts = Counter(start.is_.family for start in run if start.is_.number is not None)
    sort = sorts.most_common(1)[0][0]
    return next((start.is_.family, start.is_.number) for start in run if start.is_.family == sort)


def _same(one: _Start, other: _Start) -> bool:
    return one.is_ == other.is_ and one.is_.number is not None and one.title == other.title


def _chosen(text: str, starts: Sequence[_Start]) -> list[_Start]:
    """The headings that divide this book; empty where none do."""
    by_word = [start for start in starts if start.is_.level is Level.CHAPTER]
    sorts = {start.is_.family for start in starts if start.is_.level is Level.BARE}
    bare = max((_counted(starts, sort) for sort in sorts), key=len, default=[])
    parts = [start for start in starts if start.is_.level is Level.PART]
    others = [start for start in starts if start.is_.level in {Level.NAMED, Level.MATTER}]
    if len(bare) > 2 * len(by_word) and _typical(text, by_word) > LONGEST_CHAPTER / _shrunk(text):
        parts, by_word = sorted(parts + by_word, key=lambda start: start.at), bare
        parts = [replace(part, is_=replace(part.is_, level=Level.PART)) for part in parts]
    whole = by_word if len(by_word) > 1 else bare if len(bare) > 1 else []
    if not whole:
        named = [start for start in others if start.is_.level is Level.NAMED]
        whole = by_word or (parts if len(parts) > 1 else named if len(named) > 1 else [])
        parts = [] if whole is parts else parts
    if not whole:
        return []
    kept = {start.at: start for start in (*others, *parts, *whole)}
    return _without_matter(text, [kept[at] for at in sorted(kept)])


def _typical(text: str, starts: Sequence[_Start]) -> float:
    """The median of the characters under each heading."""
    ends = [*(start.at for start in starts[1:]), len(text)]
    return median([end - start.body for start, end in zip(starts, ends, strict=True)]) if starts else len(text)


def _counted(starts: Sequence[_Start], sort: str) -> list[_Start]:
    """The headings of one sort that count on from each other; the count may begin anew."""
    kept: list[_Start] = []
    for start in starts:
        if start.is_.family != sort or start.is_.number is None:
            continue
        last = kept[-1].is_.number or 0 if kept else 0
        if last < start.is_.number <= last + 2 or (start.is_.number <= 1 and start.at - kept[-1].body > _EPIGRAPH):
            kept.append(start)
    return kept


def _without_matter(text: str, starts: Sequence[_Start]) -> list[_Start]:
    """Without what only looks like front or end matter, because it stands in the midst of chapters."""
    places = [start.at for start in starts if start.is_.level not in {Level.MATTER, Level.PART}]
    first, last = (places[0], places[-1]) if places else (0, 0)
    return [
        start
        for start in starts
        if start.is_.level is not Level.MATTER
        or start.at < first
        or _LASTING.match(start.is_.family)
        or (start.at > last and _is_end(start, text))
    ]


def _is_end(start: _Start, text: str) -> bool:
    return len(text) - start.body <= _BACK_SHARE * len(text)


def _chapters_of(starts: Sequence[_Start]) -> list[_Start]:
    return [start for start in starts if start.is_.level is not Level.MATTER]


def _marked(mark: Mark, title: str) -> _Start:
    is_ = heading(mark.title)
    if mark.matter or fold(mark.title) == fold(title):
        is_ = Heading(Level.MATTER, "matter")
    elif is_ is None or is_.level is Level.BARE:
        is_ = Heading(Level.CHAPTER, "told", is_.number if is_ else None, named=True)
    return _Start(mark.start, mark.end, _plain(mark.title), replace(is_, named=True))


def _from_contents(text: str, starts: Sequence[_Start]) -> list[_Start]:
    """Titles without numbers, as the list of contents names them, each in its place."""
    listed = next((start for start in starts if "content" in start.is_.family or "目" in start.is_.family), None)
    if listed is None:
        return []
    blocks = list(_PARAGRAPH.finditer(text, listed.body))
    listing = takewhile(lambda block: all(len(line) <= LONGEST for line in block[0].split("\n")), blocks)
    lines = [line for block in listing for line in block[0].split("\n")]
    names = {key for line in lines if 2 < len(key := _key(_LEADERS.sub("", line))) < LONGEST}
    named: dict[str, list[_Start]] = {}
    for block in blocks:
        if len(block[0]) <= LONGEST and (key := _key(block[0])) in names:
            title = Heading(Level.CHAPTER, "told", named=True)
            named.setdefault(key, []).append(_Start(block.start(), block.end(), _plain(block[0]), title))
    # Where the list is one paragraph a title stands once; where each line is one, it stands there and in its place.
    list_end = max((places[0].body for places in named.values() if len(places) > 1), default=0)
    found = sorted((places[-1] for places in named.values()), key=lambda start: start.at)
    found = [start for start in found if start.at > list_end]
    return found if len(found) > 2 and _typical(text, found) > _FRONT / 2 else []


def _key(title: str) -> str:
    return re.sub(r"[\W_]+", " ", fold(title)).strip()


def _from_capitals(text: str) -> list[_Start]:
    """Titles in capitals alone, as collections of tales have them."""
    found = [
        _Start(block.start(), block.end(), _plain(block[0]), Heading(Level.CHAPTER, "capitals", named=True))
        for block in _PARAGRAPH.finditer(text)
        if len(block[0]) < _TITLE
        and block[0].isupper()
        and sum(map(str.isalpha, block[0])) > 3
        and "\n" not in block[0]
    ]
    ends = [*(start.at for start in found[1:]), len(text)][: len(found)]
    found = [start for start, end in zip(found, ends, strict=True) if end - start.body > _EPIGRAPH]
    return found if len(found) > 2 and _typical(text, found) > 2 * _FRONT else []


def _titled(text: str, starts: list[_Start]) -> list[_Start]:
    """With the titles that stand in paragraphs of their own, if most chapters have one there."""
    bare = [start for start in starts if not start.is_.named and start.is_.number is not None]
    below = {start.at: _PARAGRAPH.search(text, start.body) for start in bare if start.is_.level is not Level.PART}
    taken = {start.at for start in starts}
    names = {at: block for at, block in below.items() if block and block.start() not in taken and _is_title(block[0])}
    sure = [block for block in names.values() if block[0].isupper() or block[0][-1] not in ".,;:…"]
    most = len(sure) > 1 and len(sure) >= _TITLE_SHARE * len(below)
    if not most and (len(names) < 4 or len(names) < _SENTENCE_SHARE * len(below)):
        return starts
    return [
        replace(start, body=block.end(), title=_joined(start.title, _plain(block[0])))
        if (block := names.get(start.at))
        else start
        for start in starts
    ]


def _is_title(text: str) -> bool:
    if len(text) > _TITLE / _shrunk(text) or text.count("\n") > 1 or heading(text):
        return False
    return not text[0].islower() and text[0] not in "\"“‘'«„「—–-*(" and text[-1] not in "。！？”」"


def _joined(one: str, other: str) -> str:
    return f"{one}{' ' if one.endswith(('.', ':', '—')) else ': '}{other}"


def _spans(text: str, starts: Sequence[_Start]) -> Iterator[tuple[str, int, int]]:
    """Title, start and end of each chapter; a part's title stands before those of its chapters."""
    above: list[_Start] = []
    first = next(iter(_chapters_of(starts)), None)
    if first and (first.is_.number or 0) > 1 and first.at > _FRONT:
        before = [start.body for start in starts if start.at < first.at]
        yield "", max(before, default=0), first.at
    for start, later in zip(starts, [*starts[1:], None], strict=True):
        end = later.at if later else len(text)
        if start.is_.level is Level.PART:
            sorts = [part.is_.family for part in above]
            above = above[: sorts.index(start.is_.family) if start.is_.family in sorts else len(above)]
            if (end - start.body > _EPIGRAPH or later is None) and _has_prose(text, start.body, end):
                yield ", ".join(part.title for part in (*above, start)), start.body, end
            above.append(start)
        elif start.is_.level is not Level.MATTER:
            inside = above if start.is_.level is not Level.NAMED else []
            yield ", ".join(part.title for part in (*inside, start)), start.body, end


def _has_prose(text: str, start: int, end: int) -> bool:
    """Whether a line is longer than any in a list of contents or in verse."""
    return any(len(line) > LONGEST / _shrunk(text) for line in text[start:end].split("\n"))


def _cut(text: str, span: tuple[str, int, int], most: int) -> Iterator[tuple[str, int, int]]:
    """The chapter without blanks around it; in pieces at paragraphs where it is too long, none where it is empty."""
    title, start, end = span
    blocks = [block.span() for block in _PARAGRAPH.finditer(text, start, end) if block[0].strip()]
    if not blocks:
        return
    scale = _shrunk(text)
    size = blocks[-1][1] - blocks[0][0]
    piece = size if size <= most / scale else size / ceil(size / (PIECE / scale))
    number, first = 1, blocks[0][0]
    for (_, last), later in zip(blocks, [*blocks[1:], None], strict=True):
        if later is None or later[1] - first > piece:
            yield title + f" ({number})" * bool(title and piece < size), first, last
            number, first = number + 1, later[0] if later else last


def _shrunk(text: str) -> int:
    sample = text[len(text) // 3 : len(text) // 3 + 2_000]
    return WIDE_PART if len(_WIDE.findall(sample)) > len(sample) / 3 else 1
