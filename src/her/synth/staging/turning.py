"""From speeches and deeds at their places in the book to turns: in the book's order, one speaker after another.

Knows when what follows belongs to the same turn, and how its parts are joined. Refuses to know whether a scene may
stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from her.checks.units import is_spaceless
from her.rows.record import Piece, TurnRow
from her.synth.staging.spoken import Span, speech
from her.turn import ENVIRONMENT, Kind


@dataclass(frozen=True, slots=True)
class Event:
    """A speech (`spans` of its words) or a deed, at its place in the text; `heard_by` None means everyone."""

    at: int
    speaker: str
    spans: tuple[Span, ...] = ()
    deed: str = ""
    heard_by: frozenset[str] | None = None


@dataclass(slots=True)
class _Growing:
    """A turn that the next event may still join."""

    speaker: str
    events: list[Event] = field(default_factory=list)

    @property
    def said(self) -> Event | None:
        return next((event for event in self.events if event.spans), None)

    def takes(self, event: Event) -> bool:
        """Whether the event goes on with this turn: whispers and open words stay apart, deeds join either."""
        if event.speaker != self.speaker:
            return False
        return not event.spans or self.said is None or event.heard_by == self.said.heard_by


def turns(text: str, events: Iterable[Event]) -> tuple[TurnRow, ...]:
    """The turns that the events are, with the ids t01, t02 and so on.

    What one speaker says and does in a row is one turn; what the Environment does is written as its speech.
    """
    grown: list[_Growing] = []
    for event in sorted(events, key=lambda event: event.at):
        if not (grown and grown[-1].takes(event)):
            grown.append(_Growing(event.speaker))
        grown[-1].events.append(event)
    return tuple(_row(text, turn, f"t{number:02d}") for number, turn in enumerate(grown, 1))


def _row(text: str, turn: _Growing, id: str) -> TurnRow:
    pieces, spans = list[Piece](), list[Span]()
    places = [event.spans[0][0] for event in turn.events if event.spans]
    for is_deed, run in groupby(turn.events, key=lambda event: bool(event.deed)):
        if is_deed:
            kind = Kind.SPEECH if turn.speaker == ENVIRONMENT else Kind.ROLE_ACTION
            pieces.append(Piece(kind=kind, text=_in_a_row([event.deed for event in run], kind)))
        else:
            said_here = [span for event in run for span in event.spans]
            after = next((place for place in places if place > said_here[-1][0]), None)
            said, kept = speech(text, said_here, after)
            pieces.append(Piece(kind=Kind.SPEECH, text=said))
            spans += kept
    heard_by = turn.said.heard_by if turn.said else None
    return TurnRow(
        id=id,
        speaker=turn.speaker,
        segments=tuple(pieces),
        heard_by=None if heard_by is None else tuple(sorted(heard_by)),
        spans=tuple(spans),
    )


def _in_a_row(deeds: Sequence[str], kind: Kind) -> str:
    wide = is_spaceless(deeds[0][-1])
    if kind is Kind.ROLE_ACTION:
        return ("，" if wide else ", ").join(deeds)
    stopped = [deed if deed[-1] in ".!?…。！？" else deed + ("。" if wide else ".") for deed in deeds]
    return ("" if wide else " ").join(stopped)
