"""A good turn in its place: who is there, what was said before, and what comes after.

Knows a scene, its turns on both sides, and how people in it are called. Refuses to know what may be broken.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Protocol

from her.checks import units
from her.checks.units import primary
from her.markup import render
from her.scene import Character, Scene
from her.turn import ENVIRONMENT, Kind, Turn

_HE = re.compile(r"\b(?:(he|him|his|himself)|(she|hers?|herself))\b", re.IGNORECASE)
_IT = re.compile(r"\b(?:it|its|itself)\b", re.IGNORECASE)
_TA = re.compile(r"(他)|(她)")
_TITLE = r"(?:Mrs?|Miss|Ms|Dr|Sir|Lady|Lord|Captain|Colonel|Madame|Monsieur|Herr|Frau|Mlle|Mme)\.? "


@dataclass(frozen=True)
class Excuse:
    """What has to be otherwise in the scene for an edit to do no harm. Empty fields change nothing.

    `changed` are words of setting, profiles and turns before that others take the place of. With `reversed` the edited
    side is then the better one; else the two are equal.
    """

    setting: str = ""
    profile: str = ""
    by: str = ""
    said: str = ""
    changed: tuple[tuple[str, str], ...] = ()
    reversed: bool = False


@dataclass(frozen=True)
class Broken:
    """A turn as text that breaks a principle. `good` is the other side where that was edited as well, else empty;
    `words` are what was put in, `excuse` says where they would do no harm, None: nowhere."""

    bad: str
    template: str
    good: str = ""
    words: str = ""
    excuse: Excuse | None = None


class Breaker(Protocol):
    """What a family is to the others."""

    def __call__(self, place: Place, grade: int, rng: Random) -> Broken | None:
        """A turn that breaks the principle, at a grade from 1 (slight) to 3 (gross); None where that cannot be done."""


@dataclass(frozen=True)
class Place:
    """A good turn and all that is known around it. `ahead` are turns of the same scene that come later, `apart` those
    of the same book's other scenes; no breaker may take them for known. `rumours` are facts of all scenes, by kind:
    what is true in another is false here."""

    id: str
    book: str
    scene: Scene
    turns: tuple[Turn, ...]
    turn: Turn
    ahead: tuple[Turn, ...] = ()
    apart: tuple[Turn, ...] = field(default=(), repr=False)
    rumours: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)

    @property
    def speaker(self) -> str:
        """Whose turn it is."""
        return self.turn.speaker

    @property
    def language(self) -> str:
        """The language's own code, such as `en`."""
        return primary(self.scene.language)

    @property
    def text(self) -> str:
        """The good turn as text, its name first."""
        return render(self.turn, name=True)

    def written(self, turn: Turn) -> str:
        """Another turn in this one's place, as text."""
        return render(Turn(self.speaker, turn.segments), name=True)

    @cached_property
    def character(self) -> Character:
        """Who speaks. Raises UnknownName for one outside the cast."""
        return self.scene.character(self.speaker)

    @cached_property
    def others(self) -> tuple[str, ...]:
        """Who else has taken a turn so far, the latest first; where nobody has, who does so later."""
        before = [turn.speaker for turn in reversed(self.turns)]
        later = [turn.speaker for turn in self.ahead]
        found = dict.fromkeys(name for name in before if name not in (ENVIRONMENT, self.speaker))
        return tuple(found or dict.fromkeys(name for name in later if name not in (ENVIRONMENT, self.speaker)))

    @cached_property
    def last(self) -> Turn | None:
        """The latest turn before that the speaker heard and another took, the world included."""
        return next((turn for turn in reversed(self.heard) if turn.speaker != self.speaker), None)

    @cached_property
    def heard(self) -> tuple[Turn, ...]:
        """The turns before of which the speaker knows, thoughts included that others had in them."""
        return tuple(turn for turn in self.turns if _heard(turn, self.speaker))

    @cached_property
    def own(self) -> tuple[Turn, ...]:
        """The speaker's turns before, in order."""
        return tuple(turn for turn in self.turns if turn.speaker == self.speaker)

    @cached_property
    def public(self) -> str:
        """All that everyone in the scene may know by now: setting, profiles, deeds and words so far."""
        profiles = [f"{character.name}: {character.profile}" for character in self.scene.cast]
        seen = [s.text for turn in self.heard for s in turn.segments if not s.kind.private]
        return "\n".join((self.scene.setting, *profiles, *seen))

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the cast and the words that they are made of."""
        return frozenset(part for name in self.scene.names for part in (name, *name.split()))

    def turns_of(self, name: str) -> Iterator[Turn]:
        """Every turn of somebody that is known, before, after, and in other scenes."""
        return (turn for turn in (*self.turns, *self.ahead, *self.apart) if turn.speaker == name)

    @cached_property
    def _called(self) -> Mapping[str, str]:
        own = " \n ".join(_all_text((*self.turns_of(self.speaker), self.turn)))
        all_of_them = " \n ".join(_all_text((*self.turns, *self.ahead, *self.apart)))
        return {name: address(name, own) or address(name, all_of_them) or name for name in self.scene.names}

    def called(self, name: str) -> str:
        """What the speaker calls somebody of the cast, or else others do, as far as their turns show it."""
        return self._called.get(name, name)

    def pronoun(self, name: str) -> str | None:
        """`he`, `she` or `it` for one of the cast, by what is written about them; None where that does not tell."""
        character = self.scene.character(name)
        text = " ".join((character.profile, character.background, character.motivation))
        pattern = _TA if self.language == "zh" else _HE
        if found := pattern.search(text):
            return "he" if found[1] else "she"
        return "it" if self.language == "en" and len(_IT.findall(text)) > 1 else None


def _heard(turn: Turn, name: str) -> bool:
    return turn.heard_by is None or turn.speaker == name or name in turn.heard_by


def _all_text(turns: Iterable[Turn]) -> Iterator[str]:
    return (segment.text for turn in turns for segment in turn.segments)


def address(name: str, said: str) -> str:
    """The form of a name that the text has most often: whole, a part of it, or a part with a title; or empty."""
    if name in said:
        return name
    parts = [part for part in name.split() if len(part) > 2 and part[0].isupper() and not part.endswith(".")]
    forms: Counter[str] = Counter()
    for part in parts:
        forms.update(re.findall(rf"(?<!\w)(?:{_TITLE})?{re.escape(part)}(?!\w)", said))
    return max(forms, key=lambda form: (forms[form], len(form))) if forms else ""


def visible_size(turn: Turn) -> int:
    """Units of all layers that a judge sees."""
    return len(units(" \n ".join(s.text for s in turn.segments if s.kind is not Kind.SYSTEM_THINKING)))
