"""A written turn, read in one pass: pieces of text in, events out, the whole turn last.

Knows blocks, depths and faults. Refuses to know how a block is written: a `Notation` (from `markup`)
recognises marks. Parsing a whole text is this same machine fed once, so streaming and parsing cannot differ.

The rule of privacy: text belongs to the most private block that is open, and a private block is open until its own
closer comes. Nothing is guessed in favour of showing more.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from her.draft import Draft, NameWatch
from her.turn import Ending, Fault, FaultKind, Kind, Parsed, Segment, Turn


@dataclass(frozen=True, slots=True)
class Started:
    """A new segment begins."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of the segment that started last; provisional until `Finished`."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Retract:
    """Everything shown so far as action or speech is in truth of this private kind: take it off the screen."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class SecondSpeaker:
    """Somebody else begins to speak; a face may stop the model here."""

    name: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event; its turn equals `markup.parse` of the whole text."""

    parsed: Parsed


Event = Started | Delta | Retract | SecondSpeaker | Finished

Depths = Counter[tuple[str, Kind]]
"""How many blocks are open, by family of mark and kind."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark in the text: opens or closes a block of a kind.

    A closer closes blocks of its own `family` only. `alias` is a spelling that is not ours. A `lone` mark, such as
    an asterisk, becomes text again where it is never closed. A `kept` mark counts and stays in the text.
    """

    kind: Kind
    opens: bool
    length: int
    family: str
    alias: bool = False
    lone: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Literal:
    """Characters that look like a mark and are text; `ambiguous` where a person may have meant markup."""

    length: int
    ambiguous: bool = False


class Notation(Protocol):
    """How marks are recognised; `markup` has one for each style."""

    def find(self, text: str, start: int) -> int:
        """Offset of the next character that may begin a mark, or len(text)."""

    def read(self, text: str, at: int, before: str, depths: Depths) -> Mark | Literal | None:
        """What stands at an offset; None where only more text can tell. `before` is the character in front."""

    def tidy(self, kind: Kind, text: str) -> str:
        """The text of a finished segment, e.g. without the quotation marks around it."""


_PRIVACY = (Kind.SYSTEM_THINKING, Kind.ROLE_THINKING, Kind.ROLE_ACTION)


def open_kind(depths: Depths) -> Kind:
    """The kind that text belongs to now: the most private one open, SPEECH where none is."""
    kinds = {kind for (_, kind), depth in depths.items() if depth}
    return next((kind for kind in _PRIVACY if kind in kinds), Kind.SPEECH)


