"""A scene beside its novel: which paragraph each turn was made of, and which words of it are spoken.

Knows places in a text, and what a page needs to know of a row. Refuses to know how the page looks (`templates`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from her.rows.record import Refusal, SceneRow, TurnRow
from her.scene import Character
from her.turn import ENVIRONMENT, Kind

_PARAGRAPH = re.compile(r"[^\n]+(?:\n(?!\n)[^\n]+)*")
_CLOSING = ("”", "’", '"', "'", "»", "«", "」", "』", "“")
_WRITTEN_IN = (Kind.ROLE_THINKING, Kind.ROLE_ACTION)

Segments = tuple[tuple[Kind, str, bool], ...]
"""Kind, text, and whether a stage has written it in."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a paragraph, `spoken` by a turn or narrated. `ends` is the number of the turn whose words end
    here, None for no turn's; `anchor` is where a link to a turn's words leads, empty but at their beginning."""

    text: str
    spoken: bool = False
    ends: int | None = None
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A turn as a page shows it: numbered from 1, with its plan apart, as it came and as it is, and what was refused.

    `anchor` is its own place on the page, `back` that of its first words in the novel, empty without such.
    """

    number: int
    speaker: str
    world: bool
    heard_by: tuple[str, ...]
    plan: str
    segments: Segments
    came: Segments
    refused: tuple[Refusal, ...]
    anchor: str
    back: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A paragraph of the novel, empty where there is none, and the turns that begin in it."""

    novel: tuple[Stretch, ...]
    turns: tuple[ShownTurn, ...]


@dataclass(frozen=True, slots=True)
class SceneView:
    """A scene as a page shows it.

    `refused` is what concerns no turn of it; `open` the number of the turn whose plan stands open; `left` how many
    turns come after those that are shown.
    """

    anchor: str
    id: str
    title: str
    language: str
    book: str
    author: str
    chapter: str
    setting: str
    cast: tuple[Character, ...]
    pairs: tuple[Pair, ...]
    refused: tuple[Refusal, ...]
    lineage: tuple[tuple[str, str, str, str], ...]
    open: int | None
    shown: int
    left: int

    @property
    def has_novel(self) -> bool:
        """Whether the novel's text stands beside the turns."""
        return any(pair.novel for pair in self.pairs)


def scene_view(row: SceneRow, text: str | None, anchor: str, most: int | None = None) -> SceneView:
    """The row with the novel's `text` beside it (None: without), at most its first `most` turns; `anchor` is its
    name on the page."""
    pairs = paired(row, text, anchor)
    turns = [turn for pair in pairs for turn in pair.turns]
    if most is not None and len(turns) > most:
        ends = next(at for at, pair in enumerate(pairs) if any(turn.number == most for turn in pair.turns))
        last = Pair(pairs[ends].novel, tuple(turn for turn in pairs[ends].turns if turn.number <= most))
        pairs = (*pairs[:ends], last)
    ids = {turn.id for turn in row.turns}
    shown = sum(len(pair.turns) for pair in pairs)
    return SceneView(
        anchor=anchor,
        id=row.id,
        title=row.title,
        language=row.language,
        book=row.source.book,
        author=row.source.author,
        chapter=row.source.chapter,
        setting=row.setting,
        cast=row.cast,
        pairs=pairs,
        refused=tuple(one for one in row.refused if one.where not in ids),
        lineage=tuple((step.stage, step.model, ", ".join(step.prompts), _told(step.sampling)) for step in row.lineage),
        open=next((turn.number for turn in turns if turn.plan), None),
        shown=shown,
        left=len(turns) - shown,
    )


def is_of(row: SceneRow, text: str | None) -> bool:
    """Whether the row's places are places in this text: it has some, and the text is the one they were taken from."""
    if text is None or row.source.start is None or row.source.end is None:
        return False
    return hashlib.sha256(text.encode()).hexdigest() == row.source.sha


