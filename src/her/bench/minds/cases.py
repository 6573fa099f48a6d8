"""Questions, what is right, and what answers come to.

Knows cases: questions that share a story, and so their luck. Refuses to know where questions come from, and to count a
reply that cannot be read as a wrong one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from her.bench.figures import Figure, Unscored, Value, Why
from her.bench.minds.answers import LETTERS, Style, answer_in, letter_in, listed, named, token_f1, yes_or_no
from her.errors import InputError
from her.markup import notation
from her.prompts import prompt
from her.rows.ask import seed_of

ACCURACY = Figure("accuracy", "right, of the answers that can be read", headline=True)
READABLE = Figure("readable", "answers in the form they were asked in")
UNJUDGED = Unscored(Why.ABSENT, "a sentence about a mind takes a model of sentences to judge")
"""What a belief told in a free sentence comes to: the set's authors compare embeddings, which are not here."""


class Sort(StrEnum):
    """What sort of answer a question wants."""

    LETTER = "letter"
    """The letter of an option."""
    NAME = "name"
    """The name of a thing, a place or a person."""
    NAMES = "names"
    """All names, and no wrong one."""
    YES_NO = "yes-no"
    FACT = "fact"
    """A sentence, held against the right one word by word."""
    BELIEF = "belief"
    """A sentence about a mind; to say whether it is right takes a model of sentences, which is not here."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question: the whole text but for the form of the answer, and what is right.

    `right` holds the letter of an option; one name; all names; `yes` or `no`; a sentence. `others` are wrong names.
    `marks` are the groups it counts for.
    """

    id: str
    text: str
    sort: Sort
    right: tuple[str, ...]
    others: tuple[str, ...] = ()
    num_options: int = 0
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """Questions about one story; `cluster` names what it shares its luck with, `more` is told in the log."""

    id: str
    cluster: str
    questions: tuple[Question, ...]
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The case as plain values, which `case_of` reads."""
        return asdict(self)


def case_of(values: Mapping[str, Any]) -> Case:
    """The case of plain values that `Case.as_json` gave."""
    tuples = ("right", "others", "marks")
    questions = tuple(
        Question(**{**one, "sort": Sort(one["sort"]), **{name: tuple(one[name]) for name in tuples}})
        for one in values["questions"]
    )
    return Case(values["id"], values["cluster"], questions, values["more"])


@dataclass(frozen=True, slots=True)
class Graded:
    """What the answer to a question came to, and the answer as it was read."""

    question: Question
    value: Value
    answer: str = ""


def asked(question: Question, style: Style, language: str = "en") -> str:
    """The text of a question with the form of its answer, as a model reads it."""
    what = prompt(f"bench-wanted-{question.sort.value}/{language}")
    marks = notation()
    # What is weighed is what would be said if nothing else were.
    form = Style.LETTER if style is Style.LIKELY else style
    fields = {"plan_open": marks["plan_open"], "plan_close": marks["plan_close"]} if style is Style.HER else {}
    return f"{question.text}\n\n{prompt(f'bench-form-{form.value}/{language}', what=what, **fields)}"


def offered(question: Question) -> tuple[str, ...]:
    """The answers among which a model can be left to choose by likelihood; none where there is no end of answers."""
    if question.sort is Sort.LETTER:
        return tuple(LETTERS[: question.num_options])
    if question.sort is Sort.NAME:
        return tuple(sorted({*question.right, *question.others}))
    return ("no", "yes") if question.sort is Sort.YES_NO else ()


def graded(question: Question, reply: str | Unscored, style: Style) -> Graded:
    """What a reply comes to; `reply` is Unscored where there is none."""
    if isinstance(reply, Unscored):
        return Graded(question, reply)
    if question.sort is Sort.LETTER:
        found = letter_in(reply, style, question.num_options)
        value: Value = found if isinstance(found, Unscored) else float(found == question.right[0])
        return Graded(question, value, found if isinstance(found, str) else "")
    answer = answer_in(reply, style)
    if isinstance(answer, Unscored):
        return Graded(question, answer)
    return Graded(question, _held(question, answer), answer)


def _held(question: Question, answer: str) -> Value:
    right = question.right
    match question.sort:
        case Sort.NAME:
            return named(answer, right[0], question.others)
        case Sort.NAMES:
            return listed(answer, right, question.others)
        case Sort.YES_NO:
            said = yes_or_no(answer)
            return said if isinstance(said, Unscored) else float(said == right[0])
        case Sort.FACT:
            return token_f1(answer, right[0])
    return UNJUDGED


def mean(found: Iterable[Value]) -> Value:
    """The mean of the values that there are; the first reason where there is none, UNDEFINED for no value at all."""
    values = list(found)
    numbers = [one for one in values if not isinstance(one, Unscored)]
    if numbers:
        return math.fsum(numbers) / len(numbers)
    return next((one for one in values if isinstance(one, Unscored)), Unscored(Why.UNDEFINED))


def every(found: Iterable[Value]) -> Value:
    """1 where all are right, 0 where one is not; Unscored where that hangs on one without a value, or none is there."""
    values = list(found)
    if any(one == 0 for one in values):
        return 0.0
    missing = [one for one in values if isinstance(one, Unscored)]
    return missing[0] if missing else 1.0 if values else Unscored(Why.UNDEFINED)


def readable(found: Sequence[Graded]) -> Value:
    """The share of replies in the form they were asked in; Unscored where there was no reply to be in any form."""
    values: list[Value] = []
    for one in found:
        why = one.value.why if isinstance(one.value, Unscored) else None
        never = why in (Why.CONTEXT, Why.ABSENT)
        values.append(one.value if never else float(why not in (Why.FORMAT, Why.EMPTY)))
    return mean(values)


def marked(found: Sequence[Graded], mark: str) -> list[Value]:
    """The values of the questions that bear a mark."""
    return [one.value for one in found if mark in one.question.marks]


def plain(found: Sequence[Graded]) -> dict[str, Value]:
    """The two figures that every set has."""
    return {"accuracy": mean(one.value for one in found), "readable": readable(found)}


def by_marks(figures: Sequence[Figure]) -> Callable[[Sequence[Graded]], dict[str, Value]]:
    """What counts a case whose other figures are the accuracies of the questions marked with their names."""

    def count(found: Sequence[Graded]) -> dict[str, Value]:
        return plain(found) | {
            one.name: mean(marked(found, one.name)) for one in figures if one.name not in ("accuracy", "readable")
        }

    return count


def lettered(options: Sequence[str]) -> str:
    """Options, a line each, with their letters. Raises InputError for more than there are letters."""
    if len(options) > len(LETTERS):
        raise InputError(f"{len(options)} options are more than there are letters; give at most {len(LETTERS)}")
    return "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))


def shuffled(options: Sequence[str], right: int, seed: int, name: str) -> tuple[tuple[str, ...], str]:
    """Options in an order that follows from the seed and a name, and the letter of the right one."""
    order = list(range(len(options)))
    random.Random(seed_of(seed, name)).shuffle(order)
    return tuple(options[at] for at in order), LETTERS[order.index(right)]


def drawn(cases: Sequence[Case], limit: int, seed: int) -> list[Case]:
    """Cases with at least `limit` questions together, or all (0), drawn by the seed and left in their order.

    A story is asked whole, so there may be a few questions more. Raises InputError for a limit below 0.
    """
    if limit < 0:
        raise InputError(f"limit is {limit}; give 0 for all questions, or how many")
    order = list(range(len(cases)))
    random.Random(seed_of(seed, "limit")).shuffle(order)
    taken: list[int] = []
    count = 0
    for at in order:
        if limit and count >= limit:
            break
        taken.append(at)
        count += len(cases[at].questions)
    return [cases[at] for at in sorted(taken)]
