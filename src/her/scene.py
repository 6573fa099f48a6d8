"""Scenes: a setting, a cast, what each of them brings, and how it begins.

Knows HER's scene files and the scenes that come with the package. Refuses to know how a prompt is made of a scene
(`actor`) and how others write theirs (`coser`).

`profile` is what the others may know of a character, too; `background`, `motivation` and `opening_thought` are its
own. `setting` is known to all: a secret does not belong there.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from her.errors import SceneError, UnknownName
from her.markup import Style, parse
from her.turn import ENVIRONMENT, Dialogue, Ending, Turn

MAX_BYTES = 256 * 1024 * 1024
"""A larger file is refused unread; CoSER's book files have 1.2 MB on average (docs/sources.md)."""

LANGUAGES: dict[str, str] = dict(
    re.findall(
        r"(\w+):(\w+)",
        "ar:Arabic bg:Bulgarian bn:Bengali ca:Catalan cs:Czech da:Danish de:German el:Greek en:English es:Spanish "
        "et:Estonian fa:Persian fi:Finnish fr:French gl:Galician he:Hebrew hi:Hindi hr:Croatian hu:Hungarian "
        "id:Indonesian is:Icelandic it:Italian ja:Japanese ko:Korean la:Latin lt:Lithuanian lv:Latvian ms:Malay "
        "nb:Norwegian nl:Dutch nn:Norwegian no:Norwegian pl:Polish pt:Portuguese ro:Romanian ru:Russian sk:Slovak "
        "sl:Slovene sr:Serbian sv:Swedish sw:Swahili ta:Tamil th:Thai tr:Turkish uk:Ukrainian ur:Urdu vi:Vietnamese "
        "zh:Chinese",
    )
)
"""English names of languages by ISO 639-1 code, for prompts that ask for one."""


def fold(name: str) -> str:
    """The form in which two spellings of one name are equal: case and composition do not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def slug(title: str) -> str:
    """A title as it stands in ids and file names, such as `pride-and-prejudice`; any script, never empty."""
    return re.sub(r"[\W_]+", "-", fold(title)).strip("-") or "book"


def _name(name: str) -> str:
    if any(unicodedata.category(c) in {"Cc", "Zl", "Zp"} for c in name):
        raise ValueError("a name stands on one line; take out the line break or control character")
    if not any(unicodedata.category(c)[0] not in "CZ" for c in name):
        raise ValueError("a name needs at least one visible character")
    if name.rstrip().endswith((":", "：")):
        raise ValueError("a name may not end in a colon, because turns are written `Name: text`; drop the colon")
    return name.strip()


def _cast_name(name: str) -> str:
    if fold(name) == fold(ENVIRONMENT):
        raise ValueError(f"{ENVIRONMENT} is the world and belongs to every scene; it cannot be in the cast")
    return name


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty; write something")
    return text


Name = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_name)]
Filled = Annotated[str, Field(min_length=1), AfterValidator(_filled)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Character(_Record):
    """One of the cast."""

    name: Annotated[Name, AfterValidator(_cast_name)] = Field(description="Any script; unique in the scene.")
    profile: str = Field(default="", description="Who this is, as the others may know it; part of their prompts too.")
    background: str = Field(default="", description="What lies behind, for this character's prompt alone.")
    motivation: str = Field(default="", description="What this character wants here, for its own prompt alone.")
    opening_thought: str = Field(default="", description="The thought it enters with, first person, its own alone.")


class OpeningTurn(_Record):
    """A turn that has been taken when the scene begins."""

    speaker: Name = Field(description=f"One of the cast, or {ENVIRONMENT}.")
    text: Filled = Field(description="The turn as written in the scene's style; private thoughts are allowed.")


class Scene(_Record):
    """A scene before it is played: who is there, what is known to all, and how it opens."""

    id: Annotated[Filled, AfterValidator(_name)] = Field(description="Short and stable, such as netherfield-ball.")
    title: Filled = Field(description="What a list of scenes shows.")
    book: str = Field(default="", description="Where it comes from; empty for a scene of one's own.")
    author: str = Field(default="", description="Who wrote the book.")
    language: str = Field(
        default="en", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", description="BCP-47, such as en, zh."
    )
    setting: Filled = Field(description="Place, time and what has happened until now; known to the whole cast.")
    cast: tuple[Character, ...] = Field(min_length=1, description="The characters, in the order a list shows.")
    opening: tuple[OpeningTurn, ...] = Field(default=(), description="Turns taken before anyone plays.")
    style: Style = Field(default=Style.TAGS, description="How the opening turns are written.")
    source: str = Field(default="", description="Book, year and chapter, or another account of where it comes from.")
    licence: str = Field(default="", description="SPDX identifier, such as CC0-1.0; empty where unknown.")

    @model_validator(mode="after")
    def _consistent(self) -> Scene:
        seen: dict[str, int] = {}
        for at, name in enumerate(self.names):
            if (first := seen.setdefault(fold(name), at)) != at:
                raise ValueError(f"cast[{at}].name: {name!r} is {self.names[first]!r} again; give one another name")
        for at, turn in enumerate(self.opening):
            if turn.speaker not in (*self.names, ENVIRONMENT):
                known = ", ".join((*self.names, ENVIRONMENT))
                raise ValueError(f"opening[{at}].speaker: nobody here is called {turn.speaker!r}; use one of: {known}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the cast, in order."""
        return tuple(character.name for character in self.cast)

    @property
    def spoken(self) -> str:
        """The English name of the scene's language for prompts, e.g. French; the tag itself where it is rare."""
        return LANGUAGES.get(self.language.split("-")[0].lower(), self.language)

    @property
    def prompt_language(self) -> Literal["en", "zh"]:
        """The language in which prompts are written: Chinese for Chinese scenes, English for all others."""
        return "zh" if self.language.split("-")[0].lower() == "zh" else "en"

    def character(self, name: str) -> Character:
        """The character of that name; raises UnknownName."""
        for character in self.cast:
            if character.name == name:
                return character
        raise UnknownName(name, self.names)

    def dialogue(self) -> Dialogue:
        """The opening turns, with the ids `opening/1`, `opening/2` and so on, among the cast."""
        turns = (
            Turn(
                turn.speaker, parse(turn.text, style=self.style, speaker=turn.speaker).turn.segments, id=f"opening/{n}"
            )
            for n, turn in enumerate(self.opening, 1)
        )
        return Dialogue(frozenset(self.names), tuple(turns))


