"""Last step: a teacher judges pairs that the principles were not made of, by them alone; what each of them is worth.

Knows who calls on what, and how often it is right. Refuses to tell the judge which candidate is better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from her.judge.case import Case
from her.judge.dialects.shown import facts, marks
from her.judge.induce.asking import case_texts, fitted, sampling
from her.judge.induce.raw import better_of
from her.judge.induce.rows import Better, Invoked, Said, Score
from her.judge.induce.sheets import Sheets
from her.judge.pairs import Pair
from her.judge.principles import Principle, listed
from her.judge.verdict import Winner
from her.models.base import Message
from her.prompts import prompt
from her.rows.ask import Ask, Call, Dropped, Rejected, together
from her.rows.record import Record, Refusal
from her.rows.run import Done

STAGE = "principles-score"
_TOKENS_PER_PRINCIPLE = 24
_MOST_TOKENS = 1024


class _Call(Record):
    principle: str
    winner: Literal["A", "B"]


class _Answer(Record):
    invoked: tuple[_Call, ...]


@dataclass(frozen=True, slots=True)
class Invoking:
    """The work on one pair: which of the principles tell its candidates apart, asked in both orders."""

    principles: tuple[Principle, ...]
    seed: int = 0

    async def __call__(self, pair: Pair, ask: Ask) -> Done[Invoked]:
        """What was called on. Raises Dropped (`same`) where a judge sees no difference between the two."""
        sheets = Sheets.of(pair.case)
        if sheets.first == sheets.second:
            raise Dropped("same", "a judge is shown the same text of both candidates")
        given, exchanged = await together(
            self._said(pair.case, ask, "given"), self._said(pair.case.swapped, ask, "exchanged")
        )
        back = tuple(Said.model_validate({"principle": one.principle, "winner": one.winner.other}) for one in exchanged)
        return Done((Invoked(pair=pair.id, better=better_of(pair), given=given, exchanged=back),))

    async def _said(self, case: Case, ask: Ask, order: str) -> tuple[Said, ...]:
        code, call_id = case.scene.prompt_language, f"{STAGE}/{case.id}/{order}"
        room = min(_MOST_TOKENS, 64 + _TOKENS_PER_PRINCIPLE * len(self.principles))
        rules = Message("system", prompt(f"{STAGE}/{code}", principles=listed(self.principles, code), **marks()))

        def messages(dropped: int) -> tuple[Message, ...]:
            return rules, Message("user", facts(case, dropped))

        call = Call(
            id=call_id,
            messages=await fitted(ask, case, messages, room),
            sampling=sampling(self.seed, call_id, room, temperature=0.0),
            prompts=case_texts(STAGE, code),
            schema=self._schema(),
            language=code,
        )
        return await ask(call, partial(self._read, case.id))

    def _read(self, where: str, data: Any) -> tuple[Said, ...]:
        """Who keeps better to what, each principle once. Raises Rejected and pydantic's ValidationError."""
        calls = _Answer.model_validate(data).invoked
        known = {one.id for one in self.principles}
        count = Counter(one.principle for one in calls)
        for id, times in count.items():
            if id not in known or times > 1:
                wrong = "stands more than once" if id in known else "is none of the principles"
                said = f"{id!r} {wrong}; use each id of the list at most once"
                raise Rejected(Refusal(stage=STAGE, reason="principle", where=where, detail=said))
        return tuple(
            Said(principle=one.principle, winner=Winner.FIRST if one.winner == "A" else Winner.SECOND) for one in calls
        )

    def _schema(self) -> dict[str, Any]:
        one = {
            "type": "object",
            "properties": {"principle": {"enum": [one.id for one in self.principles]}, "winner": {"enum": ["A", "B"]}},
            "required": ["principle", "winner"],
            "additionalProperties": False,
        }
        return {
            "type": "object",
            "properties": {"invoked": {"type": "array", "items": one, "maxItems": len(self.principles)}},
            "required": ["invoked"],
            "additionalProperties": False,
        }


def scores(principles: Sequence[Principle], invoked: Iterable[Invoked]) -> tuple[Score, ...]:
    """One score a principle, in their order."""
    rows = list(invoked)
    answers = [
        ({one.principle: one.winner for one in said}, row.better) for row in rows for said in (row.given, row.exchanged)
    ]
    return tuple(_score(one.id, rows, answers) for one in principles)


def _score(id: str, rows: Sequence[Invoked], answers: Sequence[tuple[dict[str, Better], Better]]) -> Score:
    mine = [(said, better) for said, better in answers if id in said]
    same = Counter(other for said, _ in mine for other, winner in said.items() if other != id and winner is said[id])
    most = min(same, key=lambda other: (-same[other], other), default="")
    both = [
        (given[id], exchanged[id])
        for row in rows
        for given, exchanged in [[{one.principle: one.winner for one in said} for said in (row.given, row.exchanged)]]
        if id in given and id in exchanged
    ]
    return Score(
        principle=id,
        asked=len(answers),
        invoked=len(mine),
        coverage=_share(len(mine), len(answers)),
        accuracy=_share(sum(said[id] is better for said, better in mine), len(mine)),
        flipped=_share(sum(one is not other for one, other in both), len(both)),
        redundancy=_share(same[most], len(mine)),
        same_as=most,
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
