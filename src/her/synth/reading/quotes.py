"""What is said aloud in a text: the words between quotation marks, or behind dashes, with their exact places.

Knows how languages and houses print speech, and takes a book's own habit, so that an apostrophe is not speech in a
book that quotes with `"`. Refuses to know who speaks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from her.synth.reading.incises import DASH, between, spoken, told


@dataclass(frozen=True, slots=True)
class Quote:
    """Spoken words without their marks: `text` is the book's text from `start` to `end`.

    `number` counts from 1 in what was asked for; `paragraph_start` is where its paragraph begins. `continued`: goes
    on from the quote before, whose speaker began a new paragraph. `unclosed`: no mark ends it; it ends with its
    paragraph, or where the next begins. `inline`: a few words held up inside a sentence, such as a title, rather
    than said.
    """

    number: int
    start: int
    end: int
    text: str
    paragraph_start: int
    continued: bool = False
    unclosed: bool = False
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Convention:
    """How a book prints speech: each opening mark with those that close it, whether dashes open turns, and whether
    narrators interrupt by a verb alone, as in French."""

    closers: dict[str, str]
    dashes: bool = False
    by_verb: bool = False


_AGAIN, _BARE = "again", "bare"
"""How a quote goes on in the next paragraph: with a mark of its own, or without."""
_PARAGRAPH = re.compile(r"[^\n]+(?:\n(?!\n)[^\n]+)*")
_SINGLES = "‘'"
_SINGLE = re.compile("[‘’']")
_STRONG = '.,!?…;:—–-)]"”。，！？'
_SENTENCE = _STRONG + "、；：»"
_BOUNDARY = "([{—–―-/“„«‘\"'"
_ELISION = re.compile(
    r"(?:tis|twas|twere|twill|twould|tisn|em|til|till|cause|cos|bout|ere|ave|ad|im|is|er|e|ow|n|neath|round|midst|\d)\b",
    re.IGNORECASE,
)
_SINGLE_START = re.compile(r"(?:^|(?<=[\s(\[—–-]))(?:‘(?=\S)|'(?='?[A-Z“\"]))", re.MULTILINE)
_FIRST_GUILLEMET = re.compile(r"^[^«»\n]*([«»])", re.MULTILINE)
_DASH_TURN = re.compile(rf"^{DASH.pattern}", re.MULTILINE)
_LEAST_SHARE = 0.02
_DASH_SHARE = 0.15
"""Marks that are rarer than this share of the most frequent are no habit; dashes at the start of paragraphs have
other uses, so that they need more. Ours, from books in nine languages."""
_BARE_REACH = 5_000
_LONGEST_TITLE = 60
_FEW_WORDS = 4
_FEW_SIGNS = 8
"""Characters within which a quote may close whose paragraph does not open it again; characters of a held-up phrase in
single marks; words, or signs of a script without spaces, of an inline quote."""


@lru_cache(maxsize=8)
def convention_of(text: str) -> Convention:
    """The convention of a whole text."""
    count = {sign: text.count(sign) for sign in '"“”„«»「』『」〝〞〟＂'}
    closers = {"“": "”", "„": "“”", "「": "」", "『": "』", "〝": "〟〞"}
    if count["„"] > count["“"] / 2:
        del closers["“"]
    weights = {sign: float(count[sign]) for sign in closers}
    half = (sign for sign in "„“" if sign in closers and sum(count[end] for end in closers[sign]) < count[sign] / 2)
    if lacking := next(half, None):
        closers[lacking] += '"'
    else:
        closers['"'], weights['"'] = '"', count['"'] / 2
    closers["＂"], weights["＂"] = "＂", count["＂"] / 2
    if not count["“"] + count["„"]:
        closers["”"], weights["”"] = "”", count["”"] / 2
    if count["«"] + count["»"]:
        opener = _guillemet(text)
        closers[opener] = opener if not min(count["«"], count["»"]) else {"«": "»", "»": "«"}[opener]
        weights[opener] = max(count["«"], count["»"])
    singles = len(_SINGLE_START.findall(text))
    if singles > sum(weights.values()):
        sign = "‘" if text.count("‘") * 2 > singles else "'"
        closers[sign], weights[sign] = "’'", float(singles)
    most = max(weights.values())
    turns = len(_DASH_TURN.findall(text))
    habits = {sign: closers[sign] for sign, weight in weights.items() if weight and weight >= _LEAST_SHARE * most}
    by_verb = bool(turns or count["«"]) and told(text)
    return Convention(habits, turns > _DASH_SHARE * most, by_verb)


def _guillemet(text: str) -> str:
    """The one that opens: the first of its kind in most paragraphs."""
    first = _FIRST_GUILLEMET.findall(text)
    return "«" if first.count("«") * 2 >= len(first) else "»"


def quotes(text: str, start: int = 0, end: int | None = None, convention: Convention | None = None) -> list[Quote]:
    """The quotes of a span in order, none over another; without `convention` the whole text's is taken.

    Quotes inside quotes belong to the outer one. Words that run over several paragraphs are one quote a paragraph.
    """
    end = len(text) if end is None else end
    scan = _Scan(text, convention or convention_of(text))
    for paragraph in _PARAGRAPH.finditer(text, start, end):
        scan.read(paragraph.start(), paragraph.end())
    following = re.compile(r"\S").search(text, end)
    scan.leave(following.start() if following else len(text))
    return [replace(quote, number=number) for number, quote in enumerate(scan.found, 1)]


class _Scan:
    """Reads paragraphs in order; `open` is the mark of a quote that its paragraph did not close."""

    def __init__(self, text: str, convention: Convention) -> None:
        self.text = text
        self.convention = convention
        self.found: list[Quote] = []
        self.open = ""
        self._opener = re.compile(f"[{re.escape(''.join(convention.closers))}]") if convention.closers else None

    def read(self, start: int, end: int) -> None:
        """Adds the quotes of a paragraph."""
        at = start
        if goes_on := self.leave(start):
            at = self._quote(self.open, (start + (goes_on == _AGAIN), end), start, continued=True)
        elif self.convention.dashes and (dash := DASH.match(self.text, start, end)):
            for first, last in spoken(self.text, dash.end(), end, by_verb=self.convention.by_verb):
                self._add(first, last, start, trim=' \n.,;:»”"')
            return
        while (opener := self._next(at, end)) is not None:
            line = start < opener == at and self.text[opener - 1] == "\n"
            at = self._quote(self.text[opener], (opener + 1, end), start, continued=line)

    def leave(self, following: int) -> str:
        """How the open quote goes on in the paragraph at `following`, if it does; if not, it is left unclosed."""
        sign, first = self.open, self.text[following : following + 1]
        if not sign:
            return ""
        if first == sign or (sign == "«" and first == "»"):
            return _AGAIN
        if not (sign in "«»" and self.convention.dashes and DASH.match(self.text, following)):
            if self._closes_later(sign, following):
                return _BARE
            self.found[-1] = replace(self.found[-1], unclosed=True)
        self.open = ""
        return ""

    def _closes_later(self, sign: str, at: int) -> bool:
        """Whether the next mark closes, although no mark opened: a paragraph was broken in two, or opens bare."""
        closers = self.convention.closers[sign]
        if sign in _SINGLES:
            return False
        mark = re.compile(f"[{re.escape(sign + closers)}]").search(self.text, at, at + _BARE_REACH)
        if mark is None:
            return False
        if sign != closers:
            return mark[0] != sign
        end = len(self.text)
        return _looks_closed(self.text, mark.start(), end) and not _looks_open(self.text, mark.start(), end)

    def _next(self, at: int, end: int) -> int | None:
        """Where the next quote opens."""
        if self._opener is None:
            return None
        marks = self._opener.finditer(self.text, at, end)
        return next((mark.start() for mark in marks if self._opens(mark.start(), end)), None)

    def _opens(self, at: int, end: int) -> bool:
        sign, closers = self.text[at], self.convention.closers[self.text[at]]
        if sign == closers:
            return _looks_open(self.text, at, end) or not _looks_closed(self.text, at, end)
        if sign in _SINGLES:
            return _looks_open(self.text, at, end)
        return True

    def _quote(self, sign: str, span: tuple[int, int], paragraph: int, *, continued: bool = False) -> int:
        """Adds the quote whose words begin at the span's start, if it is one; where to read on."""
        start, limit = span
        end, closed = self._end(sign, start, limit)
        self.open = "" if closed or end < limit else sign
        if self.open and not continued and sign in _SINGLES and self._stray(start, paragraph):
            self.open = ""
            return start
        before = len(self.found)
        parts = list(between(self.text, start, end)) if sign in "«»" and self.convention.by_verb else [(start, end)]
        inline = closed and len(parts) == 1 and self._inline(start, end, paragraph)
        for first, last in parts:
            trim = " \n—–" if sign in "«»" else " \n"
            unclosed = not closed and end < limit and last == end and self.text[end - 1] != "\n"
            self._add(first, last, paragraph, trim, continued=continued, unclosed=unclosed, inline=inline)
            continued = False
        if len(self.found) == before:
            self.open = ""
        return end + closed

    def _end(self, sign: str, start: int, end: int) -> tuple[int, bool]:
        """Where the words end that begin at `start`, and whether a mark is there."""
        closers = self.convention.closers[sign]
        if sign == closers:
            return _end_of_toggled(self.text, start, end, sign)
        if sign in _SINGLES:
            return _end_of_single(self.text, start, end)
        return _end_of_pair(self.text, start, end, sign, closers)

    def _stray(self, start: int, paragraph: int) -> bool:
        """Whether a single mark that nothing closes is rather an apostrophe."""
        return start - 1 > paragraph or _ELISION.match(self.text, start) is not None

    def _add(self, start: int, end: int, paragraph: int, trim: str, **flags: bool) -> None:
        words = self.text[start:end]
        start += len(words) - len(words.lstrip(trim))
        words = words.lstrip(trim).rstrip(" \n—»" if "»" in trim else " \n")
        if words:
            self.found.append(Quote(0, start, start + len(words), words, paragraph, **flags))

    def _inline(self, start: int, end: int, paragraph: int) -> bool:
        words, before = self.text[start:end].strip(), self.text[paragraph : start - 1].rstrip()
        if not words or not before or words[-1] in _SENTENCE or before[-1] in _SENTENCE:
            return False
        spaced = words.isascii() or " " in words or (words[0].isalpha() and words[0] < "\u2e80")
        return len(words.split()) <= _FEW_WORDS if spaced else len(words) <= _FEW_SIGNS


