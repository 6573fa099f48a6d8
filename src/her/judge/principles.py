"""The principles that turns are judged by: what each asks, how one tells, one example kept and one broken.

Knows our own list (`principles.toml`) and any file of the same shape. Refuses to know how a judge is asked, and how a
list is induced from pairs (`induce`).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, ValidationError

from her.checks.units import primary
from her.errors import InputError, StorageError
from her.markup import parse
from her.rows.record import Record
from her.turn import Ending

Level = Literal["sentence", "session"]
Polarity = Literal["negative", "positive"]
Dimension = Literal[
    "character",
    "relationship",
    "emotion",
    "action",
    "atmosphere",
    "dialogue",
    "narrative",
    "conflict",
    "detail",
    "quality",
    "safety",
    "worldview",
]
"""What a principle is about; short names of ours for the release's twelve (docs/sources.md)."""
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
LANGUAGES = ("en", "zh")

OWN = Path(__file__).with_name("principles.toml")
"""The list that comes with HER."""
MOST_FAULTS = 5
"""Faults of one file that a message tells."""
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_BEFORE = re.compile(r"\s*(?:\[[^\]]*\]|【[^】]*】)\s*")
_LEVELS = {
    "en": {"sentence": "this turn", "session": "with the turns before"},
    "zh": {"sentence": "只看本轮", "session": "要看前文"},
}
_POLARITIES = {"en": {True: "negative", False: "positive"}, "zh": {True: "否决", False: "优点"}}


def _one_line(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty; write something")
    if len(text.splitlines()) > 1:
        raise ValueError("must stand on one line")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half a character (a lone surrogate); type it again") from None
    return text.strip()


def _kebab(id: str) -> str:
    if not _ID.fullmatch(id):
        raise ValueError(f"{id!r} is no id; write small letters, digits and single hyphens, such as mind-reading")
    return id


Line = Annotated[str, AfterValidator(_one_line)]


class Wording(Record):
    """A principle in one language; `kept` and `broken` are turns in tags, and may begin with what came before them in
    square brackets."""

    name: Line
    definition: Line
    recognise: Line
    kept: Line
    broken: Line


class Entry(Record):
    """A principle as it stands in a file."""

    id: Annotated[str, AfterValidator(_kebab)]
    dimension: Dimension
    level: Level
    polarity: Polarity
    en: Wording
    zh: Wording

    @property
    def principle(self) -> Principle:
        """The principle."""
        return Principle(self.id, self.dimension, self.level, self.polarity == "negative", self.en, self.zh)


class _File(Record):
    lineage: dict[str, Any] = Field(default_factory=dict)
    principle: tuple[dict[str, Any], ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Principle:
    """One principle. A `negative` one is a veto. `level` says what is needed to judge it: the turn alone (`sentence`)
    or the turns before as well (`session`). Texts are Chinese for `zh` and its variants, English for all others."""

    id: str
    dimension: Dimension
    level: Level
    negative: bool
    en: Wording
    zh: Wording

    def wording(self, language: str = "en") -> Wording:
        """All its texts in a language (BCP-47)."""
        return self.zh if _language(language) == "zh" else self.en

    def name(self, language: str = "en") -> str:
        """What it is called."""
        return self.wording(language).name

    def definition(self, language: str = "en") -> str:
        """What it asks of a turn; for a negative one, what must not be."""
        return self.wording(language).definition

    def recognise(self, language: str = "en") -> str:
        """How a judge tells, from what evidence, and what does not count."""
        return self.wording(language).recognise

    def kept(self, language: str = "en") -> str:
        """A short turn that keeps to it."""
        return self.wording(language).kept

    def broken(self, language: str = "en") -> str:
        """The same moment, with the principle broken."""
        return self.wording(language).broken

    @property
    def entry(self) -> Entry:
        """The principle as a file has it."""
        return Entry(
            id=self.id,
            dimension=self.dimension,
            level=self.level,
            polarity="negative" if self.negative else "positive",
            en=self.en,
            zh=self.zh,
        )


def load(path: Path | None = None) -> tuple[Principle, ...]:
    """The principles of a TOML file in its order; None: our own list.

    Raises StorageError where the file cannot be read, InputError that names file, principle, field and remedy for one
    that is not a list of principles.
    """
    return _own() if path is None else _loaded(path)


def of(id: str) -> Principle:
    """The principle of our own list with that id; raises InputError."""
    return select(_own(), ids=[id])[0]


def select(
    principles: Iterable[Principle],
    *,
    dimensions: Sequence[str] = (),
    level: Level | None = None,
    negative: bool | None = None,
    ids: Sequence[str] = (),
) -> tuple[Principle, ...]:
    """Those of the principles that fit all that is asked for; nothing asked: all. Raises InputError for a dimension
    that there is not, and for an id that none of them has."""
    every = tuple(principles)
    _known(dimensions, DIMENSIONS, "dimension")
    _known(ids, [one.id for one in every], "principle")
    return tuple(
        one
        for one in every
        if (not dimensions or one.dimension in dimensions)
        and (level is None or one.level == level)
        and (negative is None or one.negative is negative)
        and (not ids or one.id in ids)
    )


def listed(principles: Iterable[Principle], language: str = "en", *, definitions: bool = True) -> str:
    """One line a principle for a prompt: id, polarity, level, name, and what it asks."""
    code = _language(language)
    stop, colon = ("，", "：") if code == "zh" else (", ", ": ")

    def line(one: Principle) -> str:
        head = f"- {one.id} [{_POLARITIES[code][one.negative]}{stop}{_LEVELS[code][one.level]}] {one.name(code)}"
        return f"{head}{colon}{one.definition(code)}" if definitions else head

    return "\n".join(map(line, principles))


def in_full(one: Principle, language: str = "en") -> str:
    """All that a principle says, for people: several lines."""
    code = _language(language)
    lines = [
        f"{one.name(code)}  ({one.id})",
        f"{one.dimension}, {_POLARITIES[code][one.negative]}, {_LEVELS[code][one.level]}",
    ]
    lines += [one.definition(code), one.recognise(code), f"+ {one.kept(code)}", f"- {one.broken(code)}"]
    return "\n  ".join(lines)


def fingerprint(principles: Iterable[Principle]) -> str:
    """The first 12 hex digits of a sha256 over all that the principles say, in their order; travels into records."""
    rows = [one.entry.model_dump(mode="json") for one in principles]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()[:12]


def written(principles: Iterable[Principle], lineage: Mapping[str, Any] | None = None) -> str:
    """The TOML that `load` reads as these principles; `lineage` may hold texts, numbers, lists of them, and tables."""
    parts = [_table("lineage", lineage)] if lineage else []
    for one in principles:
        entry = one.entry.model_dump(mode="json")
        words = {code: entry.pop(code) for code in LANGUAGES}
        parts.append("\n".join([_table("[principle]", entry), *(_table(f"principle.{c}", words[c]) for c in words)]))
    return "\n\n".join(parts) + "\n"


def faults(entry: Entry) -> list[str]:
    """What is wrong with the examples of a principle, each with its field; empty where nothing is.

    A kept example must be a whole turn without a fault of form; a broken one must hold something, and be another.
    """
    found = []
    for code in LANGUAGES:
        words: Wording = getattr(entry, code)
        kept, broken = (parse(_BEFORE.sub("", text, count=1)) for text in (words.kept, words.broken))
        if kept.ending is not Ending.COMPLETE or kept.faults:
            what = ", ".join(fault.kind for fault in kept.faults) or kept.ending
            found.append(f"{code}.kept: is no sound turn ({what}); close every mark, and write one speaker's turn")
        if not broken.turn.segments:
            found.append(f"{code}.broken: holds no turn; write one behind what came before")
        if words.kept == words.broken:
            found.append(f"{code}.broken: is the kept example again; break the principle in it")
    return found


@cache
def _own() -> tuple[Principle, ...]:
    return _loaded(OWN)


def _loaded(path: Path) -> tuple[Principle, ...]:
    read = _read(path)
    entries, wrong = [], []
    for number, table in enumerate(read.principle, 1):
        where = f"principle {table.get('id') or f'number {number}'}"
        try:
            entry = Entry.model_validate(table)
        except ValidationError as error:
            wrong += [f"{where}, {fault}" for fault in _told(error)]
            continue
        entries.append(entry)
        wrong += [f"{where}, {fault}" for fault in faults(entry)]
    wrong += _twice(entries)
    if wrong:
        more = f" (and {len(wrong) - MOST_FAULTS} more)" if len(wrong) > MOST_FAULTS else ""
        raise InputError(f"{path}: {'; '.join(wrong[:MOST_FAULTS])}{more}")
    return tuple(entry.principle for entry in entries)


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(path.read_bytes().decode("utf-8-sig")))
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}); name a file of principles") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}; mend it there") from None
    except ValidationError as error:
        said = "; ".join(_told(error)[:MOST_FAULTS])
        raise InputError(
            f"{path}: {said}; a file of principles holds [[principle]] tables, and may hold [lineage]"
        ) from None


