"""A book as every stage sees it: one normalised text, its chapters, and paragraphs by number.

Knows places in the text. Refuses to know how the text came here (`reading`) and what is said in it (`quotes`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

_PARAGRAPH = re.compile(r"[^\n]+(?:\n(?!\n)[^\n]+)*")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph: `number` counts from 1 in its chapter; `start` and `end` are characters of the book's text."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter: `number` counts from 1; the body from `start` to `end` is without the heading, which is `title`."""

    number: int
    title: str
    start: int
    end: int


@dataclass(frozen=True)
class Book:
    """A whole book. In `text` a blank line stands between two paragraphs, hard-wrapped lines are joined and lines of
    verse kept; `sha` is its sha256."""

    slug: str
    title: str
    author: str
    language: str
    text: str
    chapters: tuple[Chapter, ...]
    sha: str

    @cached_property
    def size(self) -> int:
        """Characters of the text."""
        return len(self.text)

    def paragraphs(self, chapter: Chapter) -> tuple[Paragraph, ...]:
        """The paragraphs of a chapter in order."""
        found = _PARAGRAPH.finditer(self.text, chapter.start, chapter.end)
        return tuple(Paragraph(number, match.start(), match.end()) for number, match in enumerate(found, 1))
