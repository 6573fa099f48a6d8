"""What a stage may read of a book: the text before a scene, and the place of a quotation in it.

Knows where a scene begins, who is named where, and when two spellings are the same words. Refuses to know what
anybody makes of the text: nothing here asks a model, and nothing is ever nearly the same.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise, zip_longest
from pathlib import Path

from her.checks.units import MARKS, SPACELESS, is_spaceless, units
from her.errors import InputError
from her.rows.record import SceneRow
from her.synth.faults import names_of
from her.synth.reading.book import Book, Chapter
from her.synth.reading.library import Library
from her.turn import Kind

GAP = "[…]"
"""Stands where text is left out."""
QUOTE_WORDS = 4
QUOTE_CHARACTERS = 8
"""The least that counts as a quotation, in words and in characters of scripts without spaces; shorter ones stand in
any book by chance."""
_LAST_STRETCH = 0.5
"""Share of the room that goes to what stands right before the scene; the rest to paragraphs with names."""
_CLIPPED = 4
"""A paragraph with a name takes at most one part in so many of the room."""
_JOINT = f"\n\n{GAP}\n\n"

Span = tuple[int, int]
"""Start and end, in characters of the book's text."""


def book_of(row: SceneRow, folder: Path) -> Book | None:
    """The book of the row, from the library in `folder`; None where the row has no place in a text.

    Raises InputError where the book's text is another one than the row's places count in.
    """
    if row.source.start is None:
        return None
    book = _library(folder).book(row.source.slug)
    if row.source.sha not in {"", book.sha}:
        raise InputError(
            f"row {row.id}: its places count in a text of {row.source.slug!r} with the sha256 {row.source.sha[:12]}…, "
            f"but the library in {folder} holds {book.sha[:12]}…; make the scenes again from that text"
        )
    return book


@lru_cache(maxsize=4)
def _library(folder: Path) -> Library:
    return Library(folder)


# The text before a scene.


def opening(row: SceneRow, book: Book) -> Span:
    """The part of the book that a stage may read: from its first chapter to the scene's first turn.

    The narrator's lines between the scene's beginning and the place of its first turn belong to it; where that turn
    has no place, the part ends with the scene's beginning. Empty for a row without a place.
    """
    if row.source.start is None:
        return (0, 0)
    # What stands before the first chapter, such as a table of contents, tells what is to come.
    first = book.chapters[0].start if book.chapters else 0
    end = _first_place(row, book, row.source.start)
    while end > first and (book.text[end - 1].isspace() or book.text[end - 1] in _QUOTES):
        end -= 1
    return (first, max(first, end))


def _first_place(row: SceneRow, book: Book, start: int) -> int:
    """Where the first turn begins: at its spoken words, or at the deed that it begins with, as far as that is known."""
    came = row.original or row.turns
    said = min((place for turn in came for place, _ in turn.spans), default=start)
    first = came[0]
    if first.spans and first.segments and first.segments[0].kind is Kind.SPEECH:
        return said
    told = find_quote(first.segments[0].text, book.text, start, said) if first.segments else None
    return told[0] if told else min(start, said)


def called(row: SceneRow, name: str) -> tuple[str, ...]:
    """How the text may call a character: the name, its aliases, and the given name where that is nobody else's."""
    given = {name.split(maxsplit=1)[0], name[-2:]} & names_of(name, row)
    return tuple(one for one in dict.fromkeys((name, *row.aliases.get(name, ()), *sorted(given))) if one.strip())


def is_named(row: SceneRow, book: Book, name: str) -> bool:
    """Whether the text before the scene names the character."""
    start, end = opening(row, book)
    return any(start <= first and last <= end for _, first, last in _naming(book, called(row, name)))


