"""Text as measures see it: units, sentences, runs of units, findings.

A unit is a word where the script puts spaces between words, and one character where it does
not (Chinese, Japanese, Thai, Lao, Burmese, Khmer). Knows scripts; refuses to know languages.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from her.turn import Kind, Turn

NGRAM = 4
"""Words in a run that counts as repeated (docs/sources.md)."""
CHARACTERS_PER_WORD = 1.5
"""How many characters of a script without spaces stand for one word (docs/sources.md)."""

SPACELESS = (
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u0e01-\u0e4e\u0e80-\u0ece\u1000-\u103f\u1780-\u17d3"
)
"""Character ranges of scripts written without spaces, for a regular expression's brackets."""
MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u065f\u0900-\u0963\u0966-\u0dff"
"""Vowel signs and accents that Python's `\\w` leaves out, but which belong to their word."""

_SPACELESS = re.compile(f"[{SPACELESS}]")
_UNIT = re.compile(f"[{SPACELESS}]|[^\\W_{SPACELESS}](?:[^\\W_{SPACELESS}]|[{MARKS}]|['’](?=[^\\W_]))*")
# Possessive, and only from the start of a run: a megabyte of dots must not be read a million times.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?=\s|\Z)|[。！？…]++[”’」』）]*+|[\n\r]++")
_SHORTENED = re.compile(r"(?:^|[\s(\"“«])(?:Mr|Mrs|Ms|Dr|St|Mme|Mlle|M|Hr|Fr|Sr|Sra|Srta|Prof|Capt|Col|[A-HJ-Z])\.$")
_QUOTED = re.compile(
    r"\"[^\"\n]*\"|“[^“”]*”|„[^„“”]*[“”]|«[^«»]*»|»[^«»]*«|「[^「」]*」|『[^『』]*』|‘[^‘’\n]*’(?!\w)",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A place in a turn: `segment` counts from 0; `start` and `end` are character offsets in its text."""

    rule: str
    """Which rule it breaks, a word or two."""
    segment: int
    kind: Kind
    start: int
    end: int
    text: str
    """What stands there."""


def primary(language: str) -> str:
    """The language itself of a BCP-47 code, e.g. `en` of `en-GB`."""
    return language.partition("-")[0].lower()


def units(text: str) -> list[str]:
    """The text's units in order, case-folded, with straight apostrophes and no punctuation."""
    return [match.group().casefold().replace("’", "'") for match in _UNIT.finditer(text)]


def unit_spans(text: str) -> list[tuple[str, int, int]]:
    """The units with the character offsets they stand at."""
    return [(match.group().casefold().replace("’", "'"), *match.span()) for match in _UNIT.finditer(text)]


def is_spaceless(character: str) -> bool:
    """True for a character of a script without spaces."""
    return bool(_SPACELESS.match(character))


def spaceless_share(words: Collection[str]) -> float:
    """The share of units that are characters of a script without spaces, 0 for no units."""
    return sum(1 for word in words if _SPACELESS.match(word)) / len(words) if words else 0.0


def run_length(words: Collection[str], size: int) -> int:
    """How many units make a run of `size` words: more of them where units are single characters."""
    return round(size * CHARACTERS_PER_WORD) if spaceless_share(words) > 0.5 else size


def runs(words: Sequence[str], size: int) -> Iterable[tuple[str, ...]]:
    """Every run of `size` units, in order (n-grams); none where there are fewer."""
    return zip(*(words[start:] for start in range(size)), strict=False)


def sentences(text: str) -> list[str]:
    """The sentences that hold at least one unit, in order, trimmed; lines end sentences too."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if match.group().startswith(".") and _SHORTENED.search(text[max(start, match.start() - 8) : match.start() + 1]):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if _UNIT.search(sentence)]


def sentence_around(text: str, ends: Sequence[int], at: int) -> tuple[int, int]:
    """The offsets of the sentence that holds offset `at`; `ends` are those of `sentence_ends(text)`."""
    place = bisect_right(ends, at)
    return (ends[place - 1] if place else 0, ends[place] if place < len(ends) else len(text))


def sentence_ends(text: str) -> list[int]:
    """The offsets at which sentences end, shortened titles taken for ends too."""
    return [match.end() for match in _END.finditer(text)]


def without_quotes(text: str) -> str:
    """The text with every closed quotation turned into spaces, so that offsets stay."""
    return _QUOTED.sub(lambda match: " " * len(match.group()), text)


def words_of(turns: Iterable[Turn], kinds: Collection[Kind]) -> list[list[str]]:
    """The units of every segment of these kinds, one list a segment."""
    return [units(segment.text) for turn in turns for segment in turn.segments if segment.kind in kinds]
