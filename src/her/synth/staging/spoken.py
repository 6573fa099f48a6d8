"""The words of a turn, taken from their places in the book and joined as one speech.

Knows how novels break up what somebody says: reporting clauses, the comma before them, marks repeated at each
paragraph. Refuses to know who speaks.

A span covers words and their punctuation, never a quotation mark, and never a comma that stands only because the
narrator goes on: `"It is," returned she.` is said as `It is.`, with a span over `It is`.
"""

from __future__ import annotations

from collections.abc import Sequence

from her.checks.units import is_spaceless

Span = tuple[int, int]

MARKS = "\"“”„‟«»‹›「」『』﹁﹂﹃﹄〝〞‘’‛'"
"""Signs that open or close a quotation, in any of the scripts."""

_COMMAS = ",，、"
_HANGING = _COMMAS + ";；"
"""What the last word before a narrator's clause may carry, and a whole speech may not end with."""
_GOES_ON = ",;，；、-–—―"
"""A narrator's clause that ends so lets the sentence go on; one that ends in a stop, a colon or nothing does not."""
_WIDE = "。，、！？；：）」』》"


def words_at(text: str, start: int, end: int) -> tuple[Span, ...]:
    """The spans of a stretch of whole paragraphs, one each, without the marks and white space around them."""
    spans, at = [], start
    for paragraph in text[start:end].split("\n\n"):
        left, right = at, at + len(paragraph)
        at = right + 2
        while left < right and (text[left].isspace() or text[left] in MARKS):
            left += 1
        while left < right and (text[right - 1].isspace() or text[right - 1] in MARKS):
            right -= 1
        if left < right:
            spans.append((left, right))
    return tuple(spans)


def speech(text: str, spans: Sequence[Span], after: int | None = None) -> tuple[str, tuple[Span, ...]]:
    """What is said in these places, in order, as one speech without blank lines, and the places as they then are.

    `after` is where the same turn goes on speaking, behind a deed; None where this is the last of it.

    Every place's text stands in the speech as it is; between them there is one space (none in scripts that have
    none), and a comma or a stop where a reporting clause stood.
    """
    said, kept = "", []
    for number, (start, end) in enumerate(spans):
        following = spans[number + 1][0] if number + 1 < len(spans) else after
        goes_on = following is not None and _goes_on(text, end, following)
        last, stop = end, ""
        if not goes_on and end - start > 1 and text[end - 1] in _HANGING:
            last, stop = end - 1, _stop(text[end - 1])
        elif text[end - 1].isalnum() and (outside := text[end : end + 2].strip(MARKS)[:1]) and outside in _COMMAS:
            stop = outside if goes_on else _stop(outside)
        joint = "" if not said or said[-1] in _WIDE or is_spaceless(said[-1]) or is_spaceless(text[start]) else " "
        said += joint + text[start:last] + stop
        kept.append((start, last))
    return said, tuple(kept)


def _goes_on(text: str, end: int, following: int) -> bool:
    """Whether the sentence that breaks off at `end` is the one that begins at `following`."""
    between = text[end:following].strip().strip(MARKS + " ")
    if not between or text[following].islower():
        return True
    return between[-1] in _GOES_ON and "\n\n" not in text[end:following]


def _stop(comma: str) -> str:
    return "." if comma in ",;" else "。"