def paired(row: SceneRow, text: str | None, prefix: str) -> tuple[Pair, ...]:
    """The scene's paragraphs in order with the turns made of them; one pair without a novel where `text` is not the
    row's (`is_of`). `prefix` begins the names of its places on the page.

    A turn stands with the paragraph of its first spoken word. One without spoken words has a paragraph to itself where
    there is one between its neighbours', else it stands with the turn before. The order of turns is never changed.
    """
    if text is None or not is_of(row, text):
        return (Pair((), _shown(row, prefix, ())),)
    start, end = row.source.start or 0, min(row.source.end or 0, len(text))
    paragraphs = [match.span() for match in _PARAGRAPH.finditer(text, start, end)]
    if not paragraphs:
        return (Pair((), _shown(row, prefix, ())),)
    spans = [_within(turn.spans, start, end) for turn in row.turns]
    homes = _homes([_first(own, paragraphs) for own in spans], len(paragraphs))
    spoken = [(begin, stop, number) for number, own in enumerate(spans, 1) for begin, stop in own]
    novel = [_stretches(text, paragraph, spoken, prefix) for paragraph in paragraphs]
    turns = _shown(row, prefix, {stretch.anchor for stretches in novel for stretch in stretches})
    return tuple(
        Pair(stretches, tuple(turn for turn, home in zip(turns, homes, strict=True) if home == at))
        for at, stretches in enumerate(novel)
    )


def _first(spans: Sequence[tuple[int, int]], paragraphs: Sequence[tuple[int, int]]) -> int | None:
    """The number of the paragraph in which the first of these places begins; None for no places."""
    first = min((begin for begin, _ in spans), default=None)
    return next((at for at, (_, stop) in enumerate(paragraphs) if first is not None and first < stop), None)


def _homes(places: Sequence[int | None], count: int) -> list[int]:
    """A paragraph for every turn, of `count` in all, never before that of an earlier turn."""
    homes: list[int] = []
    for at, place in enumerate(places):
        last = homes[-1] if homes else -1
        if place is None:
            later = next((one for one in places[at:] if one is not None), count)
            homes.append(max(last + 1 if last + 1 < later else last, 0))
        else:
            homes.append(max(place, last))
    return homes


def _shown(row: SceneRow, prefix: str, anchors: Collection[str]) -> tuple[ShownTurn, ...]:
    """The row's turns as a page shows them, refusals with the turn that they concern."""
    before = {turn.id: turn for turn in row.original}
    return tuple(
        ShownTurn(
            number=number,
            speaker=turn.speaker,
            world=turn.speaker == ENVIRONMENT,
            heard_by=turn.heard_by or (),
            plan=turn.turn.text_of(Kind.SYSTEM_THINKING),
            segments=_segments(turn, before.get(turn.id)),
            came=_segments(before.get(turn.id, turn), None),
            refused=tuple(one for one in row.refused if one.where == turn.id),
            anchor=f"{prefix}-turn-{number}",
            back=back if (back := f"{prefix}-words-{number}") in anchors else "",
        )
        for number, turn in enumerate(row.turns, 1)
    )


def _told(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _segments(turn: TurnRow, before: TurnRow | None) -> Segments:
    known = None if before is None else {(piece.kind, piece.text) for piece in before.segments}
    return tuple(
        (
            piece.kind,
            piece.text,
            known is not None and piece.kind in _WRITTEN_IN and (piece.kind, piece.text) not in known,
        )
        for piece in turn.segments
        if piece.kind is not Kind.SYSTEM_THINKING
    )


def _within(spans: Iterable[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    cut = ((max(begin, start), min(stop, end)) for begin, stop in spans)
    return [(begin, stop) for begin, stop in cut if begin < stop]


def _stretches(
    text: str, paragraph: tuple[int, int], spoken: Sequence[tuple[int, int, int]], prefix: str
) -> tuple[Stretch, ...]:
    """The paragraph cut at the ends of spoken words; of two turns that claim the same words the first has them."""
    at, end = paragraph
    lasts = {number: max(stop for _, stop, n in spoken if n == number) for _, _, number in spoken}
    firsts = {number: min(begin for begin, _, n in spoken if n == number) for _, _, number in spoken}
    found: list[Stretch] = []
    for begin, stop, number in sorted(spoken):
        start, cut = max(begin, at), min(stop, end)
        if start >= cut:
            continue
        if start > at:
            found.append(Stretch(text[at:start]))
        ends = number if lasts[number] == cut else None
        anchor = f"{prefix}-words-{number}" if firsts[number] == begin == start else ""
        at = cut
        if ends is not None and text[cut:end].startswith(_CLOSING):
            at = cut + 1
            found += [Stretch(text[start:cut], True, None, anchor), Stretch(text[cut:at], False, ends)]
        else:
            found.append(Stretch(text[start:cut], True, ends, anchor))
    if at < end:
        found.append(Stretch(text[at:end]))
    return tuple(found)
