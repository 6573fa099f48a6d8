"""Fourth step: a teacher writes out what was kept as a principle file has it: both languages, how one tells, examples.

Knows that name and definition stay as a person left them. Refuses to let an example through that is no turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from her.checks.language import wrong_language
from her.judge.dialects.shown import block, line, marks, texts
from her.judge.induce.asking import MOST_CHARS, sampling
from her.judge.induce.rows import Candidate
from her.judge.principles import LANGUAGES, Entry, Principle, Wording, faults
from her.models.base import Message
from her.prompts import prompt
from her.rows.ask import Ask, Call, Rejected
from her.rows.record import Record, Refusal
from her.rows.run import Done
from her.scene import fold

STAGE = "principles-wording"
_TOKENS = 2048


class Worded(Record):
    """A candidate as a principle; its id may still be that of another."""

    candidate: str
    entry: Entry


class _Answer(Record):
    en: Wording
    zh: Wording


@dataclass(frozen=True, slots=True)
class WritingOut:
    """The work on one candidate."""

    seed: int = 0

    async def __call__(self, one: Candidate, ask: Ask) -> Done[Worded]:
        """The candidate as a principle."""
        call_id = f"{STAGE}/{one.id}"
        quotes = [quote.kept_and_broken for quote in one.evidence]
        case = prompt(
            f"{STAGE}/case-en",
            name=one.name,
            definition=one.definition,
            language="Chinese" if one.language == "zh" else "English",
            polarity="negative" if one.negative else "positive",
            level=one.level,
            evidence=block("\n".join(f"kept: {line(kept)}\nbroken: {line(broken)}" for kept, broken in quotes), "Q| "),
        )
        call = Call(
            id=call_id,
            messages=(Message("system", prompt(f"{STAGE}/en", **marks())), Message("user", case)),
            sampling=sampling(self.seed, call_id, _TOKENS),
            prompts=texts(f"{STAGE}/en", f"{STAGE}/case-en"),
            schema=_SCHEMA,
        )
        return await ask(call, partial(_read, one))


def named_apart(principles: Iterable[Principle]) -> tuple[Principle, ...]:
    """The principles, each with an id and names of its own: a number is added where one comes again."""
    taken: set[tuple[str, str]] = set()

    def free(field: str, value: str, form: str) -> str:
        found, number = value, 2
        while (field, found.casefold()) in taken:
            found, number = form.format(value, number), number + 1
        taken.add((field, found.casefold()))
        return found

    made = []
    for one in principles:
        words = {
            code: wording.model_copy(update={"name": free(code, wording.name, "{} ({})")})
            for code, wording in (("en", one.en), ("zh", one.zh))
        }
        made.append(replace(one, id=free("id", one.id, "{}-{}"), en=words["en"], zh=words["zh"]))
    return tuple(made)


def _read(one: Candidate, data: Any) -> Done[Worded]:
    """The principle of an answer. Raises Rejected and pydantic's ValidationError."""
    answer = _Answer.model_validate(data)
    words = {code: getattr(answer, code) for code in LANGUAGES}
    words[one.language] = words[one.language].model_copy(update={"name": one.name, "definition": one.definition})
    id = re.sub(r"[^a-z0-9]+", "-", fold(words["en"].name).replace("'", "")).strip("-")
    entry = Entry(
        id=id or "principle",
        dimension=one.dimension,
        level=one.level,
        polarity="negative" if one.negative else "positive",
        **words,
    )
    wrong = [("example", said) for said in faults(entry)]
    wrong += [
        ("language", f"{code}.{field}: is not in the language {code}")
        for code, wording in words.items()
        # A name of a few words may look like any language, and what a person left stays.
        for field in ("definition", "recognise")[code == one.language :]
        if wrong_language(getattr(wording, field), code)
    ]
    if wrong:
        raise Rejected(*(Refusal(stage=STAGE, reason=why, where=one.id, detail=said) for why, said in wrong))
    return Done((Worded(candidate=one.id, entry=entry),))


_WORDS: dict[str, Any] = {
    "type": "object",
    "properties": {
        field: {"type": "string", "maxLength": 2 * MOST_CHARS}
        for field in ("name", "definition", "recognise", "kept", "broken")
    },
    "required": ["name", "definition", "recognise", "kept", "broken"],
    "additionalProperties": False,
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": dict.fromkeys(LANGUAGES, _WORDS),
    "required": list(LANGUAGES),
    "additionalProperties": False,
}
