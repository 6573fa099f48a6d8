"""Hi-ToM (He and others, 2023): stories of things moved about, and questions of order 0 to 4 about who thinks what.

Knows the file `Hi-ToM_data.json`, and that its two halves hold the same stories: one half is asked. Refuses to count a
question by itself where the whole story tells more: an order counts jointly only where all lower orders are right.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from her.bench.figures import Figure, Value
from her.bench.minds.answers import LETTERS
from her.bench.minds.cases import (
    ACCURACY,
    READABLE,
    Case,
    Graded,
    Question,
    Sort,
    every,
    lettered,
    marked,
    mean,
    plain,
)
from her.bench.minds.source import Place, Row, json_of, rows_of
from her.errors import InputError
from her.prompts import prompt

PLACE = Place("hitom", "Hi-ToM_data.json", "https://github.com/ying-hui-he/Hi-ToM_dataset")
HALF = "CoTP"
"""Which half is asked; the other has the same stories with an instruction glued to their first line."""
ORDERS = range(5)
LENGTHS = (1, 2, 3)
_GROUPS = {
    "told-lies": "right, stories with lies",
    "no-lies": "right, stories without lies",
    **{f"length-{length}": f"right, stories of length {length}" for length in LENGTHS},
}
FIGURES = (
    ACCURACY,
    READABLE,
    Figure("joint", "right together with all lower orders", headline=True),
    *(Figure(f"order-{order}", f"right, order {order}") for order in ORDERS),
    *(Figure(f"joint-{order}", f"right up to order {order}") for order in ORDERS[1:]),
    *(Figure(name, title) for name, title in _GROUPS.items()),
)
_LINE = re.compile(r"\s*\d+\s+(\S.*)")
_OPTION = re.compile(r"(?:^|, )([A-Z])\. ")


def load(path: Path) -> list[Case]:
    """A case for each of the stories, with its questions from order 0 up. Raises InputError and StorageError."""
    data = json_of(path)
    if not isinstance(data, dict) or "data" not in data:
        raise InputError(f"{path}: an object with 'data' should stand here; fetch the file again")
    stories: dict[tuple[str, ...], dict[int, tuple[Question, Row]]] = defaultdict(dict)
    for row in rows_of(path, data["data"]):
        if row.text("prompting_type") != HALF:
            continue
        lines = told(row)
        question = _question(row, lines)
        order = row.number("question_order")
        if order in stories[lines]:
            row.wrong("question_order", "stands twice for one story")
        stories[lines][order] = (question, row)
    if not stories:
        raise InputError(f"{path}: no row has the prompting_type {HALF!r}; fetch the file again")
    return [_case(number, found) for number, found in enumerate(stories.values(), 1)]


def told(row: Row) -> tuple[str, ...]:
    """The lines of a row's story without their numbers, and without whatever else the file glues to them."""
    found = [match[1].strip() for line in row.text("story").split("\n") if (match := _LINE.fullmatch(line))]
    return tuple(line for line in found if line.strip("*"))


def _question(row: Row, lines: Sequence[str]) -> Question:
    if not lines:
        row.wrong("story", "has no numbered line")
    options = _options(row)
    answer = row.text("answer")
    if options.count(answer) != 1:
        row.wrong("answer", f"stands {options.count(answer)} times among the options")
    order = row.number("question_order")
    if order not in ORDERS:
        row.wrong("question_order", "is not between 0 and 4")
    text = prompt(
        "bench-hitom/en",
        story="\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1)),
        question=row.text("question"),
        options=lettered(options),
    )
    right = LETTERS[options.index(answer)]
    return Question(f"order-{order}", text, Sort.LETTER, (right,), num_options=len(options), marks=(f"order-{order}",))


def _options(row: Row) -> tuple[str, ...]:
    pieces = _OPTION.split(row.text("choices"))
    letters, options = pieces[1::2], tuple(piece.strip() for piece in pieces[2::2])
    if pieces[0].strip() or "".join(letters) != LETTERS[: len(letters)] or len(letters) < 2 or not all(options):
        row.wrong("choices", "is no list such as 'A. box, B. bag'")
    return options


def _case(number: int, found: dict[int, tuple[Question, Row]]) -> Case:
    row = found[min(found)][1]
    lies, length = row.flag("deception"), row.number("story_length")
    if length not in LENGTHS:
        row.wrong("story_length", "is not 1, 2 or 3")
    marks = ("told-lies" if lies else "no-lies", f"length-{length}")
    id = f"story-{number:03}"
    questions = tuple(
        Question(one.id, one.text, one.sort, one.right, one.others, one.num_options, one.marks + marks)
        for _, (one, _) in sorted(found.items())
    )
    return Case(id, id, questions, {"lies": lies, "length": length})


def count(found: Sequence[Graded]) -> dict[str, Value]:
    """The figures of a story whose questions were answered, in the order of FIGURES."""
    return plain(found) | _joint(found) | {name: mean(marked(found, name)) for name in _GROUPS}


def _joint(found: Sequence[Graded]) -> dict[str, Value]:
    orders = {order: marked(found, f"order-{order}") for order in ORDERS}
    known = [order for order in ORDERS if orders[order]]
    upto = {order: every(value for lower in known if lower <= order for value in orders[lower]) for order in known}
    singles = {f"order-{order}": mean(orders[order]) for order in ORDERS}
    joints = {f"joint-{order}": upto.get(order, mean([])) for order in ORDERS[1:]}
    return {"joint": mean(upto.values()), **singles, **joints}
