"""The oracle held against Hi-ToM: its stories as events, and every answer that the two do not share.

Knows how Hi-ToM writes what happens. Refuses to pass over a line that it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from her.bench.minds.hitom import HALF, told
from her.bench.minds.source import Row, json_of, rows_of
from her.bench.oracle.world import Aside, Claim, Enter, Event, Leave, Move, Reading, Stand, World

_AND = re.compile(r", | and ")
_ENTERED = re.compile(r"(.+) entered the (\w+)\.")
_EXITED = re.compile(r"(\w+) exited the (\w+)\.")
_STANDS = re.compile(r"The (\w+) is in the (\w+)\.")
_MOVED = re.compile(r"(\w+) moved the (\w+) to the (\w+)\.")
_CLAIMED = re.compile(r"(\w+) publicly claimed that (?:the )?(\w+) is in the (\w+)\.")
_TOLD = re.compile(r"(\w+) privately told (\w+) that the (\w+) is in the (\w+)\.")
_ASIDE = re.compile(
    r"(\w+) (made no movements and stayed in the \w+ for 1 minute|(?:dis)?likes the \w+|saw an? \w+|lost h\w+ \w+)\."
)
_THING = re.compile(r"the (\w+) (?:is\?|really\?)")
_MIND = re.compile(r"\b(?:does|thinks?) ([A-Z]\w+)")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of Hi-ToM: whose belief it asks for, of what, and where the set says the thing is thought to be."""

    id: int
    minds: tuple[str, ...]
    thing: str
    answer: str
    lines: tuple[str, ...]

    @property
    def events(self) -> list[Event]:
        """The story."""
        return events_of(self.lines)

    def ours(self, reading: Reading = Reading.HITOM) -> str | None:
        """What the oracle answers."""
        return World(self.events).belief(self.minds, self.thing, reading)


def questions(path: Path) -> list[Asked]:
    """All questions of one half of the set. Raises InputError and StorageError."""
    rows = rows_of(path, json_of(path)["data"])
    return [_asked(row) for row in rows if row.text("prompting_type") == HALF]


def disagreements(asked: Sequence[Asked], reading: Reading = Reading.HITOM) -> list[Asked]:
    """The questions to which the oracle has another answer than the set."""
    return [one for one in asked if one.ours(reading) != one.answer]


def events_of(lines: Sequence[str]) -> list[Event]:
    """The events of a story's lines. Raises ValueError for a line that is none of the set's."""
    events: list[Event] = []
    room = ""
    for line in lines:
        event = _event(line, room)
        if isinstance(event, Enter):
            room = event.room
        events.append(event)
    return events


def _event(line: str, room: str) -> Event:
    if found := _ENTERED.fullmatch(line):
        return Enter(tuple(_AND.split(found[1])), found[2])
    if found := _EXITED.fullmatch(line):
        return Leave(found[1], found[2])
    if found := _STANDS.fullmatch(line):
        return Stand(found[1], found[2], room)
    if found := _MOVED.fullmatch(line):
        return Move(found[1], found[2], found[3])
    if found := _CLAIMED.fullmatch(line):
        return Claim(found[1], None, found[2], found[3])
    if found := _TOLD.fullmatch(line):
        return Claim(found[1], found[2], found[3], found[4])
    if found := _ASIDE.fullmatch(line):
        return Aside(found[1], found[2])
    raise ValueError(f"{line!r} is no line of Hi-ToM")


def _asked(row: Row) -> Asked:
    question, order = row.text("question"), row.number("question_order")
    thing, minds = _THING.search(question), tuple(_MIND.findall(question))
    if thing is None or len(minds) != order:
        row.wrong("question", "is in no form that is known")
    return Asked(row.number("sample_id"), minds, thing[1], row.text("answer"), told(row))
