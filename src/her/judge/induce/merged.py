"""Between the second step and the review: a teacher is shown the candidates and says which of them mean the same.

Knows groups of numbers. Refuses to lose a candidate: what an answer does not bring together stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import Field

from her.judge.dialects.shown import texts
from her.judge.induce.asking import MOST_CHARS, fault_of, sampling
from her.judge.induce.clusters import by_support
from her.judge.induce.rows import Candidate
from her.judge.principles import DIMENSIONS
from her.models.base import Message
from her.prompts import prompt
from her.rows.ask import Ask, Call, Dropped, Rejected
from her.rows.record import Record, Refusal
from her.rows.run import Done

STAGE = "principles-merge"
BATCH = 40
"""Candidates that are shown at once; those of one dimension, as far as they go together."""
_TOKENS_PER_CANDIDATE = 60


class Batch(Record):
    """Candidates that a teacher is shown together."""

    id: str
    candidates: tuple[Candidate, ...]


class _Group(Record):
    members: tuple[int, ...] = Field(min_length=2)
    name: str
    definition: str


class _Answer(Record):
    groups: tuple[_Group, ...]


def batches(candidates: Sequence[Candidate]) -> Iterator[Batch]:
    """All candidates, those of one dimension side by side; one alone is asked nothing about."""
    ordered = sorted(by_support(candidates), key=lambda one: DIMENSIONS.index(one.dimension))
    for at in range(0, len(ordered), BATCH):
        yield Batch(id=f"batch-{at // BATCH + 1}", candidates=tuple(ordered[at : at + BATCH]))


def united(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The candidates, the best supported first; those that two answers have given the same words are one."""
    made: dict[str, Candidate] = {}
    for one in by_support(candidates):
        made[one.id] = made[one.id].with_(one) if one.id in made else one
    return by_support(made.values())


@dataclass(frozen=True, slots=True)
class Merging:
    """The work on one batch."""

    seed: int = 0

    async def __call__(self, batch: Batch, ask: Ask) -> Done[Candidate]:
        """The batch's candidates, groups of them as one; all as they were where no answer can be used."""
        if len(batch.candidates) < 2:
            return Done(batch.candidates)
        call_id, room = f"{STAGE}/{batch.id}", 128 + _TOKENS_PER_CANDIDATE * len(batch.candidates)
        lines = [f"{n}. {one.name}: {one.definition}" for n, one in enumerate(batch.candidates, 1)]
        call = Call(
            id=call_id,
            messages=(Message("system", prompt(f"{STAGE}/en")), Message("user", "\n".join(lines))),
            sampling=sampling(self.seed, call_id, room, temperature=0.0),
            prompts=texts(f"{STAGE}/en"),
            schema=_SCHEMA,
        )
        try:
            return Done(await ask(call, partial(_read, batch)))
        except Rejected as error:
            return Done(batch.candidates, error.refusals)
        except Dropped as error:
            return Done(batch.candidates, (_refusal(error.reason, batch.id, error.detail),))


def _read(batch: Batch, data: Any) -> tuple[Candidate, ...]:
    """The candidates after an answer. Raises Rejected and pydantic's ValidationError."""
    groups = _Answer.model_validate(data).groups
    numbers = [number for group in groups for number in group.members]
    wrong = list(_faults(groups, numbers, len(batch.candidates)))
    if wrong:
        raise Rejected(*(_refusal(reason, batch.id, said) for reason, said in wrong))
    every = dict(enumerate(batch.candidates, 1))
    made = [_one([every.pop(number) for number in group.members], group) for group in groups]
    return (*made, *every.values())


def _faults(groups: Iterable[_Group], numbers: Sequence[int], most: int) -> Iterator[tuple[str, str]]:
    for number in numbers:
        if not 1 <= number <= most:
            yield "unknown", f"there is no principle {number}; they have the numbers 1 to {most}"
        elif numbers.count(number) > 1:
            yield "twice", f"principle {number} stands more than once; it belongs to one group at most"
    for group in groups:
        if fault := fault_of(group.name, group.definition):
            yield fault


def _one(members: Sequence[Candidate], group: _Group) -> Candidate:
    """Several candidates as one: what it is about, its level and its polarity come from the best supported.

    Of candidates in several languages the words are English: so the teacher is told.
    """
    first, *others = by_support(members)
    joined = first.with_(*others)
    names = tuple(dict.fromkeys((first.name, *joined.wordings)))
    language = first.language if len({one.language for one in members}) == 1 else "en"
    update = {"name": group.name, "definition": group.definition, "language": language}
    return Candidate.model_validate(
        {**joined.model_dump(), **update, "wordings": tuple(name for name in names if name != group.name)}
    )


def _refusal(reason: str, where: str, detail: str) -> Refusal:
    return Refusal(stage=STAGE, reason=reason, where=where, detail=detail)


_TEXT = {"type": "string", "maxLength": MOST_CHARS}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "groups": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "members": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
                    "name": _TEXT,
                    "definition": _TEXT,
                },
                "required": ["members", "name", "definition"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["groups"],
    "additionalProperties": False,
}