def _looks_open(text: str, at: int, end: int) -> bool:
    before, after = text[max(0, at - 1) : at], text[at + 1 : min(at + 2, end)]
    return bool(after.strip()) and (not before.strip() or before in _BOUNDARY)


def _looks_closed(text: str, at: int, end: int) -> bool:
    before, after = text[max(0, at - 1) : at], text[at + 1 : min(at + 2, end)]
    return bool(before.strip()) and not after.isalnum()


def _end_of_toggled(text: str, start: int, end: int, sign: str) -> tuple[int, bool]:
    """One sign opens and closes: the next ends the quote, unless it plainly opens one and is paired further on, or
    opens a line of verse again."""
    at = text.find(sign, start, end)
    if at < 0:
        return end, False
    opens = _looks_open(text, at, end) and not _looks_closed(text, at, end)
    return at, not (opens and (text[at - 1] == "\n" or text.count(sign, at + 1, end) % 2))


def _end_of_pair(text: str, start: int, end: int, sign: str, closers: str) -> tuple[int, bool]:
    """The closer at the same depth; an opener too many for the closers that follow ends the quote without one."""
    depth = 1
    for mark in re.compile(f"[{re.escape(sign + closers)}]").finditer(text, start, end):
        if mark[0] != sign:
            depth -= 1
            if not depth:
                return mark.start(), True
            continue
        left = sum(text.count(closer, mark.end(), end) for closer in closers) - text.count(sign, mark.end(), end)
        if left <= depth:
            return mark.start(), False
        depth += 1
    return end, False


def _end_of_single(text: str, start: int, end: int) -> tuple[int, bool]:
    """The first mark that cannot be an apostrophe, behind a stop; else, for a few words, the first that may not be."""
    perhaps = end
    for mark in _SINGLE.finditer(text, start, end):
        at, sign = mark.start(), mark[0]
        before, after = text[at - 1], text[at + 1 : min(at + 2, end)]
        if after.isalnum():
            opens = not before.isalnum() and not _ELISION.match(text, at + 1) and (sign == "‘" or after.isupper())
            if opens and before not in _STRONG:
                return (perhaps, True) if perhaps < end else (at, False)
        elif sign != "‘" and at > start:
            if before in _STRONG or before.isspace():
                return at, True
            perhaps = min(perhaps, at)
    if perhaps < min(end, start + _LONGEST_TITLE) and not _ELISION.match(text, start):
        return perhaps, True
    return end, False
