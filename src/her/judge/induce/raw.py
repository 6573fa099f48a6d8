"""First step: for each pair a teacher says by which principles one candidate is better, and where that can be seen.

Knows what of an answer is let through: whole, short, about any turn, seen in words that stand there. Refuses to know
which principles are alike (`clusters`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError

from her.checks.language import wrong_language
from her.errors import InputError
from her.judge.dialects.shown import facts, marks, texts
from her.judge.induce.asking import MOST_CHARS, case_texts, fault_of, fitted, sampling
from her.judge.induce.rows import Better, Evidence, Raw
from her.judge.induce.sheets import Sheets
from her.judge.pairs import Pair
from her.judge.principles import DIMENSIONS, Dimension, Level, Line, Polarity
from her.judge.verdict import Winner
from her.models.base import Message
from her.prompts import prompt
from her.rows.ask import Ask, Call, Dropped, Rejected
from her.rows.record import Record, Refusal
from her.rows.run import Done

STAGE = "principles-raw"
MOST = 4
"""Principles of one answer; the teacher of the paper writes three or more (docs/sources.md)."""
_TOKENS = {"en": 1024, "zh": 1536}
"""Room for the longest answer."""
_TEXTS = ("name", "definition", "evidence_a", "evidence_b")


class _Given(Record):
    evidence_a: str
    evidence_b: str
    name: Line
    definition: Line
    dimension: Dimension
    level: Level
    polarity: Polarity


@dataclass(frozen=True, slots=True)
class RawPrinciples:
    """The work on one pair whose better candidate is known."""

    seed: int = 0

    async def __call__(self, pair: Pair, ask: Ask) -> Done[Raw]:
        """The pair's raw principles. Raises Dropped (`same`) where a judge sees no difference between the two."""
        sheets = Sheets.of(pair.case)
        if sheets.first == sheets.second:
            raise Dropped("same", "a judge is shown the same text of both candidates")
        code, call_id = pair.at.scene.prompt_language, f"{STAGE}/{pair.id}"
        last = prompt(f"{STAGE}/case-{code}", better="A" if better_of(pair) is Winner.FIRST else "B")
        limits = {"most": str(MOST), "dimensions": ", ".join(DIMENSIONS)}
        rules = Message("system", prompt(f"{STAGE}/{code}", **limits, **marks()))

        def messages(dropped: int) -> tuple[Message, ...]:
            return rules, Message("user", f"{facts(pair.case, dropped)}\n\n{last}")

        call = Call(
            id=call_id,
            messages=await fitted(ask, pair.case, messages, _TOKENS[code]),
            sampling=sampling(self.seed, call_id, _TOKENS[code]),
            prompts=(*case_texts(STAGE, code), *texts(f"{STAGE}/case-{code}")),
            schema=_SCHEMA,
            language=code,
        )
        return await ask(call, partial(_read, pair, sheets))


def _read(pair: Pair, sheets: Sheets, data: Any) -> Done[Raw]:
    """What is usable of an answer. Raises Rejected where nothing is."""
    given = data.get("principles") if isinstance(data, dict) else None
    if not isinstance(given, list) or not given:
        raise Rejected(_refusal("schema", pair.id, "give an object with a list `principles` that is not empty"))
    good: list[Raw] = []
    refused = [_refusal("too-many", f"{pair.id}/{n}", f"only {MOST} are read") for n in range(MOST + 1, len(given) + 1)]
    for number, one in enumerate(given[:MOST], 1):
        made = _one(one, pair, sheets, f"{pair.id}/{number}")
        if isinstance(made, Refusal):
            refused.append(made)
        elif any(made.name.casefold() == other.name.casefold() for other in good):
            refused.append(_refusal("twice", f"{pair.id}/{number}", f"{made.name!r} stands there twice"))
        else:
            good.append(made)
    if not good:
        raise Rejected(*refused)
    return Done(tuple(good), tuple(refused))


def _one(data: Any, pair: Pair, sheets: Sheets, where: str) -> Raw | Refusal:
    """One principle of an answer, or what keeps it out."""
    try:
        given = _Given.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return _refusal("schema", where, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    if fault := fault_of(given.name, given.definition, pair.at.scene.names):
        return _refusal(fault[0], where, fault[1])
    if wrong_language(given.definition, pair.at.scene.prompt_language):
        return _refusal("language", where, f"{given.name!r}: write in the language of these instructions")
    if doubt := sheets.doubt(given.evidence_a, given.evidence_b):
        return _refusal("evidence", where, f"{given.name!r}: {doubt}")
    return Raw(
        name=given.name,
        definition=given.definition,
        dimension=given.dimension,
        level=given.level,
        negative=given.polarity == "negative",
        language=pair.at.scene.prompt_language,
        book=pair.book or pair.at.scene.id,
        evidence=Evidence(pair=pair.id, first=given.evidence_a, second=given.evidence_b, better=better_of(pair)),
    )


def better_of(pair: Pair) -> Better:
    """The better side of a pair that has one. Raises InputError."""
    if pair.better is Winner.FIRST or pair.better is Winner.SECOND:
        return pair.better
    raise InputError(f"the pair {pair.id!r} has no better side; only pairs with one can be used here")


def _refusal(reason: str, where: str, detail: str) -> Refusal:
    return Refusal(stage=STAGE, reason=reason, where=where, detail=detail)


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "principles": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST,
            "items": {
                "type": "object",
                "properties": {
                    "evidence_a": {"type": "string", "maxLength": MOST_CHARS},
                    "evidence_b": {"type": "string", "maxLength": MOST_CHARS},
                    "name": {"type": "string", "maxLength": MOST_CHARS},
                    "definition": {"type": "string", "maxLength": MOST_CHARS},
                    "dimension": {"enum": list(DIMENSIONS)},
                    "level": {"enum": ["sentence", "session"]},
                    "polarity": {"enum": ["negative", "positive"]},
                },
                "required": [*_TEXTS, "dimension", "level", "polarity"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["principles"],
    "additionalProperties": False,
}
