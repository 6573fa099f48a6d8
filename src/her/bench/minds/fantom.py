"""FANToM (Kim and others, 2023): talk that people leave and come back to, and questions of six types about it.

Knows the file `fantom_v1.json`; a set of questions about one fact is one case. Refuses to judge a belief told in a
free sentence, which takes a model of sentences: those, and the figure that needs them, are absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from her.bench.figures import Figure, Unscored, Value
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
    readable,
    shuffled,
)
from her.bench.minds.source import Place, Row, json_of, rows_of
from her.errors import InputError
from her.prompts import prompt

PLACE = Place("fantom", "fantom_v1.json", "https://github.com/skywalker023/fantom")
CONTEXTS = {"short": "short_context", "full": "full_context"}
FIGURES = (
    ACCURACY,
    READABLE,
    Figure("all", "sets in which every answer about who missed something is right", headline=True),
    Figure("all-star", "the same with beliefs in free sentences"),
    Figure("belief-choice", "right, belief of two options"),
    Figure("belief-free", "right, belief in a free sentence"),
    Figure("answerability-list", "right, who can answer"),
    Figure("answerability-yes-no", "right, can this person answer"),
    Figure("access-list", "right, who knows"),
    Figure("access-yes-no", "right, does this person know"),
    Figure("yes-no-f1", "weighted F1 of yes and no, a set at a time"),
    Figure("fact-f1", "F1 of the words of the fact"),
    Figure("control", "right, beliefs of who missed nothing", better="neither"),
)
_TYPES = ("belief-choice", "belief-free", "answerability-list", "answerability-yes-no", "access-list", "access-yes-no")
_LONG = "no:long"
"""An answer that holds for the full talk alone: the short one does not say that this person was there at all."""


def load(path: Path, seed: int = 0, context: str = "short") -> list[Case]:
    """A case for each set of questions, asked with the short or the full talk. Raises InputError and StorageError."""
    if context not in CONTEXTS:
        raise InputError(f"context {context!r} is not known; known are {', '.join(CONTEXTS)}")
    return [case_of_row(row, seed, context) for row in rows_of(path, json_of(path), "set")]


def case_of_row(row: Row, seed: int, context: str) -> Case:
    """The case of one set. Raises InputError."""
    id = row.text("set_id")
    talk = row.text(CONTEXTS[context])
    fact = row.row("factQA")
    about = {"target": fact.text("question"), "information": ""}
    told = {"target": "", "information": f"{fact.text('question')} {fact.text('correct_answer')}"}
    nothing = {"target": "", "information": ""}
    found = [_ask(talk, fact, nothing, Sort.FACT, ("fact-f1",))]
    for belief in row.rows("beliefQAs"):
        found += _beliefs(talk, belief, f"{id}/{len(found)}", seed)
    for name, mark, given in (("answerabilityQA", "answerability", about), ("infoAccessibilityQA", "access", told)):
        found.append(_ask(talk, row.row(f"{name}_list"), given, Sort.NAMES, (f"{mark}-list", "missed")))
        for one in row.rows(f"{name}s_binary"):
            if one.text("correct_answer") != _LONG or context == "full":
                found.append(_ask(talk, one, given, Sort.YES_NO, (f"{mark}-yes-no", "missed")))
    questions = tuple(
        Question(f"{number:02}", one.text, one.sort, one.right, one.others, one.num_options, one.marks)
        for number, one in enumerate(found, 1)
    )
    # The sets of one talk have a number before the first hyphen in common.
    return Case(f"set-{id}", id.partition("-")[0], questions, {"context": context})


def count(found: Sequence[Graded]) -> dict[str, Value]:
    """The figures of a set whose questions were answered; accuracy leaves out facts, as SOUL's does."""
    minds = [one for one in found if one.question.sort not in (Sort.FACT, Sort.BELIEF)]
    missed = [one for one in found if "missed" in one.question.marks]
    free = [one.value for one in missed if one.question.sort is Sort.BELIEF]
    whole = every(one.value for one in missed if one.question.sort is not Sort.BELIEF)
    return {
        "accuracy": mean(one.value for one in minds),
        "readable": readable([one for one in found if one.question.sort is not Sort.BELIEF]),
        "all": whole,
        "all-star": every([whole, *free]) if free else whole,
        **{name: mean(one.value for one in missed if name in one.question.marks) for name in _TYPES},
        "yes-no-f1": weighted_f1([(one.question.right[0], one) for one in missed if one.question.sort is Sort.YES_NO]),
        "fact-f1": mean(marked(found, "fact-f1")),
        "control": mean(marked(found, "control")),
    }


def weighted_f1(found: Sequence[tuple[str, Graded]]) -> Value:
    """F1 of each answer that is right somewhere, weighted by how often it is right; of what can be read.

    Unscored where nothing can. (The mean that the set's own script takes from scikit-learn, `average="weighted"`.)
    """
    read = [(right, right if one.value == 1 else _other(right)) for right, one in found if _scored(one)]
    if not read:
        return mean(one.value for _, one in found)
    total = 0.0
    for answer in ("yes", "no"):
        both = sum(right == said == answer for right, said in read)
        either = sum(right == answer for right, _ in read) + sum(said == answer for _, said in read)
        support = sum(right == answer for right, _ in read)
        total += support * (2 * both / either if either else 0.0)
    return total / len(read)


def _scored(one: Graded) -> bool:
    return not isinstance(one.value, Unscored)


def _other(answer: str) -> str:
    return "no" if answer == "yes" else "yes"


def _ask(talk: str, row: Row, given: dict[str, str], sort: Sort, marks: tuple[str, ...]) -> Question:
    text = prompt("bench-fantom/en", conversation=talk, question=row.text("question"), options="", **given)
    if sort is not Sort.NAMES:
        right = row.text("correct_answer")
        if sort is Sort.YES_NO:
            right = right.removesuffix(":long")
            if right not in ("yes", "no"):
                row.wrong("correct_answer", "is neither yes nor no")
        return Question("", text, sort, (right,), marks=marks)
    right_names, wrong = row.texts("correct_answer"), row.texts("wrong_answer")
    if not right_names + wrong or set(right_names) & set(wrong):
        row.wrong("correct_answer", "and wrong_answer name nobody, or somebody twice")
    return Question("", text, sort, right_names, wrong, marks=marks)


def _beliefs(talk: str, row: Row, name: str, seed: int) -> list[Question]:
    """A belief, asked with two options and in a free sentence."""
    missed = {"inaccessible": True, "accessible": False}.get(row.text("missed_info_accessibility"))
    if missed is None:
        row.wrong("missed_info_accessibility", "is neither accessible nor inaccessible")
    pair = (row.text("correct_answer"), row.text("wrong_answer"))
    options, right = shuffled(pair, 0, seed, f"fantom/{name}")
    given = {"target": "", "information": ""}
    chosen = prompt(
        "bench-fantom/en", conversation=talk, question=row.text("question"), options=lettered(options), **given
    )
    marks = ("missed",) if missed else ("control",)
    free = _ask(talk, row, given, Sort.BELIEF, ("missed", "belief-free") if missed else ())
    return [Question("", chosen, Sort.LETTER, (right,), num_options=2, marks=(*marks, "belief-choice")), free]