def load_scene(source: str | os.PathLike[str] | Mapping[str, Any]) -> Scene:
    """The scene in a JSON file, or in a mapping of the same fields.

    In a file the marks of the opening turns are checked as well. Raises SceneError, which names the file, the field,
    what is wrong and what to do.
    """
    if isinstance(source, Mapping):
        return checked(Scene, dict(source), "scene")
    data = read_json(Path(source))
    if isinstance(data, list) or (isinstance(data, dict) and ("plots" in data or "dialogues" in data)):
        raise SceneError(f"{source}: this is CoSER's shape and may hold many scenes; pick one by number (load_cases)")
    if not isinstance(data, dict):
        raise SceneError(f"{source}: a scene is a JSON object, but this file holds {_called(data)}")
    scene = checked(Scene, data, str(source))
    for at, turn in enumerate(scene.opening):
        parsed = parse(turn.text, style=scene.style, speaker=turn.speaker, cast=scene.names)
        if parsed.ending is not Ending.COMPLETE:
            todo = "close every block; one turn holds one speaker, and more than a plan"
            raise SceneError(f"{source}: opening[{at}].text: ends as {parsed.ending.value!r}; {todo}")
    return scene


@cache
def _bundled() -> dict[str, Scene]:
    folder = files("her").joinpath("scenes")
    texts = [e.read_text("utf-8") for e in folder.iterdir() if e.name.endswith(".json") and ".schema." not in e.name]
    scenes = [Scene.model_validate_json(text) for text in texts]
    scenes.sort(key=lambda scene: (scene.id != "netherfield-ball", scene.title.casefold()))
    return {scene.id: scene for scene in scenes}


def bundled() -> tuple[str, ...]:
    """The ids of the scenes that come with HER: `netherfield-ball`, then the others by title."""
    return tuple(_bundled())


def bundled_scene(id: str) -> Scene:
    """The bundled scene of that id; raises SceneError."""
    if id not in _bundled():
        raise SceneError(f"no bundled scene is called {id!r}; there are: {', '.join(bundled())}")
    return _bundled()[id]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a scene file, as published in `her/scenes/scene.schema.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scene.model_json_schema()}


def read_json(path: Path) -> Any:
    """What a JSON file holds; raises a SceneError that names file, line and remedy."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SceneError(f"{path}: larger than {MAX_BYTES // 2**20} MiB; this cannot be a scene file")
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SceneError(f"{path}: no such file; bundled scenes are: {', '.join(bundled())}") from None
    except OSError as error:
        raise SceneError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SceneError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    if not text.strip():
        raise SceneError(f"{path}: the file is empty; a scene needs at least id, title, setting and cast")
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, path))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise SceneError(f"{path}: not JSON at {where}: {error.msg}; mend that line") from error
    except SceneError:
        raise
    except (RecursionError, ValueError) as error:
        raise SceneError(f"{path}: too deeply nested, or a number too long, for a scene; is this the file?") from error


def _object(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise SceneError(f"{path}: the key {twice[0]!r} stands twice in one object; keep one of them")
    return dict(pairs)


_M = TypeVar("_M", bound=BaseModel)


def checked(model: type[_M], data: Any, where: str) -> _M:
    """The data as a model; raises a SceneError that begins with `where` and names each field and its remedy."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raw = error.errors(include_url=False)
    # A list that loses a bad item is also called too short; the item is what is wrong.
    inner = {fault["loc"][:n] for fault in raw for n in range(1, len(fault["loc"]))}
    faults = [_fault(fault) for fault in raw if fault["loc"] not in inner]
    more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
    raise SceneError(f"{where}: {'; '.join(faults[:5])}{more}")


def _fault(fault: Any) -> str:
    """One line: the field's path, what is wrong, what to do."""
    steps, given = fault["loc"], _called(fault["input"])
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    if fault["type"] == "extra_forbidden":
        fields = {*Scene.model_fields, *Character.model_fields, *OpeningTurn.model_fields}
        near = difflib.get_close_matches(str(steps[-1]), sorted(fields), 1)
        return f"{path}: is not a field of a scene; {f'did you mean {near[0]!r}?' if near else 'take it out'}"
    said = {
        "missing": "is missing; add it",
        "string_type": f"must be text, not {given}",
        "tuple_type": f"must be a list, not {given}",
        "model_type": f"must be an object with named fields, not {given}",
        "too_short": "must not be empty; a scene needs it",
        "string_too_short": "must not be empty; write something",
        "string_unicode": "holds half a character (a lone surrogate); type it again",
        "string_pattern_mismatch": f"{fault['input']!r} is not a language tag; write en, fr, zh or another BCP-47 tag",
    }
    about = fault["ctx"]["error"] if fault["type"] == "value_error" else said.get(fault["type"], fault["msg"])
    return f"{path}: {about}" if path else str(about)


def _called(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
