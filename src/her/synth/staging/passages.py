"""Passages: a chapter cut into pieces that one call can read, at borders where a scene is likely to end.

Knows paragraphs, scene breaks and stretches without speech. Refuses to know who speaks (`scenes` asks for that).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from math import ceil

from pydantic import Field

from her.rows.record import Record
from her.synth.reading.book import Book, Chapter, Paragraph
from her.synth.reading.quotes import Quote, quotes

LEAST_SHARE = 0.6
"""A piece is not shorter than this share of its even part of the chapter, so that a good border does not leave
scraps; ours."""

LONG_SILENCE = 1_000
"""Characters without speech that make half as good a border as any silence can; about a long paragraph, ours."""

_BREAK = re.compile(r"(?:[*＊∗⁂⁎☆★※#§~•·.…=_—–-]\s*)+")


class Passage(Record):
    """A piece of a chapter: paragraphs `first` to `last`, which are the characters `start` to `end` of the book."""

    id: str = Field(description="slug/chapter/first paragraph.")
    slug: str
    chapter: int
    first: int
    last: int
    start: int
    end: int


def passages(book: Book, size: int, chapters: Collection[int] | None = None) -> Iterator[Passage]:
    """The passages of a book in order, each of at most `size` characters; `chapters` None is all of them.

    Longer is only a passage of one paragraph that is longer itself, or of several that one speech holds together.
    """
    for chapter in book.chapters:
        if chapters is None or chapter.number in chapters:
            yield from _of_chapter(book, chapter, size)


def is_break(text: str) -> bool:
    """Whether a paragraph is a mark between scenes, such as `* * *`."""
    return _BREAK.fullmatch(text.strip()) is not None


def _of_chapter(book: Book, chapter: Chapter, size: int) -> Iterator[Passage]:
    paragraphs = book.paragraphs(chapter)
    spoken = quotes(book.text, chapter.start, chapter.end)
    weights = _borders(book.text, paragraphs, spoken)
    at = 0
    while at < len(paragraphs):
        to = _cut(paragraphs, weights, at, size)
        first, last = paragraphs[at], paragraphs[to]
        yield Passage(
            id=f"{book.slug}/{chapter.number}/{first.number}",
            slug=book.slug,
            chapter=chapter.number,
            first=first.number,
            last=last.number,
            start=first.start,
            end=last.end,
        )
        at = to + 1


def _borders(text: str, paragraphs: Sequence[Paragraph], spoken: Sequence[Quote]) -> list[float]:
    """How good it is to end a passage with each paragraph: below 0 where somebody goes on speaking, above 1 at a break.

    Else it is the share of a stretch without speech that lies around the border: the longer the silence, the better.
    """
    starts, ends = [quote.start for quote in spoken], [quote.end for quote in spoken]
    weights = []
    for place, paragraph in enumerate(paragraphs):
        after = bisect_right(starts, paragraph.end)
        following = paragraphs[place + 1] if place + 1 < len(paragraphs) else None
        if after < len(spoken) and spoken[after].continued and following and starts[after] < following.end:
            weights.append(-1.0)
        elif is_break(text[paragraph.start : paragraph.end]):
            weights.append(3.0)
        elif following and is_break(text[following.start : following.end]):
            weights.append(-0.5)  # the break itself belongs to the piece that it ends
        else:
            silence = (starts[after] if after < len(starts) else paragraphs[-1].end) - (
                ends[after - 1] if after else paragraphs[0].start
            )
            weights.append(silence / (silence + LONG_SILENCE))
    return weights


def _cut(paragraphs: Sequence[Paragraph], weights: Sequence[float], at: int, size: int) -> int:
    """The place of the paragraph with which the piece that begins at `at` ends."""
    start, rest = paragraphs[at].start, paragraphs[-1].end - paragraphs[at].start
    if rest <= size:
        return len(paragraphs) - 1
    least = LEAST_SHARE * rest / ceil(rest / size)
    stop = bisect_right(paragraphs, start + size, lo=at, key=lambda paragraph: paragraph.end)
    fit = range(at, max(stop, at + 1))
    inner = range(start + ceil(least), paragraphs[-1].end - int(least))
    wide = [place for place in fit if paragraphs[place].end in inner and weights[place] >= 0]
    if wide:
        return max(wide, key=lambda place: (round(weights[place], 2), place))
    whole = [place for place in fit if weights[place] >= 0]
    if whole:
        return whole[-1]
    # One speech runs through everything that fits: it is kept whole.
    return next((place for place in range(at, len(paragraphs)) if weights[place] >= -0.5), len(paragraphs) - 1)