def before(row: SceneRow, book: Book, names: Sequence[str], chars: int) -> str:
    """Text before the scene, in order, at most `chars` characters: its last stretch, and paragraphs that name one of
    these characters, first mentions and latest ones before those between. What is left out is marked `[…]`.

    Chapter headings are left out unmarked: those of old novels tell what the chapter will bring.
    """
    whole = opening(row, book)
    paragraphs = _paragraphs(book, whole)
    room = chars - len(_JOINT)
    if not paragraphs or room <= 0:
        return ""
    last, used = _stretch(book.text, paragraphs, int(room * _LAST_STRETCH) if names else room)
    spans = list(last)
    earlier = paragraphs[: len(paragraphs) - len(last)]
    for span in _mentions(book, earlier, [called(row, name) for name in names], room // _CLIPPED):
        cost = span[1] - span[0] + len(_JOINT)
        if used + cost <= room:
            spans.append(span)
            used += cost
    for span in reversed(earlier):
        cost = span[1] - span[0] + len(_JOINT)
        if used + cost > room:
            break
        if not any(start < span[1] and span[0] < end for start, end in spans):
            spans.append(span)
            used += cost
    return _joined(book, sorted(spans), paragraphs)


def _paragraphs(book: Book, part: Span) -> list[Span]:
    """The paragraphs in a part of the book; the last one may be cut by its end."""
    found = _all_paragraphs(book)
    first, last = bisect_left(found, (part[0], 0)), bisect_left(found, (part[1], 0))
    return [(start, min(end, part[1])) for start, end in found[first:last]]


@lru_cache(maxsize=4)
def _all_paragraphs(book: Book) -> list[Span]:
    chapters = book.chapters or (Chapter(1, "", 0, book.size),)
    return [(paragraph.start, paragraph.end) for chapter in chapters for paragraph in book.paragraphs(chapter)]


def _stretch(text: str, paragraphs: Sequence[Span], room: int) -> tuple[list[Span], int]:
    """The last paragraphs that fit, and what they cost; of a last one that is too long the end."""
    taken: list[Span] = []
    used = 0
    for start, end in reversed(paragraphs):
        cost = end - start + len(_JOINT)
        if used + cost > room:
            if not taken:
                taken, used = [_clip(text, (start, end), end, max(1, room - len(_JOINT)))], room
            break
        taken.append((start, end))
        used += cost
    return taken[::-1], used


def _mentions(
    book: Book, paragraphs: Sequence[Span], people: Sequence[tuple[str, ...]], longest: int
) -> Iterator[Span]:
    """Paragraphs that name somebody, each once: the first and the latest of everyone, then the next ones inwards."""
    queues = []
    shown = set(paragraphs)
    for names in people:
        found = [(span, at) for span, at, _ in _naming(book, names) if span in shown]
        half = (len(found) + 1) // 2
        inwards = chain.from_iterable(zip_longest(found[:half], found[: half - 1 : -1]))
        queues.append([one for one in inwards if one])
    seen: set[Span] = set()
    for span, at in (one for rank in zip_longest(*queues) for one in rank if one):
        if span not in seen:
            seen.add(span)
            yield span if span[1] - span[0] <= longest else _clip(book.text, span, at + longest // 2, longest)


def _clip(text: str, span: Span, end: int, longest: int) -> Span:
    """At most `longest` characters of a paragraph, up to about `end`, from one edge of a word to another."""
    end = min(span[1], max(end, span[0] + longest))
    start = max(span[0], end - longest)
    while start > span[0] and start < end and _inside_word(text, start):
        start += 1
    while end < span[1] and end > start and _inside_word(text, end):
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    return (start, end)


def _inside_word(text: str, at: int) -> bool:
    if unicodedata.combining(text[at]):
        return True
    left, right = text[at - 1], text[at]
    return left.isalnum() and right.isalnum() and not (is_spaceless(left) or is_spaceless(right))


def _joined(book: Book, spans: Sequence[Span], paragraphs: Sequence[Span]) -> str:
    follows = {start: end for (_, end), (start, _) in pairwise(paragraphs)}
    text = f"{GAP}\n\n" if spans and spans[0][0] > paragraphs[0][0] else ""
    for number, (start, end) in enumerate(spans):
        if number:
            text += "\n\n" if follows.get(start) == spans[number - 1][1] else _JOINT
        text += book.text[start:end]
    return text


@lru_cache(maxsize=256)
def _naming(book: Book, names: tuple[str, ...]) -> list[tuple[Span, int, int]]:
    """The paragraphs with one of these names, and where it first stands in each: between the edges of words, or
    anywhere in a script without spaces."""
    pattern = re.compile("|".join(_one_name(name) for name in sorted(names, key=len, reverse=True)) or r"(?!)")
    paragraphs = ((span, pattern.search(book.text, *span)) for span in _all_paragraphs(book))
    return [(span, *match.span()) for span, match in paragraphs if match]


def _one_name(name: str) -> str:
    name = name.strip()
    words = [re.escape(word).replace("'", "['’]").replace("’", "['’]") for word in name.replace("’", "'").split()]
    if name[0].islower():
        # An alias such as "the housekeeper" may begin a sentence.
        words[0] = f"[{name[0]}{re.escape(name[0].upper()[0])}]{words[0][1:]}"
    left = "" if is_spaceless(name[0]) else rf"(?<![\w{MARKS}])"
    right = "" if is_spaceless(name[-1]) else rf"(?![\w{MARKS}])"
    return left + r"\s+".join(words) + right


# Quotations.

_QUOTES = "\"'“”„‟‘’‚‛«»‹›「」『』﹁﹂﹃﹄＂＇`´′″〝〞〟"
_IGNORED = "\u00ad\u200b-\u200f\u2060-\u2064\ufeff"
_LETTER = rf"[^\W_{SPACELESS}]"
_TOKEN = re.compile(
    rf"(?P<word>[^\W_](?:[^\W_]|[{MARKS}{_IGNORED}\u3099\u309a\ufe00-\ufe0f])*)"
    rf"|(?P<apostrophe>(?:(?<={_LETTER})|(?<=[{MARKS}{_IGNORED}]))['’‘ʼ＇´`](?={_LETTER}))"
    r"|(?P<ellipsis>(?:(?:\.\s?){2,}|…\s?|⋯\s?|(?:。){3,}|．{2,})+)"
    r"|(?P<dash>[-‐-―−─－﹘﹣](?:\s*[-‐-―−─－﹘﹣])*)"
    rf"|(?P<gap>(?:\s|[{re.escape(_QUOTES)}_*{_IGNORED}])+)"
    r"|(?P<mark>.)",
    re.DOTALL,
)
_CLUSTER = re.compile(rf".[{MARKS}\u3099\u309a]*", re.DOTALL)
_INVISIBLE = re.compile(f"[{_IGNORED}\ufe00-\ufe0f]")
_EDGE = " …-.,;:。、・"


@dataclass(frozen=True, slots=True)
class _Normal:
    """A text with one spelling for everything that may be spelt in several ways, and the way back.

    The piece that begins at `begins[n]` stands at `places[n]` in the original, character for character or as a whole.
    """

    text: str
    begins: list[int]
    places: list[Span]

    def original(self, start: int, end: int) -> Span:
        """Where this part of the normal text stands in the original."""
        return (self._place(start)[0], self._place(end - 1)[1])

    def _place(self, at: int) -> Span:
        number = bisect_right(self.begins, at) - 1
        first, last = self.places[number]
        size = (self.begins[number + 1] if number + 1 < len(self.begins) else len(self.text)) - self.begins[number]
        offset = at - self.begins[number]
        return (first + offset, first + offset + 1) if last - first == size else (first, last)


def is_quote(quote: str) -> bool:
    """Whether the words are long enough to count as a quotation."""
    return _long_enough(_normalise(quote).text.strip(_EDGE))


def find_quote(quote: str, text: str, start: int = 0, end: int | None = None) -> Span | None:
    """Where the text holds these words between `start` and `end`; None where it does not, or the quote is too short.

    White space, line breaks, quotation marks, marks of emphasis, the kind of dash and ellipsis, ligatures and widths,
    the case of the first letter and punctuation at either edge do not count. Everything else does, word by word.
    """
    wanted = _normalise(quote).text.strip(_EDGE)
    if not _long_enough(wanted):
        return None
    normal = _normal(text)
    end = len(text) if end is None else end
    firsts = {wanted[0], *(c for c in (wanted[0].upper(), wanted[0].lower()) if len(c) == 1)}
    found = (_first(normal, first + wanted[1:], start, end) for first in firsts)
    return min((span for span in found if span), default=None)


def _first(normal: _Normal, wanted: str, start: int, end: int) -> Span | None:
    at = normal.text.find(wanted)
    while at >= 0:
        after = at + len(wanted)
        if not (_splits(normal.text, at) or _splits(normal.text, after)):
            span = normal.original(at, after)
            if span[0] >= start and span[1] <= end:
                return span
            if span[0] >= end:
                return None
        at = normal.text.find(wanted, at + 1)
    return None


def _splits(text: str, at: int) -> bool:
    """Whether a place lies inside a word; an apostrophe stands in no other place."""
    if not 0 < at < len(text):
        return False
    return "'" in text[at - 1 : at + 1] or _inside_word(text, at)


def _long_enough(wanted: str) -> bool:
    words = units(wanted)
    characters = sum(1 for word in words if is_spaceless(word))
    return (len(words) - characters) / QUOTE_WORDS + characters / QUOTE_CHARACTERS >= 1


@lru_cache(maxsize=4)
def _normal(text: str) -> _Normal:
    return _normalise(text)


def _normalise(text: str) -> _Normal:
    parts: list[str] = []
    begins: list[int] = []
    places: list[Span] = []
    size = 0
    gap: Span | None = None

    def put(piece: str, place: Span) -> None:
        nonlocal size
        parts.append(piece)
        begins.append(size)
        places.append(place)
        size += len(piece)

    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "gap":
            gap = match.span()
            continue
        for piece, place in _pieces(kind or "", match):
            if gap and parts and _spaced(parts[-1][-1]) and _spaced(piece[0]):
                put(" ", gap)
            gap = None
            put(piece, place)
    return _Normal("".join(parts), begins, places)


def _spaced(character: str) -> bool:
    return character.isalnum() and not is_spaceless(character)


def _pieces(kind: str, match: re.Match[str]) -> Iterator[tuple[str, Span]]:
    """The normal spelling of a token, in pieces that stand for one place each; none for what is invisible."""
    written, at = match.group(), match.start()
    if kind in {"apostrophe", "dash", "ellipsis"}:
        yield {"apostrophe": "'", "dash": "-", "ellipsis": "…"}[kind], match.span()
    elif written.isascii() or (unicodedata.is_normalized("NFKC", written) and not _INVISIBLE.search(written)):
        yield written, match.span()
    else:
        for cluster in _CLUSTER.finditer(written):
            spelt = _INVISIBLE.sub("", unicodedata.normalize("NFKC", cluster.group())).replace(" ", "")
            if spelt:
                yield spelt, (at + cluster.start(), at + cluster.end())