class StreamParser:
    """Reads one written turn in pieces; `feed` and `finish` return events, the last of them `Finished`."""

    def __init__(
        self,
        notation: Notation,
        *,
        speaker: str = "",
        cast: Iterable[str] = (),
        opened: Kind | None = None,
        plan: bool = False,
        draft: Draft | None = None,
    ) -> None:
        self._notation = notation
        self._speaker = speaker
        self._plan_expected = plan
        self._names = NameWatch(speaker, cast)
        self._draft = draft or Draft()
        self._faults: dict[tuple[FaultKind, str], tuple[int, int]] = {}
        self._depths: Depths = Counter()
        self._blocks: dict[Kind, int] = {}
        self._num_blocks = 0
        self._lone: dict[tuple[str, Kind], tuple[int, str]] = {}
        self._text, self._offset, self._before = "", 0, ""
        self._rest: list[str] | None = None
        self._events: list[Event] = []
        if opened is not None:
            self._enter(("tag", opened))

    @property
    def open_kind(self) -> Kind:
        """The kind that text would belong to now; SPEECH where no block is open."""
        return open_kind(self._depths)

    def feed(self, text: str) -> list[Event]:
        """The events that this piece of text brings."""
        self._text += text
        self._read(final=False)
        return self._taken()

    def finish(self, *, cut: bool = False) -> list[Event]:
        """The last events; `cut` says that the model was stopped before its own end."""
        self._read(final=True)
        self._release_name()
        for key, depth in self._depths.items():
            if depth and key[1] is not Kind.SPEECH:
                self._fault(FaultKind.UNCLOSED, self._offset, key[1].value)
                if key in self._lone:
                    self._draft.release(*self._lone[key])
        tidied = (Segment(kind, self._notation.tidy(kind, text)) for kind, text in self._draft.pieces())
        segments = tuple(segment for segment in tidied if segment.text)
        self._judge(segments)
        faults = tuple(Fault(kind, at, detail, n) for (kind, detail), (at, n) in self._faults.items())
        rest = "".join(self._rest or ())
        self._events.append(Finished(Parsed(Turn(self._speaker, segments), self._ending(segments, cut), faults, rest)))
        return self._taken()

    def _ending(self, segments: tuple[Segment, ...], cut: bool) -> Ending:
        open_blocks = [key for key, n in self._depths.items() if n and key not in self._lone]
        if cut:
            return Ending.CUT
        if self._rest is not None:
            return Ending.SECOND_SPEAKER
        if any(kind is not Kind.SPEECH for _, kind in open_blocks):
            return Ending.UNCLOSED
        if all(segment.kind is Kind.SYSTEM_THINKING for segment in segments):
            return Ending.EMPTY
        return Ending.COMPLETE

    def _judge(self, segments: tuple[Segment, ...]) -> None:
        """Counts the faults that only the whole turn shows."""
        plans = [i for i, segment in enumerate(segments) if segment.kind is Kind.SYSTEM_THINKING]
        if self._plan_expected and not plans:
            self._fault(FaultKind.MISSING_PLAN, 0)
        if plans and plans[0] > 0:
            self._fault(FaultKind.LATE_PLAN, 0)
        if len(plans) > 1:
            self._fault(FaultKind.SECOND_PLAN, 0)
        if len(plans) == len(segments):
            self._fault(FaultKind.EMPTY, 0)
        for first, second in itertools.pairwise(segments):
            if first.kind is second.kind:
                self._fault(FaultKind.ADJACENT, 0, first.kind.value)

    def _read(self, *, final: bool) -> None:
        text, at = self._text, 0
        while at < len(text):
            end = self._notation.find(text, at)
            if end > at:
                self._write(text[at:end], self._offset + end)
                self._before = text[end - 1]
                at = end
                continue
            found = self._notation.read(text, at, self._before, self._depths)
            if found is None and final:
                found = self._notation.read(text + "\n", at, self._before, self._depths) or Literal(1)
            if found is None:
                break
            raw = text[at : at + found.length]
            if isinstance(found, Literal):
                if found.ambiguous:
                    self._fault(FaultKind.AMBIGUOUS, self._offset + at, raw)
                self._write(raw, self._offset + at + len(raw))
            else:
                self._mark(found, raw, self._offset + at)
            self._before = raw[-1]
            at += len(raw)
        self._offset += at
        self._text = text[at:]

    def _mark(self, mark: Mark, raw: str, at: int) -> None:
        if mark.alias:
            self._fault(FaultKind.ALIAS_TAG, at, raw)
        self._release_name()
        key = (mark.family, mark.kind)
        outer = open_kind(self._depths)
        stray = not mark.opens and not self._depths[key]
        if mark.opens:
            if outer is not Kind.SPEECH and not mark.kept:
                self._fault(FaultKind.NESTED, at, raw)
            self._enter(key)
            if mark.lone and not mark.kept:
                self._lone[key] = (self._blocks[mark.kind], raw)
        elif stray:
            self._fault(FaultKind.STRAY_CLOSER, at, raw)
        else:
            self._depths[key] -= 1
        if self._rest is not None:
            self._rest.append(raw)
        elif mark.kept:
            self._write(raw, at + len(raw))
        if stray and mark.kind.private:
            self._retract(mark.kind)
        self._draft.joint()
        self._names.line_start()

    def _enter(self, key: tuple[str, Kind]) -> None:
        kind = key[1]
        if not any(depth for (_, other), depth in self._depths.items() if other is kind):
            self._num_blocks += 1
            self._blocks[kind] = self._num_blocks
        self._depths[key] += 1

    def _retract(self, kind: Kind) -> None:
        rest, self._rest = self._rest, None
        self._draft.retract(kind)
        self._events.append(Retract(kind))
        if rest:
            self._num_blocks += 1
            self._grow(kind, self._num_blocks, "".join(rest))
            self._draft.retract(kind)
        self._names.fresh()

    def _write(self, text: str, end: int) -> None:
        """Takes text that stands before the offset `end`."""
        if self._rest is not None:
            self._rest.append(text)
            return
        kind = open_kind(self._depths)
        if kind is not Kind.SPEECH or not self._names:
            self._grow(kind, self._blocks.get(kind, 0), text)
            return
        spoken, other, rest = self._names.watch(text)
        self._grow(kind, 0, spoken)
        if other:
            self._rest = [rest]
            self._fault(FaultKind.SECOND_SPEAKER, end - len(rest), other)
            self._events.append(SecondSpeaker(other))

    def _release_name(self) -> None:
        if held := self._names.release():
            self._grow(Kind.SPEECH, 0, held)

    def _grow(self, kind: Kind, block: int, text: str) -> None:
        started, grown = self._draft.write(kind, block, text)
        if started:
            self._events.append(Started(kind))
        if grown:
            self._events.append(Delta(kind, grown))

    def _fault(self, kind: FaultKind, at: int, detail: str = "") -> None:
        first, count = self._faults.get((kind, detail), (at, 0))
        self._faults[kind, detail] = (first, count + 1)

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events
