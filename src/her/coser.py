"""CoSER's files: people of novels talking, case by case, in every spelling that the release has used.

Knows its test sets, its book files and its held-out plots (docs/sources.md). Refuses to know what is made of a case
beyond a Scene; keys that are not read here are theirs to have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from her.errors import SceneError
from her.markup import Style
from her.scene import Filled, Name, Scene, checked, fold, read_json, slug
from her.turn import ENVIRONMENT


class _Foreign(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Person(_Foreign):
    """Somebody of a plot or a conversation; the test set says `thought` and `summary` where the books do not."""

    name: Name
    motivation: str = Field("", validation_alias=AliasChoices("motivation", "thought"))
    description: str = ""
    experience: str = Field("", validation_alias=AliasChoices("experience", "summary"))
    i_p: int | None = None
    i_c: int | None = None


class Line(_Foreign):
    """One turn as CoSER writes it: thoughts in square brackets, actions in round ones."""

    character: Name
    message: Filled


class Plot(_Foreign):
    """What surrounds a conversation; `text` is the passage of the book, where the file has it."""

    key_characters: tuple[Person, ...] = ()
    chapter: str | None = None
    text: str | None = None
    i_p: int | None = None


class Case(_Foreign):
    """One conversation with all that the file knows of it."""

    scenario: Filled
    topic: str = ""
    key_characters: tuple[Person, ...] = ()
    dialogues: tuple[Line, ...] = ()
    i_p: int | None = None
    i_c: int | None = None
    book: str = ""
    plot: Annotated[Plot, BeforeValidator(lambda plot: {} if plot is None else plot)] = Plot()
    character_profiles: dict[Name, str] = {}

    @property
    def id(self) -> str:
        """Book, plot and conversation, such as `king-lear/0/0`."""
        return f"{slug(self.book)}/{self.i_p}/{self.i_c}"

    @property
    def place(self) -> str:
        """The same for people, with the chapter where it is known."""
        return ", ".join(filter(None, [self.book, self.plot.chapter, f"plot {self.i_p}", f"conversation {self.i_c}"]))

    @property
    def speakers(self) -> dict[str, str]:
        """Everyone's name by its folded form, in the order in which they first speak; without Environment.

        Where nobody speaks, those who are described.
        """
        described = [*self.character_profiles, *(person.name for person in self.key_characters)]
        names: dict[str, str] = {}
        for name in [line.character for line in self.dialogues] or described:
            names.setdefault(fold(name), name)
        names.pop(fold(ENVIRONMENT), None)
        return names

    def cast(self, *, with_experience: bool = False) -> list[dict[str, str]]:
        """The fields of each Character; `with_experience` tells what becomes of it in this very plot."""
        wants = {fold(person.name): person.motivation for person in self.key_characters}
        profiles = {fold(name): profile for name, profile in self.character_profiles.items()}
        about = {fold(person.name): person for person in self.plot.key_characters}
        cast = []
        for key, name in self.speakers.items():
            person = about.get(key)
            known = [person.description, person.experience if with_experience else ""] if person else [""]
            profile, background = profiles.get(key) or known.pop(0), "\n\n".join(filter(None, known))
            cast.append({"name": name, "profile": profile, "background": background, "motivation": wants.get(key, "")})
        return cast

    def fields(self, *, with_dialogue: bool = False, with_experience: bool = False) -> dict[str, Any]:
        """The fields of a Scene; with the dialogue as its opening, if asked for."""
        fields = {
            "id": self.id,
            "title": self.topic.strip() or self.place,
            "book": self.book,
            "setting": self.scenario,
            "cast": self.cast(with_experience=with_experience),
            "source": f"CoSER: {self.place}",
        }
        if with_dialogue:
            spelt = {**self.speakers, fold(ENVIRONMENT): ENVIRONMENT}
            opening = [{"speaker": spelt[fold(line.character)], "text": line.message} for line in self.dialogues]
            fields |= {"opening": opening, "style": Style.BRACKETS}
        return fields


class Found(NamedTuple):
    """What stands at one place of a file: a case, or why it is none; `turns` counts its lines as they came in."""

    where: str
    case: Case | SceneError
    turns: int


def cases(data: Any, stem: str) -> Iterator[Found]:
    """Every case of a decoded file, each by itself, so that a bad one does not take the others along.

    Numbers are CoSER's own, and positions in the file where it has none; `stem` is the title of a book file. Raises
    SceneError where the whole is of another shape.
    """
    if isinstance(data, list):
        for at, case in enumerate(data):
            yield found(case, f"case {at}", stem, (at, 0))
    elif isinstance(data, dict) and isinstance(data.get("plots"), list):
        yield from _book(data, stem, "")
    elif books := _held_out(data):
        for where, title, book in books:
            yield from _book(book, title, where)
    else:
        raise SceneError("not CoSER's: neither a list of cases nor an object with `plots`; try load_scene")


def found(
    raw: Any, where: str, stem: str, place: tuple[int, int], *, model: type[Case] | None = None, **known: Any
) -> Found:
    """One raw case; `place` numbers it where it does not number itself, `known` is what its file says beside it.

    `model` is Case, or one that says more.
    """
    turns = raw.get("dialogues") if isinstance(raw, Mapping) else None
    size = len(turns) if isinstance(turns, list) else 0
    try:
        case = checked(model or Case, {**raw, **known} if isinstance(raw, Mapping) else raw, where)
    except SceneError as error:
        return Found(where, error, size)
    # In the two plays the numbers stand with the people only; in the test set the case's own `i_p` can be stale.
    people = case.key_characters
    plots = [case.plot.i_p, case.i_p, *(x.i_p for x in (*people, *case.plot.key_characters)), place[0]]
    numbers = [case.i_c, *(x.i_c for x in people), place[1]]
    more = {"i_p": _first(plots), "i_c": _first(numbers), "book": case.book.strip() or stem.replace("_", " ")}
    return Found(where, case.model_copy(update=more), size)


def _first(numbers: list[int | None]) -> int:
    return next(number for number in numbers if number is not None)


def _book(book: Mapping[str, Any], title: str, before: str) -> Iterator[Found]:
    """The cases of one book; a plot that cannot be read spoils its own conversations alone."""
    profiles = _profiles(book)
    for p, plot in enumerate(book["plots"]):
        talks = plot.get("conversation") if isinstance(plot, Mapping) else None
        for c, talk in enumerate(talks if isinstance(talks, list) else []):
            where = f"{before}plots[{p}].conversation[{c}]"
            around = {key: value for key, value in plot.items() if key != "conversation"}
            known = {"plot": around, "character_profiles": profiles}
            yield found(talk, where, title, (p, c), **known)
        if not isinstance(plot, Mapping) or (talks is not None and not isinstance(talks, list)):
            yield Found(f"{before}plots[{p}]", SceneError(f"{before}plots[{p}]: is no plot with conversations"), 0)


def _profiles(book: Mapping[str, Any]) -> Any:
    if isinstance(data := book.get("character_datasets"), Mapping):
        return {name: entry.get("profile") or "" for name, entry in data.items() if isinstance(entry, Mapping)}
    return book.get("character_profiles") or {}


def _held_out(data: Any) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Place, title and content of every book in a file that sorts its books into `id` and `ood`."""
    if not isinstance(data, Mapping):
        return []
    shelves = [(shelf, books) for shelf, books in data.items() if isinstance(books, Mapping)]
    entries = [(f"{shelf}/{title}: ", title, book) for shelf, books in shelves for title, book in books.items()]
    return [entry for entry in entries if isinstance(entry[2], Mapping) and isinstance(entry[2].get("plots"), list)]


def load_cases(
    path: str | os.PathLike[str], *, with_dialogue: bool = False, with_experience: bool = False, language: str = "en"
) -> list[Scene]:
    """The scenes in a CoSER-shaped file: a test set, a book, held-out plots, or the official release's own scenarios.

    The cast are those who speak, in the order in which they first do, without Environment; where there is no dialogue,
    those who are described. `thought` or `motivation` becomes the motivation. With `with_dialogue` the recorded
    dialogue becomes the opening. With `with_experience` the background tells what becomes of the character in this
    very plot, as HER's training prompts do; it gives the outcome away. Ids are book/plot/conversation: CoSER's own
    numbers, and positions in the file where it has none. Raises SceneError, which names the case.
    """
    data, scenes = read_json(Path(path)), dict[str, Scene]()
    try:
        for where, case, _ in cases(data, Path(path).stem):
            if isinstance(case, SceneError):
                raise case
            fields = case.fields(with_dialogue=with_dialogue, with_experience=with_experience)
            while fields["id"] in scenes:
                fields["id"] += "-again"
            scenes[fields["id"]] = checked(Scene, fields | {"language": language}, where)
    except SceneError as error:
        raise SceneError(f"{path}: {error}") from error
    return list(scenes.values())
