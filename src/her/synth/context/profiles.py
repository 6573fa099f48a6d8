"""The stage `profiles`: the setting of a scene and who its people are, from the text before the scene alone.

Knows which fields a scene needs and whose eyes each is for. Refuses to know anything that is said or done in the
scene, and to show one character's answer the wishes of another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from her.checks.units import is_spaceless
from her.models.base import Message
from her.prompts import prompt
from her.rows.ask import Ask, Call
from her.rows.record import Refusal, SceneRow, Step
from her.rows.run import Done
from her.scene import Character
from her.synth.context.evidence import before, book_of, called, is_named
from her.synth.context.fields import (
    PRIVATE,
    Ground,
    Judged,
    Why,
    asked,
    num_chars,
    num_tokens,
    parts,
    prompt_language,
    spoken,
    texts_of,
    tidy,
)
from her.synth.reading.book import Book
from her.synth.reasons import Reason
from her.synth.stage import Stage, named

WORDS = {"setting": 160, "profile": 90, "background": 110, "motivation": 70, "opening_thought": 40}
TERSE_WORDS = {"setting": 60, "profile": 35, "motivation": 25}
"""Most words of each field, ours; a terse run has no others."""
TERSE_CHARS = 1500
"""Most characters of earlier text that a terse run shows."""

Field = tuple[str, str]
"""A field's name and its text."""


@dataclass(frozen=True)
class Profiles(Stage[SceneRow, SceneRow]):
    """Fills what is empty of a row's setting and its characters; `library` is the folder of books.

    A row without a place in a book goes through as it is. Where the text before the scene never names somebody,
    nobody is asked, and the fields stay empty with a refusal `no-earlier-text`. A setting of which nothing comes is
    the list of those present, so that the scene can be played.
    """

    name: ClassVar[str] = "profiles"
    library: Path

    async def work(self, row: SceneRow, ask: Ask) -> Done[SceneRow]:
        """The row with its fields filled as far as the text supports them; a field that gates refuse stays empty."""
        book = book_of(row, self.library)
        if book is None:
            return Done((_gone_through(row, Step(stage=self.name, prompts=())),))
        texts: list[str] = []
        refused: list[Refusal] = []
        if not row.setting.strip():
            setting = await self._setting(row, book, ask, texts)
            refused += setting.refused
            row = row.model_copy(update={"setting": dict(setting.good).get("setting") or _those_present(row)})
        for number, character in enumerate(row.cast):
            fields = self._missing(character)
            if not fields:
                continue
            judged = await self._profile(row, book, ask, (character, fields), texts)
            refused += judged.refused
            filled = character.model_copy(update=dict(judged.good))
            row = row.model_copy(update={"cast": (*row.cast[:number], filled, *row.cast[number + 1 :])})
        step = self.step(ask, *dict.fromkeys(texts)) if texts else Step(stage=self.name, prompts=())
        row = row.model_copy(update={"refused": (*row.refused, *refused)})
        return Done((_gone_through(row, step),), tuple(refused))

    @property
    def _words(self) -> Mapping[str, int]:
        return TERSE_WORDS if self.options.terse else WORDS

    @property
    def _chars(self) -> int:
        chars = self.options.evidence_chars
        return min(chars, TERSE_CHARS) if self.options.terse else chars

    def _missing(self, character: Character) -> tuple[str, ...]:
        """The fields to ask for; an opening thought only beside others, since a scene does well without one."""
        fields = tuple(field for field in self._words if field != "setting" and not getattr(character, field).strip())
        return fields if fields != ("opening_thought",) else ()

    async def _setting(self, row: SceneRow, book: Book, ask: Ask, texts: list[str]) -> Judged[Field]:
        ground = Ground(self.name, row, book)
        names = [character.name for character in row.cast]
        evidence = before(row, book, names, self._chars)
        if not evidence:
            return Judged((), (_nothing_before(ground, "setting"),))
        language = prompt_language(row.language)
        most = self._words["setting"]
        material = prompt(f"setting/case-{language}", evidence=evidence, names=_listed(names))
        rules = prompt(f"setting/{language}", most=str(most), language=spoken(row.language))
        call = self._call(f"setting/{row.id}", row, (rules, material), {"setting": most})
        texts += [f"setting/{language}", f"setting/case-{language}"]
        return await asked(ask, call, partial(_judge_setting, ground, most), self.name)

    async def _profile(
        self, row: SceneRow, book: Book, ask: Ask, whose: tuple[Character, Sequence[str]], texts: list[str]
    ) -> Judged[Field]:
        ground = Ground(self.name, row, book)
        character, fields = whose
        if not is_named(row, book, character.name):
            return Judged((), (_nothing_before(ground, character.name),))
        language = prompt_language(row.language)
        wanted = {field: self._words[field] for field in fields}
        rules = prompt(
            f"profiles/{language}",
            language=spoken(row.language),
            **{field: str(wanted[field]) if field in wanted else "" for field in WORDS if field != "setting"},
        )
        material = prompt(
            f"profiles/case-{language}",
            evidence=before(row, book, [character.name], self._chars),
            setting=row.setting,
            name=character.name,
            also=_listed([form for form in called(row, character.name) if form != character.name]),
            known="\n".join(texts_of(character, ("profile", *PRIVATE))),
            shape=_shape(character.name, fields),
        )
        call = self._call(f"profiles/{row.id}/{character.name}", row, (rules, material), wanted, character.name)
        texts += [f"profiles/{language}", f"profiles/case-{language}"]
        return await asked(ask, call, partial(_judge_profile, ground, character, wanted), self.name)

    def _call(
        self, id: str, row: SceneRow, said: tuple[str, str], words: Mapping[str, int], name: str | None = None
    ) -> Call:
        language = prompt_language(row.language)
        text = id.partition("/")[0]
        properties: dict[str, Any] = {} if name is None else {"name": {"enum": [name]}}
        properties |= {
            field: {"type": "string", "maxLength": num_chars(most, row.language)} for field, most in words.items()
        }
        return Call(
            id=id,
            messages=(Message("system", said[0]), Message("user", said[1])),
            sampling=self.sampling(id, num_tokens(sum(words.values()), row.language)),
            prompts=named(f"{text}/{language}", f"{text}/case-{language}"),
            schema={
                "type": "object",
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            },
            language=language,
        )


