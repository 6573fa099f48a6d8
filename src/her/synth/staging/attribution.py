"""What a teacher is asked about a passage, and what it answers: who is there, where scenes begin and end, who says
which quotation.

Knows the two forms of the answer, a full one and a terse one for small models, and how long the longest can be.
An answer holds numbers, names and short deeds, never the book's words. Refuses to know whether it is right
(`staging` looks).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

MOST_SCENES = 6
MOST_CAST = 12
MOST_ALIASES = 4
MOST_DEEDS = 24
MOST_WHISPERS = 6
MOST_LETTERS = 4
MOST_LISTENERS = 6
"""How much of each an answer may hold; beyond them a passage of 12,000 characters has no more to tell. Ours."""
NAME_CHARS = 48
TITLE_CHARS = 70
DEED_CHARS = 90
"""The longest name, title and deed, in characters; ours."""
SPACELESS_PART = 3
"""In a script without spaces these lengths are a third: a character says and costs about as much as three letters."""
CHARS_PER_TOKEN = 2.0
"""For the longest answer: names, numbers and JSON's own signs are cut into shorter pieces than prose, which has 4."""


class Why(StrEnum):
    """Why something of an answer is not used, beside the reasons that all stages share (`gates.Reason`)."""

    SPAN = "span"
    """A scene that does not lie in the passage, or ends before it begins."""
    OVERLAP = "overlap"
    """A scene that runs into another."""
    OUTSIDE = "outside"
    """Something that lies in no scene, or not in one."""
    ORDER = "order"
    """A line that is not in the order of the book."""
    TWICE = "twice"
    """A quotation that has had its line."""
    UNATTRIBUTED = "unattributed"
    """Quotations of a scene that nobody says."""
    UNSUPPORTED = "unsupported"
    """A deed that its paragraph does not tell."""
    FEW_TURNS = "few-turns"
    """A scene with too few turns to be one."""
    ONE_VOICE = "one-voice"
    """A scene in which only one person speaks."""
    THOUGHT = "thought"
    """An inner thought in quotation marks."""
    RECALLED = "recalled"
    """Words that nobody says here and now."""
    MENTION = "mention"
    """A title, a nickname, a word held up."""


SKIPS = ("thought", "recalled", "mention", "unclear")
"""Why a quotation is no line: an inner thought, words that nobody says here and now, a title or a word held up, or
words whose speaker cannot be told."""
NOBODY = "nobody"
"""What the terse form writes where a quotation is no line."""

Text = Annotated[str, BeforeValidator(lambda value: " ".join(value.split()) if isinstance(value, str) else value)]


class _Said(BaseModel):
    # A key too many costs nothing: not every model can be held to the schema.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Person(_Said):
    """One of the cast, with the other names that the passage uses."""

    name: Text
    aliases: tuple[Text, ...] = ()


class Stretch(_Said):
    """A scene: its first and last paragraph."""

    first: int
    last: int
    title: Text = ""


class Line(_Said):
    """A quotation that somebody says aloud."""

    quote: int
    speaker: Text


class Deed(_Said):
    """What somebody visibly does, or what happens, as a paragraph tells it."""

    paragraph: int
    actor: Text
    deed: Text


class Whisper(_Said):
    """Lines that only some of those present hear."""

    quotes: tuple[int, ...]
    heard_by: tuple[Text, ...]


class Letter(_Said):
    """Whole paragraphs without quotation marks that somebody reads aloud."""

    first: int
    last: int
    reader: Text


class Skip(_Said):
    """A quotation that is no line; `why` is one of SKIPS."""

    quote: int
    why: Text = SKIPS[-1]


class Attribution(_Said):
    """The full answer."""

    cast: tuple[Person, ...] = ()
    scenes: tuple[Stretch, ...]
    lines: tuple[Line, ...] = ()
    deeds: tuple[Deed, ...] = ()
    whispers: tuple[Whisper, ...] = ()
    letters: tuple[Letter, ...] = ()
    skipped: tuple[Skip, ...] = ()


class _Terse(_Said):
    title: Text = ""
    speakers: dict[int, Text]


