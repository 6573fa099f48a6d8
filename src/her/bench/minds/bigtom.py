"""BigToM (Gandhi and others, 2023), the items on which people agree: what somebody believes or will do, two options.

Knows the file `bigtom_agree90.json`. The options are written into its questions; they are taken out, and put into an
order that follows from the seed.
"""

from __future__ import annotations

import re
from pathlib import Path

from her.bench.figures import Figure
from her.bench.minds.cases import ACCURACY, READABLE, Case, Question, Sort, lettered, shuffled
from her.bench.minds.source import Place, Row, json_of, rows_of
from her.errors import InputError
from her.prompts import prompt

PLACE = Place("bigtom", "bigtom_agree90.json", "https://github.com/cicl-stanford/procedural-evals-tom")
FIGURES = (
    ACCURACY,
    READABLE,
    Figure("forward", "right, from what is seen"),
    Figure("backward", "right, from what is done"),
    Figure("belief", "right, what somebody believes"),
    Figure("action", "right, what somebody will do"),
    Figure("true-belief", "right, where the belief is true"),
    Figure("false-belief", "right, where the belief is false"),
)
_TASK = re.compile(r"\d+_(forward|backward)_(belief|action)_(true|false)_belief")
_KEY = re.compile(r"([ab])\)\s*(\S.*)", re.DOTALL)


def load(path: Path, seed: int = 0) -> list[Case]:
    """A case for each item. Raises InputError and StorageError."""
    data = json_of(path)
    if not isinstance(data, dict) or not data:
        raise InputError(f"{path}: an object of items should stand here; fetch the file again")
    rows = rows_of(path, list(data.values()), "item")
    return [_case(Row(f"{path}, item {name!r}", row.fields), name, seed) for name, row in zip(data, rows, strict=True)]


def _case(row: Row, name: str, seed: int) -> Case:
    task = _TASK.fullmatch(row.text("task_type"))
    if task is None:
        row.wrong("task_type", "is none such as '0_forward_belief_false_belief'")
    true, wrong = _option(row, "true_answer"), _option(row, "wrong_answer")
    if true == wrong:
        row.wrong("wrong_answer", "is the right one")
    options, right = shuffled((true, wrong), 0, seed, f"bigtom/{name}")
    text = prompt(
        "bench-bigtom/en",
        context=row.text("context"),
        question=row.text("original_question"),
        options=lettered(options),
    )
    marks = (task[1], task[2], f"{task[3]}-belief")
    id = f"item-{name}"
    # The items of one situation begin with the same sentence.
    cluster = row.text("context").partition(". ")[0]
    return Case(id, cluster, (Question(id, text, Sort.LETTER, (right,), num_options=2, marks=marks),))


def _option(row: Row, name: str) -> str:
    key = _KEY.fullmatch(row.text(name).strip())
    return key[2].strip() if key else row.wrong(name, "does not begin with a) or b)")
