"""Lines of a plain text file as paragraphs, whatever way the file shows where one ends.

Knows line lengths, blank lines and indents: hard-wrapped prose is joined, verse and addresses keep their lines.
Refuses to know what stands in a paragraph, but that a chapter's number is one by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from itertools import groupby, pairwise

from her.synth.reading.headings import LONGEST, Level, heading

MOST_WIDTH = 130
NEAR_FULL, FULL_SHARE = 0.8, 0.25
"""Lines are wrapped where the longest have at most so many characters, and enough of them are nearly as long."""
MANY_LINES = 12
SOME_INDENTED, MOST_INDENTED = 0.03, 0.6
"""Lines between blank lines from which those cannot be what parts paragraphs; shares of indented lines that can."""
PROSE_SHARE, RUNS_ON_SHARE, SLACK = 0.5, 0.3, 4
"""Verse: so many of the lines had room for the next word, with some characters to spare, and still ended; unless more
go on with a small letter and no pause: a letter set narrow. Ours, tried on files of many shapes (tests/books.py)."""

_WIDE = "\u1100-\u11ff\u2e80-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
_WIDE_END, _WIDE_START = re.compile(f"[{_WIDE}]$"), re.compile(f"[{_WIDE}]")
_INDENT = re.compile(r"(?: {2,}|\t|\u3000)")
_STOP = re.compile(r"[.!?…。！？:：][\"'”’»」』)\]]*$")
_PAUSE = re.compile(r"[.,;:!?…—–-][\"'”’»)\]]*$")
_BROKEN_WORD = re.compile(r"([^\W\d_]+)-$")
_WORD = re.compile(r"[^\W\d_]+")


class Parting(Enum):
    """What parts two paragraphs."""

    BLANK = auto()
    INDENT = auto()
    LINE = auto()
    SHORT_LINE = auto()


@dataclass(frozen=True)
class Layout:
    """How a file is laid out; `width` is where its lines are wrapped, None where they are not."""

    parting: Parting
    width: int | None

    @classmethod
    def of(cls, lines: Sequence[str]) -> Layout:
        """The layout of a file's lines."""
        filled = [line for line in lines if line.strip()]
        if not filled:
            return cls(Parting.BLANK, None)
        lengths = sorted(len(line.strip()) for line in filled)
        width = lengths[int(0.95 * (len(lengths) - 1))]
        full = sum(length >= NEAR_FULL * width for length in lengths) / len(lengths)
        wrapped = width <= MOST_WIDTH and full >= FULL_SHARE
        together = len(filled) / max(
            1, sum(1 for blank, _ in groupby(lines, lambda line: not line.strip()) if not blank)
        )
        if not wrapped:
            return cls(Parting.LINE if together > 2 else Parting.BLANK, None)
        indented = sum(_INDENT.match(line) is not None for line in filled) / len(filled)
        if together > MANY_LINES and SOME_INDENTED <= indented <= MOST_INDENTED:
            return cls(Parting.INDENT, width)
        return cls(Parting.SHORT_LINE if together > 2 * MANY_LINES else Parting.BLANK, width)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = [line.rstrip() for line in text.split("\n")]
        self.layout = Layout.of(self.lines)

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(word.lower() for word in _WORD.findall(self.text))

    def paragraphs(self) -> Iterator[str]:
        for blank, group in groupby(self.lines, lambda line: not line.strip()):
            if not blank:
                yield from self.block(list(group))

    def block(self, lines: list[str]) -> Iterator[str]:
        parting, width = self.layout.parting, self.layout.width or 0
        if parting is Parting.LINE:
            yield from (line.strip() for line in lines)
        elif parting is Parting.INDENT:
            yield from self._cut(lines, lambda _, line: _INDENT.match(line) is not None)
        elif parting is Parting.SHORT_LINE:
            yield from self._cut(lines, lambda last, _: len(last) < NEAR_FULL * width and bool(_STOP.search(last)))
        else:
            yield from self._headed([line.strip() for line in lines])

    def _cut(self, lines: list[str], begins: Callable[[str, str], bool]) -> Iterator[str]:
        """The paragraphs of a block that shows them otherwise; a heading is one."""
        held = lines[:1]
        for last, line in pairwise(lines):
            if begins(last, line) or names_chapter(last) or names_chapter(line):
                yield self.joined(held)
                held = []
            held.append(line)
        yield self.joined(held)

    def _headed(self, lines: list[str]) -> Iterator[str]:
        """The paragraphs of a block; a heading that stands close to its text is one, a list of headings none."""
        headed = len(lines) > 1 and names_chapter(lines[0]) and not names_chapter(lines[1])
        if headed and not self.verse(lines[1:]) and (len(lines) > 2 or len(lines[1]) > LONGEST):
            yield lines[0]
            lines = lines[1:]
        yield "\n".join(lines) if self.verse(lines) else self.joined(lines)

    def verse(self, lines: Sequence[str]) -> bool:
        """Whether the lines end where they do on purpose: most had room for the next word."""
        if len(lines) < 2 or self.layout.width is None:
            return len(lines) > 1
        needs = [
            len(line) + (_WIDE_END.search(line) is None) + len(_first_word(after)) for line, after in pairwise(lines)
        ]
        if sum(need <= self.layout.width - SLACK for need in needs) <= PROSE_SHARE * len(needs):
            return False
        runs_on = sum(after[0].islower() and not _PAUSE.search(line) for line, after in pairwise(lines))
        return runs_on < RUNS_ON_SHARE * len(needs)

    def joined(self, lines: Sequence[str]) -> str:
        whole = lines[0].strip()
        for line in map(str.strip, lines[1:]):
            if broken := _BROKEN_WORD.search(whole):
                rest = _WORD.match(line)
                if rest and rest[0].islower() and (broken[1] + rest[0]).lower() in self.words:
                    whole = whole[:-1]
                whole += line
            elif whole.endswith(("--", "—")) or (_WIDE_END.search(whole) and _WIDE_START.match(line)):
                whole += line
            else:
                whole += f" {line}"
        return whole


def _first_word(line: str) -> str:
    return line[:1] if _WIDE_START.match(line) else line.split(maxsplit=1)[0]


def names_chapter(line: str) -> bool:
    """Whether a line is a heading with a word for it, such as `CHAPTER I`, that no prose line is taken for."""
    found = heading(line)
    return found is not None and found.level in {Level.CHAPTER, Level.PART}


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text with one kind of line end; lines that were kept are parted by a line break."""
    return list(_Reader(text).paragraphs())
