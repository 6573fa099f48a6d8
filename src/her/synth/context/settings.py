"""The stage `settings`: completes setting, profile, background and motivation where the dialogue shows what they do
not explain and the text before the scene does.

Knows that every addition needs words of the book, at their place. Refuses to change what stands there already, and to
let a character's answer see another's mind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from her import checks
from her.checks.units import is_spaceless
from her.markup import notation, render
from her.models.base import Message
from her.prompts import prompt
from her.rows.ask import Ask, Call
from her.rows.record import Evidence, Refusal, SceneRow, Step
from her.rows.run import Done
from her.scene import Character
from her.synth.context.evidence import GAP, QUOTE_WORDS, before, book_of, find_quote, is_quote, opening
from her.synth.context.fields import (
    PRIVATE,
    PUBLIC,
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
from her.synth.context.profiles import TERSE_CHARS
from her.synth.reading.book import Book
from her.synth.reasons import Reason
from her.synth.stage import Stage, named

FIELDS = ("setting", "profile", "background", "motivation")
"""What may be completed."""
_PARTS = ("field", "shown", "lacks", "quote", "text")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most additions of one answer, and the most words of their parts."""

    additions: int
    reason: int
    quote: int
    text: int

    @property
    def words(self) -> int:
        """Words of the longest answer."""
        return self.additions * (2 * self.reason + self.quote + self.text + 6)


FULL = Bounds(additions=4, reason=25, quote=45, text=40)
TERSE = Bounds(additions=1, reason=10, quote=20, text=20)
ALIKE = 0.6
"""Share of word pairs from which an addition says what stands there already."""
DIALOGUE = 2
"""How many characters of dialogue are shown for each of earlier text; of a longer one the end."""


@dataclass(frozen=True)
class Settings(Stage[SceneRow, SceneRow]):
    """Asks once for every character that takes part; `library` is the folder of books.

    A row without a place in a book, or with nothing before its scene, goes through as it is.
    """

    name: ClassVar[str] = "settings"
    library: Path

    async def work(self, row: SceneRow, ask: Ask) -> Done[SceneRow]:
        """The row with sentences added behind what was there, each with its evidence; refused ones are told in it."""
        book = book_of(row, self.library)
        part = (0, 0) if book is None else opening(row, book)
        refused: list[Refusal] = []
        step = Step(stage=self.name, prompts=())
        for name in dict.fromkeys(turn.speaker for turn in row.turns):
            character = next((one for one in row.cast if one.name == name), None)
            if book is None or part[0] == part[1] or character is None:
                continue
            judged = await self._additions(row, book, character, ask)
            for addition in judged.good:
                row = completed(row, addition)
            refused += judged.refused
            language = prompt_language(row.language)
            step = self.step(ask, f"settings/{language}", f"settings/case-{language}")
        lineage, all_refused = (*row.lineage, step), (*row.refused, *refused)
        return Done((row.model_copy(update={"lineage": lineage, "refused": all_refused}),), tuple(refused))

    async def _additions(self, row: SceneRow, book: Book, character: Character, ask: Ask) -> Judged[Evidence]:
        options, language = self.options, prompt_language(row.language)
        chars = min(options.evidence_chars, TERSE_CHARS) if options.terse else options.evidence_chars
        bounds, name = (TERSE if options.terse else FULL), character.name
        marks = {key: mark for key, mark in notation().items() if not key.startswith("plan")}
        limits = {"most": str(bounds.additions), "quote_words": str(bounds.quote), "text_words": str(bounds.text)}
        rules = prompt(f"settings/{language}", language=spoken(row.language), least=str(QUOTE_WORDS), **limits, **marks)
        material = prompt(
            f"settings/case-{language}",
            evidence=before(row, book, [name], chars),
            name=name,
            **{field: getattr(character, field) for field in FIELDS if field != "setting"},
            setting=row.setting,
            dialogue=_lived(row, name, DIALOGUE * chars),
        )
        call = Call(
            id=f"settings/{row.id}/{name}",
            messages=(Message("system", rules), Message("user", material)),
            sampling=self.sampling(f"settings/{row.id}/{name}", num_tokens(bounds.words, row.language)),
            prompts=named(f"settings/{language}", f"settings/case-{language}"),
            schema=_schema(name, bounds, row.language),
            language=language,
        )
        ground = Ground(self.name, row, book)
        return await asked(ask, call, partial(_judge, ground, character, bounds), self.name)


def completed(row: SceneRow, addition: Evidence) -> SceneRow:
    """The row with one sentence behind a field's text, which is kept to the byte."""

    def longer(text: str) -> str:
        joint = "" if not text or text[-1].isspace() or is_spaceless(addition.text[0]) else " "
        return text + joint + addition.text

    evidence = (*row.evidence, addition)
    if addition.field == "setting":
        return row.model_copy(update={"setting": longer(row.setting), "evidence": evidence})
    cast = tuple(
        one.model_copy(update={addition.field: longer(getattr(one, addition.field))})
        if one.name == addition.name
        else one
        for one in row.cast
    )
    return row.model_copy(update={"cast": cast, "evidence": evidence})