def _judge_setting(ground: Ground, most: int, data: Any) -> Judged[Field]:
    given, faults = parts(data, ("setting",), "setting", ground.stage)
    text = tidy(given.get("setting"))
    if text is None:
        faults.append(ground.refusal(Reason.SCHEMA, "setting", "must be text"))
    elif text:
        faults += ground.faults(text, "setting", most)
        faults += ground.leaks(text, ground.hidden_from(None), "setting")
    return Judged((("setting", text),) if text and not faults else (), tuple(faults))


def _judge_profile(ground: Ground, character: Character, wanted: Mapping[str, int], data: Any) -> Judged[Field]:
    """The fields of one answer; an answer about somebody else is refused as a whole."""
    given, faults = parts(data, ("name", *wanted), character.name, ground.stage)
    if "name" in given and given["name"] != character.name:
        said = f"is about {given['name']!r}; write of {character.name!r}"
        return Judged((), (*faults, ground.refusal(Reason.UNKNOWN_NAME, character.name, said)))
    fields = {field: tidy(given.get(field)) for field in wanted}
    own = [*texts_of(character, PRIVATE), *(text for field in PRIVATE if (text := fields.get(field)))]
    good: list[Field] = []
    for field, text in fields.items():
        where = f"{character.name}/{field}"
        if text is None:
            faults.append(ground.refusal(Reason.SCHEMA, where, "must be text"))
        elif text:
            found = ground.faults(text, field, wanted[field], name=character.name, where=where)
            hidden = (*own, *ground.hidden_from(None)) if field == "profile" else ground.hidden_from(character.name)
            found += ground.leaks(text, hidden, where)
            faults += found
            good += [] if found else [(field, text)]
    return Judged(tuple(good), tuple(faults))


def _nothing_before(ground: Ground, where: str) -> Refusal:
    return ground.refusal(Why.NO_EARLIER_TEXT, where, "the text before the scene tells nothing of this")


def _gone_through(row: SceneRow, step: Step) -> SceneRow:
    return row.model_copy(update={"lineage": (*row.lineage, step)})


def _those_present(row: SceneRow) -> str:
    """The cast as a play lists it, for a scene of which the text says no more."""
    names = [character.name for character in row.cast]
    return _listed(names) + ("。" if is_spaceless(names[-1][-1]) else "" if names[-1].endswith(".") else ".")


def _listed(names: Sequence[str]) -> str:
    return ("、" if names and all(is_spaceless(name[0]) for name in names) else ", ").join(names)


def _shape(name: str, fields: Sequence[str]) -> str:
    """The object that is asked for, as a model without constraints is told it."""
    return json.dumps({"name": name, **dict.fromkeys(fields, "…")}, ensure_ascii=False)
