"""Cuts into a turn: words put between two sentences of a layer, or in the place of one.

Knows sentences and where a layer may be opened, so that the rest stays word for word. Refuses to know why.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from random import Random

from her.checks import sentences
from her.draft import is_spaced
from her.turn import Kind, Segment, Turn

ENDS = ".!?…。！？"
"""What a finished sentence ends in, closing quotation marks left aside."""
_CLOSING = "\"'”’»」』)）"
CLAUSES = {"zh": "，"}
"""What parts two deeds of one action, by language; `, ` where nothing is said."""

_SMALL_WORDS = (
    "a all an and another anybody as at but by do don't even everybody everything every for from give has have "
    "having he he's her his how if in is it it's let many more most my no nobody none not nothing now of on "
    "once one only or our out perhaps put she she's so some somebody something still take that that's the their "
    "then there there's these they they're this those to too two under we what what's when where which who why will "
    "with would you you're you've you'd he'd she'd we'd they'd it'd your yes yet"
)
SMALL = frozenset(_SMALL_WORDS.split())
"""English words that may begin a sentence and are small inside one."""


def inside(text: str, language: str, names: Collection[str] = ()) -> str | None:
    """A sentence as it goes on behind a colon or a comma: small where it does not begin with a name, or with "I"; None
    where that is not known."""
    first = re.match(r"[\w’'-]+", text)
    if first is None or language not in ("en", "fr") or first[0] in names or re.match(r"I\b|I['’]", text):
        return text
    small = language == "fr" or first[0].lower().replace("’", "'") in SMALL
    return text[:1].lower() + text[1:] if small else None


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a turn: its segment, from 0, and where it stands in that segment's text."""

    segment: int
    start: int
    end: int
    text: str
    kind: Kind


def sentences_of(turn: Turn, *kinds: Kind) -> list[Sentence]:
    """The sentences of the turn's layers of these kinds, in order; of all kinds where none is named."""
    found: list[Sentence] = []
    for at, segment in enumerate(turn.segments):
        if kinds and segment.kind not in kinds:
            continue
        place = 0
        for text in sentences(segment.text):
            start = segment.text.index(text, place)
            place = start + len(text)
            found.append(Sentence(at, start, place, text, segment.kind))
    return found


def finished(text: str) -> bool:
    """Whether the text ends as a sentence does."""
    return text.rstrip(_CLOSING)[-1:] in tuple(ENDS)


def joined(left: str, right: str) -> str:
    """Two sentences side by side, as their script has it."""
    gap = " " if left and right and is_spaced(left[-1]) and is_spaced(right[0]) else ""
    return f"{left}{gap}{right}"


def one_line(turn: Turn) -> str:
    """All that is said in a turn, as one text."""
    said = ""
    for segment in turn.segments:
        said = joined(said, segment.text) if segment.kind is Kind.SPEECH else said
    return said


def capital(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]


def with_segment(turn: Turn, at: int, text: str) -> Turn:
    """The turn with another text in one segment; without that segment where the text is empty."""
    kept = [replace(s, text=text) if n == at else s for n, s in enumerate(turn.segments)]
    return replace(turn, segments=merged([s for s in kept if s.text]))


def merged(segments: list[Segment]) -> tuple[Segment, ...]:
    """The segments with neighbours of one kind made one; two deeds are two blocks no more."""
    found: list[Segment] = []
    for segment in segments:
        if found and found[-1].kind is segment.kind:
            found[-1] = replace(segment, text=joined(found[-1].text, segment.text))
        else:
            found.append(segment)
    return tuple(found)


def swapped(turn: Turn, sentence: Sentence, words: str) -> Turn:
    """The turn with other words in the place of a sentence of it."""
    text = turn.segments[sentence.segment].text
    left, right = text[: sentence.start].rstrip(), text[sentence.end :].lstrip()
    return with_segment(turn, sentence.segment, joined(joined(left, words), right))


def put(turn: Turn, kind: Kind, words: str, rng: Random, language: str = "en") -> Turn:
    """The turn with words added to a layer: to a segment of it where there is one, else as a segment of their own."""
    inside = list(_gaps(turn, kind))
    if inside and (kind is Kind.SPEECH or rng.random() < 0.7):
        segment, at = rng.choice(inside)
        text = turn.segments[segment].text
        if kind is Kind.ROLE_ACTION:
            joint = "; " if words[:1].isupper() else CLAUSES.get(language, ", ")
            return with_segment(turn, segment, text.rstrip("，,;.。 ") + joint + words)
        return with_segment(turn, segment, joined(joined(text[:at].rstrip(), words), text[at:].lstrip()))
    return _opened(turn, Segment(kind, words), rng)


def worked_in(turn: Turn, kind: Kind, words: str, rng: Random, language: str = "en") -> Turn:
    """As `put`, or, as often, in the place of one of several sentences, so that length does not give an edit away."""
    near = [one for one in sentences_of(turn, kind) if finished(one.text)]
    if len(near) > 1 and kind is not Kind.ROLE_ACTION and rng.random() < 0.5:
        return swapped(turn, min(near, key=lambda one: (abs(len(one.text) - len(words)), one.segment)), words)
    return put(turn, kind, words, rng, language)


def _gaps(turn: Turn, kind: Kind) -> Iterator[tuple[int, int]]:
    """Places in segments of a kind at which a sentence may begin: segment and offset."""
    begun = True
    for at, segment in enumerate(turn.segments):
        if segment.kind is kind is Kind.ROLE_ACTION:
            yield at, len(segment.text)
        elif segment.kind is kind:
            if begun:
                yield at, 0
            yield from ((at, one.end) for one in sentences_of(turn, kind) if one.segment == at and finished(one.text))
        if segment.kind is kind:
            # A sentence that a thought breaks off goes on in the next piece of speech.
            begun = finished(segment.text)


def _opened(turn: Turn, new: Segment, rng: Random) -> Turn:
    """The turn with a segment of its own, not beside one of its kind and not inside a sentence."""
    cut: list[tuple[Segment, ...]] = []
    held = turn.segments
    for at in range(len(held) + 1):
        beside = {held[n].kind for n in (at - 1, at) if 0 <= n < len(held)}
        broken = 0 < at < len(held) and held[at - 1].kind is Kind.SPEECH and not finished(held[at - 1].text)
        if new.kind not in beside and not broken:
            cut.append((*held[:at], new, *held[at:]))
    for one in sentences_of(turn, Kind.SPEECH):
        text = held[one.segment].text
        if new.kind is not Kind.SPEECH and one.end < len(text) and finished(one.text):
            parts = (
                Segment(Kind.SPEECH, text[: one.end].rstrip()),
                new,
                Segment(Kind.SPEECH, text[one.end :].lstrip()),
            )
            cut.append((*held[: one.segment], *parts, *held[one.segment + 1 :]))
    if not cut:
        return replace(turn, segments=merged([*held, new]))
    return replace(turn, segments=rng.choice(cut))
