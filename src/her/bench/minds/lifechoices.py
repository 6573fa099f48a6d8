"""LifeChoice (Xu and others, 2024): which of four ways a character of a novel took.

Knows the file of its expert-written lives. Options are put into an order that follows from the seed, since a model
that always says A must not gain by where the file has the right one; how often each letter is chosen is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from her.bench.figures import Figure, Unscored, Value, Why
from her.bench.minds.cases import ACCURACY, READABLE, Case, Graded, Question, Sort, lettered, plain, shuffled
from her.bench.minds.source import Place, Row, json_of, rows_of
from her.errors import InputError
from her.prompts import prompt

PLACE = Place("lifechoices", "data.json", "https://github.com/airaer1998/LifeChoice (data/data.json)")
CONTAMINATION = (
    "39 of the set's books are CoSER's too (151 questions), 16 questions come from books of CoSER's test set: "
    "a model that was trained on CoSER may know them"
)
"""Printed with every result (counted by the authors of SOUL, arXiv 2605.20506)."""
LETTERS = "ABCD"
FIGURES = (
    ACCURACY,
    READABLE,
    *(Figure(f"chose-{one.lower()}", f"chose {one}, where 1 in 4 would be fair", better="neither") for one in LETTERS),
)


def load(path: Path, seed: int = 0) -> list[Case]:
    """A case for each choice of each book. Raises InputError and StorageError."""
    books = json_of(path)
    if not isinstance(books, list) or not books:
        raise InputError(f"{path}: a list of books should stand here; fetch the file again")
    cases: list[Case] = []
    for number, book in enumerate(books, 1):
        for row in rows_of(path, book, f"book {number}, choice"):
            cases.append(case_of_row(row, len(cases) + 1, seed))
    return cases


def case_of_row(row: Row, number: int, seed: int) -> Case:
    """The case of one choice. Raises InputError."""
    asked = row.row("Multiple Choice Question")
    written = asked.texts("Options")
    if len(written) != len(LETTERS) or len(set(written)) != len(written):
        asked.wrong("Options", "are not four that differ")
    at = _right(asked, written)
    id = f"choice-{number:04}"
    options, right = shuffled(tuple(_bare(one) for one in written), at, seed, f"lifechoices/{id}")
    text = prompt(
        "bench-lifechoices/en",
        name=row.text("character_name"),
        life=row.text("input_text"),
        scenario=asked.text("Scenario"),
        question=asked.text("Question"),
        options=lettered(options),
    )
    question = Question(id, text, Sort.LETTER, (right,), num_options=len(options))
    return Case(id, row.text("book"), (question,), {"book": row.text("book"), "in the file": LETTERS[at]})


def count(found: Sequence[Graded]) -> dict[str, Value]:
    """The figures of a choice, and of each letter whether it was chosen."""
    missing = Unscored(Why.UNDEFINED, "no letter was chosen")
    chosen = [one.answer for one in found if one.answer]
    picks: dict[str, Value] = {
        f"chose-{one.lower()}": chosen.count(one) / len(chosen) if chosen else missing for one in LETTERS
    }
    return plain(found) | picks


def _right(asked: Row, written: Sequence[str]) -> int:
    """Where the right option stands: the file names it by its letter, its text, or both."""
    answer = asked.text("Correct Answer").strip()
    if answer in written:
        return list(written).index(answer)
    letter = answer[:1]
    if letter in LETTERS and (len(answer) == 1 or answer[1] in ".):"):
        at = LETTERS.index(letter)
        told = answer[2:].strip()
        if told in ("", _bare(written[at])):
            return at
    asked.wrong("Correct Answer", "names none of the options")


def _bare(option: str) -> str:
    """An option without a letter of its own, which would stand beside ours."""
    return option[2:].strip() if option[:1] in LETTERS and option[1:2] in (".", ")", ":") else option.strip()
