"""The cases of a CoSER test set, as this benchmark plays and judges them.

Knows where sets are found, what a case says beyond a Scene, and who speaks in it. Refuses to change a case: what is
played is made of it anew each time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from her.checks.language import language_of
from her.coser import Case, Line, Plot, found
from her.errors import InputError, SceneError
from her.markup import Style, parse
from her.scene import Name, Scene, checked, fold, read_json
from her.turn import ENVIRONMENT, Dialogue, Kind, Segment, Turn

NAMED = {"pd-english": "coser/test_set_pd_english.json", "test-set": "coser/test_set.json"}
"""Sets that are found by name in the folder that HER_DATA names."""
DATA = "HER_DATA"


class ActedPlot(Plot):
    """What surrounds the conversation, its outcome too: a judge reads it, an actor never."""

    summary: str = ""


class ActedCase(Case):
    """A case of the test set; who speaks is listed most frequent first, and the major ones have a profile."""

    plot: Annotated[ActedPlot, BeforeValidator(lambda plot: {} if plot is None else plot)] = ActedPlot()
    speaking_characters_w_env: tuple[Name, ...] = ()
    major_characters: tuple[Name, ...] = ()
    tag: str = ""

    @property
    def scene(self) -> Scene:
        """The scene that the actors are given: the setting, and each one's profile and motivation.

        A profile is what the plot says of somebody, then what the book does; the others read it too. What becomes of
        them is left out.
        """
        about = {fold(one.name): one.description.strip() for one in self.plot.key_characters}
        books = {fold(name): profile.strip() for name, profile in self.character_profiles.items()}
        cast = self.cast()
        for one in cast:
            key = fold(one["name"])
            one["profile"] = "\n\n".join(filter(None, (about.get(key, ""), books.get(key, ""))))
            one["background"] = ""
        language = language_of(self.scenario) or "en"
        return checked(Scene, {**self.fields(), "cast": cast, "language": language}, self.id)

    @property
    def order(self) -> tuple[str, ...]:
        """Everybody who can take a turn, the most frequent first, as the scene spells them; the Environment too."""
        spelt = {**self.speakers, fold(ENVIRONMENT): ENVIRONMENT}
        listed = [spelt[fold(name)] for name in self.speaking_characters_w_env if fold(name) in spelt]
        spoken = [spelt[fold(line.character)] for line in self.dialogues]
        counted = sorted(dict.fromkeys(spoken), key=lambda name: -spoken.count(name))
        return tuple(dict.fromkeys((*listed, *counted, *self.speakers.values(), ENVIRONMENT)))

    @property
    def major(self) -> tuple[str, ...]:
        """The major characters among those who speak; all who speak where none is called major."""
        major = {fold(name) for name in self.major_characters}
        return tuple(name for key, name in self.speakers.items() if key in major) or tuple(self.speakers.values())

    def reference(self) -> Dialogue:
        """The dialogue of the book, with the ids `<case>/book/0`, `<case>/book/1` and so on."""
        spelt = {**self.speakers, fold(ENVIRONMENT): ENVIRONMENT}
        turns = (
            _turn(spelt[fold(line.character)], line, f"{self.id}/book/{at}") for at, line in enumerate(self.dialogues)
        )
        return Dialogue(frozenset(self.speakers.values()), tuple(turns))


def _turn(speaker: str, line: Line, id: str) -> Turn:
    if speaker == ENVIRONMENT:  # the world has no mind, whatever stands in brackets
        return Turn(speaker, (Segment(Kind.SPEECH, line.message.strip()),), id=id)
    return Turn(speaker, parse(line.message, style=Style.BRACKETS, speaker=speaker).turn.segments, id=id)


def read_case(raw: Any, at: int = 0) -> ActedCase:
    """A case as it stands in a file; raises SceneError."""
    case = found(raw, f"case {at}", "", (at, 0), model=ActedCase).case
    if isinstance(case, SceneError):
        raise case
    if not isinstance(case, ActedCase) or not case.speakers:
        raise SceneError(f"case {at}: nobody speaks in it and nobody is described")
    return case


def raw_cases(path: str) -> list[Any]:
    """The cases of a set as they stand in its file. Raises InputError, SceneError."""
    where = _where(path)
    if not where.is_file():
        raise InputError(f"{where}: there is no such test set; give path=FILE, or one of {', '.join(NAMED)} in {DATA}")
    data = read_json(where)
    if not isinstance(data, list) or not data:
        raise InputError(f"{where}: a CoSER test set is a list of cases; book files and held-out plots are none")
    return data


def read_cases(raw: Sequence[Any]) -> list[ActedCase]:
    """The cases, each under an id of its own. Raises SceneError, which names the case."""
    cases = [read_case(one, at) for at, one in enumerate(raw)]
    seen: dict[str, int] = {}
    for at, case in enumerate(cases):
        if (first := seen.setdefault(case.id, at)) != at:
            raise SceneError(f"case {at} is {case.id} again, as case {first}: give it numbers of its own")
    return cases


def _where(path: str) -> Path:
    if not path:
        raise InputError(
            "which test set? None comes with HER. Give path=FILE, such as data/test/test_set.json of "
            f"github.com/Neph0s/CoSER, or set {DATA} to a folder that has one and give a name: {', '.join(NAMED)}"
        )
    if path not in NAMED or Path(path).exists():
        return Path(path)
    folder = os.environ.get(DATA)
    if not folder:
        raise InputError(f"{path} is looked for in the folder that {DATA} names, and it names none")
    return Path(folder) / NAMED[path]
