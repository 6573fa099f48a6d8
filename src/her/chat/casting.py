"""Who plays whom, and who speaks next.

Knows the cast of a scene and the order of turns. Refuses to know a model or a screen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from her.errors import InputError, UnknownName
from her.scene import Scene
from her.turn import ENVIRONMENT, Kind, Turn

DEFAULT_NEWCOMER = "User"
"""What a person is called who brings a character of their own without naming it (the release's demo does the same)."""

_TITLES = frozenset(
    {"captain", "count", "doctor", "lady", "lord", "madam", "madame", "master", "miss", "mrs", "professor", "sir"}
    | {"the", "von", "van", "der", "del"}
)
"""Parts of names that address nobody in particular."""

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Letters of scripts that put no space between words, where a name has no word boundary around it."""


@dataclass(frozen=True, slots=True)
class Casting:
    """Whom the person plays and whom the model plays.

    `as_name` None: the person plays nobody and looks on. `with_names` empty: the model plays
    everybody else. `newcomer` says that `as_name` may be somebody who is not in the scene yet.
    """

    as_name: str | None = None
    with_names: tuple[str, ...] = ()
    newcomer: bool = False

    @classmethod
    def default(cls, scene: Scene) -> Casting:
        """The person plays the second character of the scene, or a newcomer where there is only one."""
        if len(scene.names) > 1:
            return cls(as_name=scene.names[1])
        return cls(as_name=DEFAULT_NEWCOMER, newcomer=True)

    def settled(self, scene: Scene) -> tuple[Scene, Casting]:
        """The scene with the newcomer in it, and this casting with every name written out.

        Raises UnknownName for a name that is not in the cast, InputError for a casting that cannot be played.
        """
        if self.as_name is not None and self.as_name != self.as_name.strip():
            return replace(self, as_name=self.as_name.strip()).settled(scene)
        if self.as_name == ENVIRONMENT or ENVIRONMENT in self.with_names:
            raise InputError(
                f"{ENVIRONMENT} is the world, not a character: play somebody from {', '.join(scene.names)}"
            )
        if self.as_name is not None and self.as_name not in scene.names:
            if not self.newcomer:
                raise UnknownName(self.as_name, list(scene.names))
            scene = _with_character(scene, self.as_name)
        for name in self.with_names:
            if name not in scene.names:
                raise UnknownName(name, list(scene.names))
        if self.as_name in self.with_names:
            raise InputError(f"{self.as_name} cannot be played by you and by the model: leave one of the two out")
        if len(set(self.with_names)) < len(self.with_names):
            raise InputError(f"somebody is named twice for the model to play: {', '.join(self.with_names)}")
        others = self.with_names or tuple(name for name in scene.names if name != self.as_name)
        if not others:
            raise InputError(f"nobody is left for the model to play; the cast is: {', '.join(scene.names)}")
        return scene, replace(self, with_names=others)


def next_speaker(casting: Casting, turns: Sequence[Turn], absent: frozenset[str] = frozenset()) -> str | None:
    """Whose turn it is among those whom the model plays; None where none of them is present.

    The only one; else the one to whom the last turn was whispered; else the one whom it names;
    else the one after whoever of them spoke last. Where the person plays nobody they simply alternate.
    """
    order = [name for name in casting.with_names if name not in absent]
    if len(order) <= 1:
        return order[0] if order else None
    spoken = [turn for turn in turns if turn.without(Kind.SYSTEM_THINKING).segments]
    last = spoken[-1] if spoken else None
    if last is not None and casting.as_name is not None:
        hearers = [name for name in order if name != last.speaker]
        if last.heard_by is not None:
            hearers = [name for name in hearers if name in last.heard_by] or hearers
        if len(hearers) == 1:
            return hearers[0]
        called = addressed(last, hearers)
        if called is not None:
            return called
    for turn in reversed(spoken):
        if turn.speaker in casting.with_names:
            return _after(turn.speaker, casting.with_names, order)
    return order[0]


def addressed(turn: Turn, names: Sequence[str]) -> str | None:
    """The first of `names` that the turn says aloud, else the first that its actions mention; None for nobody.

    A part of a name counts where only one of `names` has it.
    """
    for kind in (Kind.SPEECH, Kind.ROLE_ACTION):
        text = turn.text_of(kind).casefold()
        found = [(at, name) for name in names if (at := _mention(text, name, names)) is not None]
        if found:
            return min(found)[1]
    return None


def _mention(text: str, name: str, names: Sequence[str]) -> int | None:
    others = {part for other in names if other != name for part in _parts(other)}
    places = [
        match.start() for part in {name.casefold(), *(_parts(name) - others)} if (match := re.search(_word(part), text))
    ]
    return min(places, default=None)


def _parts(name: str) -> set[str]:
    words = re.findall(r"[^\W\d_]+", name.casefold())
    return {word for word in words if word not in _TITLES and (len(word) > 2 or not word.isascii())}


def _word(part: str) -> str:
    return re.escape(part) if _UNSPACED.search(part) else rf"(?<!\w){re.escape(part)}(?!\w)"


def _after(speaker: str, everyone: Sequence[str], present: Sequence[str]) -> str:
    at = everyone.index(speaker)
    return next(name for name in (*everyone[at + 1 :], *everyone[: at + 1]) if name in present)


def _with_character(scene: Scene, name: str) -> Scene:
    fields = scene.model_dump()
    try:
        return Scene.model_validate({**fields, "cast": [*fields["cast"], {"name": name}]})
    except ValidationError as error:
        raise InputError(f"nobody can enter as {name!r}: {error.errors()[0]['msg']}") from error