def _told(error: ValidationError) -> list[str]:
    """One line for each fault: the field, and what is wrong."""
    found = error.errors(include_url=False, include_input=False)
    said = {"missing": "is missing; add it", "extra_forbidden": "is not a field of a principle; take it out"}
    return [
        f"{'.'.join(map(str, one['loc']))}: {said.get(one['type'], one['msg'].removeprefix('Value error, '))}"
        for one in found
    ]


def _twice(entries: Sequence[Entry]) -> list[str]:
    """What stands at two principles: an id, or a name in one language."""
    columns: dict[str, list[str]] = {"id": [one.id for one in entries]}
    columns |= {f"{code}.name": [getattr(one, code).name.casefold() for one in entries] for code in LANGUAGES}
    return [
        f"{field}: {value!r} stands {count} times; give each principle its own"
        for field, values in columns.items()
        for value, count in Counter(values).items()
        if count > 1
    ]


def _known(asked: Sequence[str], known: Sequence[str], what: str) -> None:
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise InputError(f"no {what} is called {name!r}; {hint}")


def _language(language: str) -> str:
    return "zh" if primary(language) == "zh" else "en"


def _table(name: str, fields: Mapping[str, Any]) -> str:
    """A TOML table, its own tables behind it."""
    inner = {key: value for key, value in fields.items() if isinstance(value, Mapping)}
    lines = [f"[{name}]", *(f"{_key(key)} = {_value(value)}" for key, value in fields.items() if key not in inner)]
    return "\n".join([*lines, *("\n" + _table(f"{name}.{_key(key)}", value) for key, value in inner.items())])


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    # A TOML string knows the escapes of JSON, and unlike JSON forbids the character DEL.
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