def _lived(row: SceneRow, name: str, chars: int) -> str:
    """The dialogue as one character lived it, without plans; of a long one the last turns."""
    turns = [render(turn, name=True) for turn in row.dialogue.seen_by(name)]
    kept: list[str] = []
    for turn in reversed(turns):
        if kept and sum(map(len, kept)) + len(turn) > chars:
            return "\n\n".join((GAP, *reversed(kept)))
        kept.append(turn)
    return "\n\n".join(reversed(kept))


def _schema(name: str, bounds: Bounds, language: str) -> dict[str, Any]:
    sizes = {"shown": bounds.reason, "lacks": bounds.reason, "quote": bounds.quote, "text": bounds.text}
    texts = {part: {"type": "string", "maxLength": num_chars(words, language)} for part, words in sizes.items()}
    addition = {
        "type": "object",
        "properties": {"field": {"enum": list(FIELDS)}, **texts},
        "required": list(_PARTS),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "name": {"enum": [name]},
            "additions": {"type": "array", "items": addition, "maxItems": bounds.additions},
        },
        "required": ["name", "additions"],
        "additionalProperties": False,
    }


def _judge(ground: Ground, character: Character, bounds: Bounds, data: Any) -> Judged[Evidence]:
    """The additions of one answer, each judged beside those before it; an answer about somebody else is refused."""
    name = character.name
    given, faults = parts(data, ("name", "additions"), name, ground.stage)
    if "name" in given and given["name"] != name:
        said = f"is about {given['name']!r}; write of {name!r}"
        return Judged((), (*faults, ground.refusal(Reason.UNKNOWN_NAME, name, said)))
    additions = given.get("additions", [])
    if not isinstance(additions, list):
        return Judged((), (*faults, ground.refusal(Reason.SCHEMA, name, "'additions' must be a list")))
    if len(additions) > bounds.additions:
        said = f"{len(additions)} additions; give the {bounds.additions} that are needed most"
        faults.append(ground.refusal(Reason.LENGTH, name, said))
    good: list[Evidence] = []
    for number, addition in enumerate(additions[: bounds.additions], 1):
        made = _Addition(ground, character, bounds, f"{name}/{number}").judge(addition, good)
        if isinstance(made, Evidence):
            good.append(made)
        else:
            faults += made
    return Judged(tuple(good), tuple(faults))


@dataclass(frozen=True, slots=True)
class _Addition:
    """One addition on its way into a row."""

    ground: Ground
    character: Character
    bounds: Bounds
    where: str

    def judge(self, data: Any, beside: Sequence[Evidence]) -> Evidence | list[Refusal]:
        """What goes into the row, or everything that keeps it out."""
        given, faults = parts(data, _PARTS, self.where, self.ground.stage)
        said = {part: tidy(given[part]) for part in given}
        if wrong := [part for part, text in said.items() if text is None]:
            faults.append(self._refusal(Reason.SCHEMA, f"{', '.join(wrong)} must be text"))
        if faults:
            return faults
        texts = {part: text or "" for part, text in said.items()}
        field, text = texts["field"], texts["text"]
        if field not in FIELDS:
            return [self._refusal(Why.UNKNOWN_FIELD, f"{field!r} is no field; take one of {', '.join(FIELDS)}")]
        if not (texts["shown"] and texts["lacks"]):
            faults.append(
                self._refusal(Reason.MISSING, "say what the dialogue shows and what is lacking, or add nothing")
            )
        place = self._place(texts["quote"])
        faults += [place] if isinstance(place, Refusal) else []
        faults += self.ground.faults(text, field, self.bounds.text, name=self.character.name, where=self.where)
        hidden = self.ground.hidden_from(None if field in PUBLIC else self.character.name)
        faults += self.ground.leaks(text, hidden, self.where)
        faults += self._repeats(text, beside)
        if faults or isinstance(place, Refusal):
            return faults
        whose = "" if field == "setting" else self.character.name
        quote = self.ground.book.text[slice(*place)]
        return Evidence(field=field, name=whose, text=text, quote=quote, start=place[0], end=place[1])

    def _place(self, quote: str) -> tuple[int, int] | Refusal:
        """Where the quotation stands before the scene."""
        book, part = self.ground.book, self.ground.part
        if not is_quote(quote):
            said = f"a quotation has at least {QUOTE_WORDS} words, copied from the text before the scene"
            return self._refusal(Reason.QUOTE_NOT_FOUND, said)
        if place := find_quote(quote, book.text, *part):
            return place
        if find_quote(quote, book.text, part[1]) or self.ground.spoils(quote):
            return self._refusal(Reason.SPOILER, "the quotation comes from the scene itself or from after it")
        return self._refusal(Reason.QUOTE_NOT_FOUND, "these words do not stand in the text before the scene")

    def _repeats(self, text: str, beside: Sequence[Evidence]) -> list[Refusal]:
        """A refusal where the row, or an addition before this one, says the same in almost the same words."""
        there = [self.ground.row.setting, *texts_of(self.character, ("profile", *PRIVATE))]
        there = [one for one in (*there, *(addition.text for addition in beside)) if one.strip()]
        like = checks.near_duplicate(text, there)
        if like is None or like[1] < ALIKE:
            return []
        return [self._refusal(Reason.NEAR_DUPLICATE, "this is said already; add only what is lacking")]

    def _refusal(self, reason: str, detail: str) -> Refusal:
        return self.ground.refusal(reason, self.where, detail)
