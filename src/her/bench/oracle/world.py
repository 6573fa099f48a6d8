"""Rooms, things and people: what happens, and from it who believes that who believes a thing is where.

Knows events and two readings of them. Refuses to know how events are told (`tale`), and to guess: who could never
learn of a thing believes nothing of it.

The rule is one: what happens is common knowledge among those who are there to see it. So a chain of minds (what A
thinks that B thinks) changes with an event where all its minds are among the witnesses, and never otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Enter:
    """People come into a room, and see who and what is there."""

    who: tuple[str, ...]
    room: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Somebody leaves a room."""

    who: str
    room: str


@dataclass(frozen=True, slots=True)
class Stand:
    """A thing stands somewhere in a room, for all to see who are there."""

    thing: str
    place: str
    room: str


@dataclass(frozen=True, slots=True)
class Move:
    """Somebody moves a thing to another place in the same room."""

    who: str
    thing: str
    place: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says where a thing is; `to` None: before everybody."""

    who: str
    to: str | None
    thing: str
    place: str


@dataclass(frozen=True, slots=True)
class Aside:
    """Something that moves nothing and tells nobody anything: a line that is there to distract."""

    who: str
    what: str


Event = Enter | Leave | Stand | Move | Claim | Aside


class Reading(StrEnum):
    """How the events are read where the rule leaves room."""

    OURS = "ours"
    """All follows from the one rule: whoever comes in sees, in common with all there; that a listener believes a
    speaker is known to all who hear the claim."""
    HITOM = "hitom"
    """As the answers of Hi-ToM have it: coming in changes what one thinks, not what others think one thinks; a claim
    changes what its listener thinks, what the speaker thinks the listener thinks (believed or not), and what a
    listener who believes it thinks the speaker thinks; nothing deeper, and nothing about third persons."""


class World:
    """What has happened, asked for beliefs; `events` in their order."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = tuple(events)

    def truth(self, thing: str) -> str | None:
        """Where a thing is; None for one that never was anywhere."""
        return self.belief((), thing)

    def belief(self, minds: Sequence[str], thing: str, reading: Reading = Reading.OURS) -> str | None:
        """Where the first mind thinks that the second thinks … that the thing is; None where they have no idea.

        No minds: where it is. A mind that follows on itself counts once: one knows what one thinks.
        """
        chain = tuple(mind for at, mind in enumerate(minds) if not at or mind != minds[at - 1])
        state = _State(chain, thing, reading)
        for at, event in enumerate(self.events):
            state.see(event, at)
        return state.belief


class _State:
    """One chain's belief about one thing, as events go by."""

    def __init__(self, chain: tuple[str, ...], thing: str, reading: Reading) -> None:
        self.belief: str | None = None
        self._chain, self._minds, self._thing, self._reading = chain, frozenset(chain), thing, reading
        self._at: dict[str, str] = {}
        self._left: dict[tuple[str, str], float] = {}
        self._true: str | None = None
        self._room = ""

    def see(self, event: Event, time: int) -> None:
        match event:
            case Enter(who, room):
                for one in who:
                    self._at[one] = room
                    self._left[one, room] = math.inf
                if room == self._room and (self._reading is Reading.OURS or len(self._chain) < 2):
                    self._witnessed(room)
            case Leave(who, room):
                self._at.pop(who, None)
                self._left[who, room] = time
            case Stand(thing, place, room) if thing == self._thing:
                self._true, self._room = place, room
                self._witnessed(room)
            case Move(who, thing, place) if thing == self._thing:
                self._true = place
                self._witnessed(self._at.get(who, ""))
            case Claim(who, to, thing, place) if thing == self._thing and self._chain:
                if (to is None or self._minds <= {who, to}) and self._takes(who):
                    self.belief = place

    def _witnessed(self, room: str) -> None:
        if all(self._at.get(mind) == room for mind in self._minds):
            self.belief = self._true

    def _takes(self, speaker: str) -> bool:
        """Whether a claim that all minds of the chain have heard changes what the chain believes."""
        *outer, last = self._chain
        if self._reading is Reading.HITOM and len(outer) > 1:
            return False
        if last == speaker:
            # What others take the speaker to believe: those who trust a speaker take the words as meant.
            return bool(outer) and self._trusts(outer[-1], speaker)
        if self._reading is Reading.HITOM and outer:
            return outer[0] == speaker
        return self._trusts(last, speaker)

    def _trusts(self, listener: str, speaker: str) -> bool:
        last = (self._left.get((one, self._room), -1.0) for one in (listener, speaker))
        return next(last) < next(last)