@dataclass(frozen=True, slots=True)
class Form:
    """The form of the answer about one passage, which has the paragraphs `first` to `last`.

    `groups` are the numbers of its quotations, those of one paragraph together. `terse` asks only for a speaker for
    each group, one of `names` where there are some; `known` are speakers by a group's first number. `spaceless`: the
    script puts no spaces between words.
    """

    first: int
    last: int
    groups: Sequence[Sequence[int]]
    names: Sequence[str] = ()
    known: Mapping[int, str] = field(default_factory=dict)
    terse: bool = False
    spaceless: bool = False

    def read(self, data: Any) -> Attribution:
        """The answer that decoded JSON holds; raises a ValidationError."""
        if not self.terse:
            return Attribution.model_validate(data)
        said = _Terse.model_validate(data)
        speakers = {number: said.speakers.get(group[0], NOBODY) for group in self.groups for number in group}
        named = {number: name for number, name in speakers.items() if name.casefold() not in {NOBODY, ""}}
        return Attribution(
            cast=tuple(Person(name=name) for name in dict.fromkeys(named.values())),
            scenes=(Stretch(first=self.first, last=self.last, title=said.title),),
            lines=tuple(Line(quote=number, speaker=name) for number, name in named.items()),
            skipped=tuple(Skip(quote=number, why=SKIPS[-1]) for number in speakers.keys() - named.keys()),
        )

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema, every text and list of which has an end."""
        return self._schema(SPACELESS_PART if self.spaceless else 1)

    @property
    def max_tokens(self) -> int:
        """Tokens within which the longest answer ends."""
        return longest(self._schema(1))

    def _schema(self, part: int) -> dict[str, Any]:
        title, name = _text(TITLE_CHARS // part), _text(NAME_CHARS // part)
        if self.terse:
            anyone = _one_of([*self.names, NOBODY]) if self.names else name
            firsts = [group[0] for group in self.groups]
            speakers = {str(n): _one_of([self.known[n]]) if n in self.known else anyone for n in firsts}
            return _object({"title": title, "speakers": _object(speakers)})
        numbers = [number for group in self.groups for number in group]
        some, deed = len(numbers), _text(DEED_CHARS // part)
        quote = {"type": "integer", "minimum": min(numbers), "maximum": max(numbers)}
        paragraph = {"type": "integer", "minimum": self.first, "maximum": self.last}
        spans = {"first": paragraph, "last": paragraph}
        person = {"name": name, "aliases": _list(name, MOST_ALIASES)}
        done = {"paragraph": paragraph, "actor": name, "deed": deed}
        whisper = {"quotes": _list(quote, 4, least=1), "heard_by": _list(name, MOST_LISTENERS, least=1)}
        skip = {"quote": quote, "why": _one_of(SKIPS)}
        return _object(
            {
                "cast": _list(_object(person), MOST_CAST),
                "scenes": _list(_object({**spans, "title": title}), min(MOST_SCENES, 1 + some // 4)),
                "lines": _list(_object({"quote": quote, "speaker": name}), some),
                "deeds": _list(_object(done), min(MOST_DEEDS, self.last - self.first + 1)),
                "whispers": _list(_object(whisper), min(MOST_WHISPERS, some)),
                "letters": _list(_object({**spans, "reader": name}), MOST_LETTERS),
                "skipped": _list(_object(skip), some),
            }
        )


def longest(schema: Mapping[str, Any]) -> int:
    """Tokens of the longest JSON that a schema of bounded texts and lists allows, at CHARS_PER_TOKEN."""
    return int(_chars(schema) / CHARS_PER_TOKEN) + 16


def _chars(schema: Mapping[str, Any]) -> int:
    if "enum" in schema:
        return max(map(len, schema["enum"])) + 2
    match schema["type"]:
        case "object":
            return 2 + sum(len(key) + 6 + _chars(value) for key, value in schema["properties"].items())
        case "array":
            return 2 + int(schema["maxItems"]) * (_chars(schema["items"]) + 2)
        case "integer":
            return len(str(schema["maximum"]))
        case _:
            return int(schema["maxLength"]) + 2


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}


def _one_of(words: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def _list(items: Mapping[str, Any], most: int, *, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": dict(items), "minItems": least, "maxItems": most}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Every key required and none beside them, as strict servers want it."""
    required = list(properties)
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}
