"""Names in a passage: whether a person that a teacher names is there, and which person a name means.

Knows spellings, descriptions such as `a servant`, and the text near a passage. Refuses to know what a person says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from her.checks.units import is_spaceless
from her.scene import Character, fold
from her.synth.reasons import Reason
from her.synth.staging.attribution import Person
from her.turn import ENVIRONMENT

NEAR = 20_000
"""Characters before a passage in which its people may have been named; about two chapters, ours."""

_I = "i me myself je moi ich mich yo io eu ik я 我 俺 咱 吾"
_OTHERS = (
    "you he she it we they him her them us his hers il elle ils elles lui on nous vous er sie es wir ihr él ella lei "
    "someone somebody everyone everybody nobody unknown narrator 你 您 他 她 它 我们 他们 她们 某人 众人"
)
_FIRST_PERSON = frozenset(_I.split())
PRONOUNS = _FIRST_PERSON | frozenset(_OTHERS.split())
"""What is nobody's name, in the form that `spelling` gives."""
_MEN = "mr sir lord master king prince count duke baron monsieur m herr don señor signor senhor"
_WOMEN = (
    "mrs miss ms lady mistress queen princess countess duchess baroness madame mme mlle mademoiselle madam frau "
    "fräulein doña señora señorita signora dona"
)
SEX = dict.fromkeys(_MEN.split(), "m") | dict.fromkeys(_WOMEN.split(), "f")
"""Titles that tell a man from a woman."""
TITLES = frozenset(SEX) | {"dr", "doctor", "captain", "colonel", "major", "general", "professor", "st", "the"}
"""What stands before a name and is none."""
_SOMEBODY = re.compile(
    "人|者|仆|婢|丫|鬟|婆|妇|女|男|孩|童|兵|卒|将|官|差|役|客|店|掌柜|伙计|小二|老|少年|医|僧|道士|和尚|声音"
)
"""What a description in Chinese is made of: 老仆, 店小二, 一个女人."""


def spelling(name: str) -> str:
    """The form in which two spellings of a name are equal: `Mr Bennet`, `Mr. Bennet` and `MR.  BENNET`."""
    return " ".join(fold(name).replace("’", "'").replace(".", " ").split())


@dataclass(frozen=True, slots=True)
class Casting:
    """The people of a passage whose names stand; `strangers` are the names that do not, each with a reason."""

    people: tuple[Person, ...]
    strangers: tuple[tuple[str, Reason], ...]
    names: Mapping[str, str]

    def who(self, name: str) -> str | None:
        """The person whom a name, in any of its spellings, means; None for nobody, or for one of two."""
        return ENVIRONMENT if spelling(name) == spelling(ENVIRONMENT) else self.names.get(spelling(name))

    def aliases(self, name: str) -> tuple[str, ...]:
        """The other names of a person of this cast."""
        return next((person.aliases for person in self.people if person.name == name), ())


def casting(persons: Iterable[Person], text: str, start: int, end: int) -> Casting:
    """Who of those named is there, in the passage from `start` to `end`; a person named twice is one."""
    near = _Near(text, start, end)
    people: dict[str, Person] = {}
    strangers = list[tuple[str, Reason]]()
    for person in persons:
        key = spelling(person.name)
        if key == spelling(ENVIRONMENT):
            continue
        if reason := near.refuses(person):
            strangers.append((person.name, reason))
            continue
        earlier = people.get(key, Person(name=person.name))
        named = [*earlier.aliases, *(alias for alias in person.aliases if near.knows_alias(alias))]
        people[key] = Person(name=earlier.name, aliases=tuple(dict.fromkeys(named)))
    cast = tuple(_alone(people))
    names = {spelling(alias): person.name for person in cast for alias in person.aliases}
    return Casting(cast, tuple(strangers), names | {key: person.name for key, person in people.items()})


def _alone(people: Mapping[str, Person]) -> Iterator[Person]:
    """The people without the aliases that are another's too."""
    shared = Counter(key for person in people.values() for key in {spelling(alias) for alias in person.aliases})
    shared.update(people.keys())
    for key, person in people.items():
        own = (alias for alias in person.aliases if spelling(alias) != key and shared[spelling(alias)] == 1)
        yield person.model_copy(update={"aliases": tuple(own)})


class _Near:
    """Where names are looked for: the book up to the end of the passage, and the part of it that is near."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self._text, self._end = text, end
        self._window = spelling(text[max(0, start - NEAR) : end])

    def refuses(self, person: Person) -> Reason | None:
        """Why nobody can go by that name here; None where somebody can."""
        name = person.name
        try:
            Character.model_validate({"name": name})
        except ValidationError:
            return Reason.UNNAMED
        if spelling(name) in PRONOUNS:
            return Reason.UNNAMED
        if _describes(name):
            return None
        if not self._has_come_up(name, person.aliases):
            later = self._text.find(name, self._end) >= 0
            return Reason.FORESIGHT if later else Reason.UNKNOWN_NAME
        narrates = any(spelling(alias) in _FIRST_PERSON for alias in person.aliases)
        near = narrates or self._holds_all(name) or any(map(self.knows_alias, person.aliases))
        return None if near else Reason.UNKNOWN_NAME

    def knows_alias(self, alias: str) -> bool:
        """Whether this is another name of somebody here, and no pronoun."""
        return spelling(alias) not in PRONOUNS and _holds(self._window, spelling(alias))

    def _holds_all(self, name: str) -> bool:
        """Whether the name is near, or all its words are (`Mrs. Bennet` where only her husband is named so)."""
        key = spelling(name)
        return _holds(self._window, key) or (" " in key and all(_holds(self._window, word) for word in key.split()))

    def _has_come_up(self, name: str, aliases: Iterable[str]) -> bool:
        """Whether the book has used the name, or each of its words that is no title, by the end of the passage."""
        if any(map(is_spaceless, name)):
            parts = [alias for alias in aliases if len(alias) > 1 and alias in name]
            return any(self._text.find(part, 0, self._end) >= 0 for part in (name, *parts))
        words = [word for word in re.findall(r"[^\W_]+(?:['’][^\W_]+)*", name) if word.lower() not in TITLES]
        found = (re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE) for word in words)
        return all(pattern.search(self._text, 0, self._end) for pattern in found)


def _holds(window: str, key: str) -> bool:
    if not key:
        return False
    if is_spaceless(key[0]):
        return key in window
    return re.search(rf"(?<!\w){re.escape(key)}(?!\w)", window) is not None


def _describes(name: str) -> bool:
    """Whether this is no name but a description, such as `a servant`."""
    if any(map(is_spaceless, name)):
        return _SOMEBODY.search(name) is not None
    return name == name.lower() and name != name.upper()
